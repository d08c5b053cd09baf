# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over its DevTools socket (websocket-client)."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

import websocket

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-default-apps", "--disable-extensions", "--no-proxy-server", "--remote-debugging-port=0", "--remote-allow-origins=*", "--hide-scrollbars"]


def find():
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


class Browser:
    def __init__(self, size=(1440, 900)):
        self.dir = tempfile.mkdtemp(prefix="np-chromium-")
        env = dict(os.environ, HOME=self.dir, XDG_CONFIG_HOME=self.dir, XDG_CACHE_HOME=self.dir)
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.p = subprocess.Popen([find(), *FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={self.dir}/profile", "about:blank"], env=env,
                                  stdout=self.log, stderr=self.log)
        port_file = os.path.join(self.dir, "profile", "DevToolsActivePort")
        self._until(lambda: os.path.exists(port_file) and "\n" in open(port_file).read(), 60, "Chromium does not start")
        port = open(port_file).readline().strip()
        pages = []

        def page():
            pages[:] = [t for t in json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10)) if t["type"] == "page"]
            return pages

        self._until(page, 30, "Chromium has no page")
        self.ws = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=60)
        self.n = 0
        self.problems = []  # what the page wrote on its console, and its exceptions
        self.requests = []  # addresses that it asked for
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)

    def _until(self, true, seconds, what):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end or self.p.poll() is not None:
                self.close()
                raise AssertionError(what)
            time.sleep(0.1)

    def call(self, method, **params):
        self.n += 1
        self.ws.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while True:
            m = json.loads(self.ws.recv())
            if m.get("id") == self.n:
                assert "error" not in m, (method, m["error"])
                return m["result"]
            p = m.get("params", {})
            if m.get("method") == "Runtime.exceptionThrown":
                self.problems.append(p["exceptionDetails"].get("exception", {}).get("description") or p["exceptionDetails"]["text"])
            elif m.get("method") == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning"):
                self.problems.append(str([a.get("value", a.get("description")) for a in p["args"]]))
            elif m.get("method") == "Log.entryAdded" and p["entry"]["level"] == "error":
                self.problems.append(p["entry"]["text"] + " " + p["entry"].get("url", ""))
            elif m.get("method") == "Network.requestWillBeSent":
                self.requests.append(p["request"]["url"])

    def go(self, url):
        assert "errorText" not in self.call("Page.navigate", url=url)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def eval(self, js):
        r = self.call("Runtime.evaluate", expression=js, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in r, r["exceptionDetails"]
        return r["result"].get("value")

    def until(self, js, seconds=60):
        end = time.monotonic() + seconds
        while not (v := self.eval(js)):
            assert time.monotonic() < end, f"not true after {seconds} s: {js}; the page says: {self.problems}; {self.eval('document.body.innerText')[:600]}"
            time.sleep(0.1)
        return v

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def resize(self, w, h, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=w, height=h, deviceScaleFactor=scale, mobile=False)

    def close(self):
        try:
            if hasattr(self, "ws"):
                self.call("Browser.close")
        except Exception:
            pass
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
