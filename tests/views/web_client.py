#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: web_client.py WEB_DEMO

The web server from the outside, as friend and foe: what it answers, whom it refuses, what it does with rubbish, with clients that send a
byte a second or read nothing, and with viewers that come and go. Standard library only."""
import http.client
import json
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit


class Demo:
    """The server under test; closing its standard input ends it, and it must end cleanly (sanitizers!)."""

    def __init__(self, exe, *args):
        self.p = subprocess.Popen([exe, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.p.stdout.readline().strip()
        assert self.url.startswith("http://"), "the server did not start"
        self.host, self.port = urlsplit(self.url).hostname, urlsplit(self.url).port

    def say(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.p.stdin.close()
        from_ = time.monotonic()
        assert self.p.wait(60) == 0, f"the server ended with {self.p.returncode}"
        print(f"  ended in {time.monotonic() - from_:.1f} s")

    def ask(self, path, method="GET", headers=None, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r, data

    def raw(self, data, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.sendall(data)
        return s


def read_piece(f):
    """One piece of /stream: (JSON, JPEG)."""
    head = f.read(12)
    assert len(head) == 12 and head[:4] == b"NPF1", head
    n_json, n_jpeg = struct.unpack("<II", head[4:])
    return json.loads(f.read(n_json)), f.read(n_jpeg)


def open_stream(demo, path="/stream"):
    c = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=30)
    c.request("GET", path)
    return c, c.getresponse()


def test_answers(demo):
    for path, kind, word in [("/", "text/html", b"<canvas"), ("/app.js", "text/javascript", b"NPF1"), ("/style.css", "text/css", b"--ground"),
                             ("/icon.svg", "image/svg+xml", b"<svg"), ("/metrics", "text/plain; version=0.0.4", b"nextpose_camera_fps 30.00")]:
        r, data = demo.ask(path)
        assert r.status == 200 and r.headers["Content-Type"].startswith(kind) and word in data, (path, r.status, r.headers["Content-Type"])
        csp = r.headers["Content-Security-Policy"]
        assert "default-src 'none'" in csp and "unsafe" not in csp and r.headers["X-Content-Type-Options"] == "nosniff"
    page = demo.ask("/")[1] + demo.ask("/app.js")[1] + demo.ask("/style.css")[1]
    assert b"https://" not in page.replace(b"http://www.w3.org", b"") and b"http://" not in page, "the page names something outside"
    r, data = demo.ask("/api/info")
    info = json.loads(data)
    assert info["input"] == 'demo <b>&"quoted"</b>' and len(info["edges"]) > 10 and info["writable"] is True and "quality" in info["presets"], info
    s = json.loads(demo.ask("/api/stats")[1])
    assert s["bottleneck"] == "detect" and s["suggestions"][0]["flag"] == "--detection-freq 4" and s["preset"] == "balanced"
    r, data = demo.ask("/frame.jpg")
    assert r.status == 200 and data[:3] == b"\xff\xd8\xff", r.status
    assert demo.ask("/nothing")[0].status == 404 and demo.ask("/../etc/passwd")[0].status == 404
    assert demo.ask("/api/adjust?name=preset&value=quality")[0].status == 405
    assert demo.ask("/", "DELETE")[0].status == 405 and demo.ask("/", "HEAD")[1] == b""


def test_streams(demo):
    c, r = open_stream(demo)
    got = [read_piece(r) for _ in range(8)]
    shots = [g for g in got if g[0]]
    seq = [g[0]["seq"] for g in shots]
    assert seq == sorted(set(seq)) and len(shots) >= 6, seq
    for shot, jpeg in shots:
        p = shot["persons"][0]
        assert shot["width"] == 320 and len(p["keypoints"]) == 17 and p["source"] in ("inferred", "propagated") and jpeg[:2] == b"\xff\xd8"
        assert (p["source"] == "inferred") == shot["inferred"] == (shot["frame"] % 3 == 0)
    c.close()
    c, r = open_stream(demo, "/stream.mjpg")
    assert r.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=nextpose"
    for _ in range(3):
        assert r.readline() == b"--nextpose\r\n"
        n = int([line for line in iter(r.readline, b"\r\n") if line.startswith(b"Content-Length")][0].split()[1])
        assert r.read(n)[:2] == b"\xff\xd8" and r.read(2) == b"\r\n"
    c.close()
    c, r = open_stream(demo, "/api/poses")
    assert [len(json.loads(r.readline())["persons"]) for _ in range(3)] == [1, 1, 1]
    c.close()


def test_changes(demo):
    mark = {"X-NextPose": "1"}
    here = {"Host": f"localhost:{demo.port}"}
    r, data = demo.ask("/api/adjust?name=preset&value=quality", "POST", mark)
    assert r.status == 200 and json.loads(data) == {"ok": True}, data
    assert demo.p.stdout.readline() == "changed preset quality\n"
    assert json.loads(demo.ask("/api/stats")[1])["preset"] == "quality"
    r, data = demo.ask("/api/adjust?name=preset&value=efficiency", "POST", mark)
    assert json.loads(data) == {"ok": True, "note": "16 people (there is room for 8) need a restart"}, data
    demo.p.stdout.readline()
    demo.ask("/api/adjust?name=preset&value=quality", "POST", mark)
    demo.p.stdout.readline()
    r, data = demo.ask("/api/adjust?name=max-persons&value=3", "POST", {**mark, **here, "Origin": f"http://localhost:{demo.port}"})
    assert r.status == 200 and demo.p.stdout.readline() == "changed max-persons 3\n"
    r, data = demo.ask("/api/adjust?name=max-persons&value=99", "POST", mark)
    assert r.status == 400 and "outside of 1 to 8" in json.loads(data)["error"], data
    assert demo.ask("/api/adjust?name=preset", "POST", mark)[0].status == 400
    # Other sites: by form, by script, by a name of theirs that points here.
    for headers in [{}, {**mark, "Origin": "http://evil.example"}, {**mark, "Origin": "null"}, {**mark, "Sec-Fetch-Site": "cross-site"},
                    {**mark, "Host": "evil.example"}, {**mark, "Host": f"127.0.0.1.evil.example:{demo.port}"}, {**mark, "Host": "localhost.evil.example"}]:
        r, data = demo.ask("/api/adjust?name=preset&value=balanced", "POST", headers)
        assert r.status == 403, (headers, r.status)
    assert json.loads(demo.ask("/api/stats")[1])["preset"] == "quality"
    for path in ("/stream", "/frame.jpg", "/api/stats", "/"):
        assert demo.ask(path, headers={"Host": "evil.example"})[0].status == 403, path
    assert demo.ask("/frame.jpg", headers={"Sec-Fetch-Site": "cross-site"})[0].status == 403
    # An origin alone, as a browser without Sec-Fetch-Site sends it.
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{demo.port + 1}", f"http://evil.example:{demo.port}", f"http://127.0.0.1:{demo.port}.evil.example"):
        for path in ("/frame.jpg", "/stream", "/stream.mjpg", "/api/poses", "/api/stats", "/api/info", "/metrics"):
            assert demo.ask(path, headers={"Origin": origin})[0].status == 403, (path, origin)
        assert demo.ask("/api/adjust?name=preset&value=balanced", "POST", {"Origin": origin, **mark})[0].status == 403, origin
        assert demo.ask("/", "POST", {"Origin": origin, **mark})[0].status == 403, origin
    assert demo.ask("/api/stats", headers={"Origin": f"http://127.0.0.1:{demo.port}"})[0].status == 200
    assert demo.ask("/", headers={"Sec-Fetch-Site": "cross-site"})[0].status == 200  # a link to the page
    assert demo.ask("/api/adjust?name=preset&value=balanced", "POST", mark, body=b"x" * 5000)[0].status == 413


def test_token(exe):
    with Demo(exe, "0.0.0.0") as demo:
        token = demo.url.split("?token=")[1]
        assert len(token) == 32
        for path in ("/", "/stream", "/api/stats", "/metrics", "/app.js", "/?token=wrong", "/?token=", f"/?token={token[:-1]}"):
            r, data = demo.ask(path)
            assert r.status == 401 and token.encode() not in data, path
        r, data = demo.ask(f"/?token={token}")
        assert r.status == 303 and r.headers["Location"] == "/"
        cookie = r.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert demo.ask("/app.js", headers={"Cookie": "a=b; " + cookie.split(";")[0]})[0].status == 200
        bearer = {"Authorization": "Bearer " + token}
        assert demo.ask("/metrics", headers=bearer)[0].status == 200
        assert json.loads(demo.ask("/api/info", headers=bearer)[1])["writable"] is False
        assert demo.ask("/api/adjust?name=preset&value=quality", "POST", {**bearer, "X-NextPose": "1"})[0].status == 403
    with Demo(exe, "127.0.0.1", "secret-of-mine") as demo:
        assert demo.ask("/api/stats")[0].status == 401
        assert demo.ask("/api/stats", headers={"Authorization": "bearer secret-of-mine"})[0].status == 200
    p = subprocess.run([exe, "127.0.0.1", "short"], capture_output=True, text=True)
    assert p.returncode == 1 and "8 to 128" in p.stderr, p.stderr
    p = subprocess.run([exe, "198.51.100.7"], capture_output=True, text=True)
    assert p.returncode == 1 and "cannot listen" in p.stderr, p.stderr
    p = subprocess.run([exe, "no address"], capture_output=True, text=True)
    assert p.returncode == 1 and "is no address" in p.stderr, p.stderr


def test_rubbish(demo):
    rng = random.Random(7)
    heads = [b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \x00\x01\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" + b"\x00" * 200,
             b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n", b"GET /" + b"%" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
             b"POST /api/adjust HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b"POST /api/adjust HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
             b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b"GET /?" + b"&".join(b"a=%d" % i for i in range(3000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    heads += [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400))) for _ in range(60)]
    for h in heads:
        try:
            s = demo.raw(h)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
            s.close()
        except OSError:
            pass
    assert demo.ask("/api/stats")[0].status == 200


def test_slow_headers(demo):
    """A byte now and then: cut off after the two seconds that the demo allows, and the page is still there for others meanwhile."""
    slow = [demo.raw(b"GET / HTTP/1.1\r\n") for _ in range(12)]
    cut = 0
    end = time.monotonic() + 20
    while slow and time.monotonic() < end:
        for s in list(slow):
            try:
                s.sendall(b"X")
                s.settimeout(0.01)
                try:
                    if s.recv(100) == b"":
                        raise OSError("closed")
                except TimeoutError:
                    pass
            except OSError:
                cut += 1
                slow.remove(s)
                s.close()
        assert demo.ask("/api/stats")[0].status == 200
        time.sleep(0.2)
    assert cut == 12, f"{len(slow)} of 12 slow clients are still connected"


def test_slow_viewer(demo):
    """One reads nothing, another goes on at full rate; what the slow one gets in the end is not an old film."""
    s = demo.raw(f"GET /stream HTTP/1.1\r\nHost: localhost:{demo.port}\r\n\r\n".encode())
    c, r = open_stream(demo)
    from_, n = time.monotonic(), 0
    while n < 40:
        n += bool(read_piece(r)[0])
    took = time.monotonic() - from_
    c.close()
    s.close()
    assert took < 15, f"40 pictures of 25 a second took {took:.1f} s beside a viewer that reads nothing"


def test_crowd(demo):
    """Thirty viewers come and go at random; some vanish without a word."""
    errors = []

    def one(seed):
        rng = random.Random(seed)
        try:
            for _ in range(3):
                c, r = open_stream(demo, rng.choice(["/stream", "/stream.mjpg", "/api/poses"]))
                if r.status != 200:
                    errors.append(r.status)
                r.read(rng.choice([1, 100, 5000]))
                c.close()
        except (OSError, http.client.HTTPException):
            pass  # more than 32 at a time are turned away

    threads = [threading.Thread(target=one, args=(i,)) for i in range(30)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    for _ in range(100):  # who went without a word is noticed with the next picture
        if json.loads(demo.ask("/api/stats")[1])["viewers"] in (0, 2):
            break
        time.sleep(0.1)
    v = json.loads(demo.ask("/api/stats")[1])
    assert v["viewers"] in (0, 2), v["viewers"]  # 2: what the sample says is added to nothing


def test_end(exe):
    """A viewer of a source that stands still gets signs of life; at the end the stream ends."""
    with Demo(exe) as demo:
        c, r = open_stream(demo)
        while not read_piece(r)[0]:
            pass
        demo.say("stop")
        for _ in range(20):
            if not read_piece(r)[0]:
                break
        else:
            raise AssertionError("no sign of life from a source that stands still")
        c2, r2 = open_stream(demo)  # who comes now sees the last picture
        assert read_piece(r2)[1][:2] == b"\xff\xd8"
        demo.say("end")
        while r.read(4096):
            pass
        c.close()
        c2.close()
        assert json.loads(demo.ask("/api/stats")[1])["source"]["state"] == "ended"


def main():
    exe = sys.argv[1]
    with Demo(exe) as demo:
        for test in (test_answers, test_streams, test_changes, test_rubbish, test_slow_headers, test_slow_viewer, test_crowd):
            from_ = time.monotonic()
            test(demo)
            print(f"{test.__name__}: ok ({time.monotonic() - from_:.1f} s)")
    for test in (test_token, test_end):
        test(exe)
        print(f"{test.__name__}: ok")
    with Demo(exe) as demo:  # quits while somebody watches
        c, r = open_stream(demo)
        read_piece(r)
    c.close()
    print("ok")


main()
