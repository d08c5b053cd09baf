#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check_window.py NEXTPOSE SHARED FOLDER

--view window under Xvfb: the picture is there in its own colours, skeletons in the people's colours, keys do what docs/views.md says, closing it ends the
run with complete outputs. Screenshots (ImageMagick's import) go to FOLDER. Exit code 77: no Xvfb, xdotool or import."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

try:
    import cv2
    import numpy as np
except ImportError:
    print("skipped: no OpenCV for Python")
    sys.exit(77)

PALETTE = [(60, 180, 255), (255, 150, 40), (90, 220, 90), (240, 80, 160), (250, 220, 60), (160, 120, 255), (60, 220, 210), (255, 100, 80)]


def until(what, f, seconds=90):
    end = time.monotonic() + seconds
    while (v := f()) is None or (not isinstance(v, np.ndarray) and not v):
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.2)
    return v


class Screen:
    def __init__(self, folder):
        r, w = os.pipe()
        self.p = subprocess.Popen(["Xvfb", "-displayfd", str(w), "-screen", "0", "1280x900x24", "-nolisten", "tcp"], pass_fds=[w], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        os.close(w)
        with os.fdopen(r) as f:
            self.display = ":" + f.readline().strip()
        assert len(self.display) > 1, "Xvfb does not start"
        self.env = dict(os.environ, DISPLAY=self.display, SDL_VIDEODRIVER="x11")
        self.env.pop("WAYLAND_DISPLAY", None)
        # D-Bus and the graphics drivers, which SDL loads and unloads again, leave a kilobyte behind; in unloaded code it cannot be told by name.
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.folder = folder

    def do(self, *cmd):
        return subprocess.run(cmd, env=self.env, capture_output=True, timeout=60)

    def picture(self, name):
        """RGB."""
        path = os.path.join(self.folder, name + ".png")
        assert self.do("import", "-window", "root", path).returncode == 0
        return cv2.imread(path)[:, :, ::-1].astype(int)

    def window(self):
        return self.do("xdotool", "search", "--name", "^NextPose$").stdout.split()

    def key(self, key):
        assert self.do("xdotool", "key", key).returncode == 0

    def close(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(20)


def near(img, rgb, tolerance=30):
    """Pixels of a colour or of its lighter and darker limbs."""
    hits = np.zeros(img.shape[:2], bool)
    for t in (lambda v: v, lambda v: v + (255 - v) * 45 // 100, lambda v: v * 75 // 100):
        hits |= np.abs(img - np.array([t(v) for v in rgb])).max(2) < tolerance
    return hits


def bounds(img):
    """Where the window's picture is: rows and columns that are lit for a good part (the line of rates may lie beside it)."""
    lit = img.max(2) > 40
    xs, ys = np.nonzero(lit.sum(0) > 60)[0], np.nonzero(lit.sum(1) > 60)[0]
    return (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1) if len(xs) and len(ys) else (0, 0, 1, 1)


def start(exe, shared, clip, screen, folder, *more):
    err = open(os.path.join(folder, "stderr"), "w+")
    return subprocess.Popen([exe, "run", "--models-dir", os.path.join(shared, "models"), "-i", "loop:" + os.path.join(shared, "clips", clip), "--live", "--view", "window", *more],
                            stdout=subprocess.DEVNULL, stderr=err, env=screen.env)


def check_live(exe, shared, folder, screen):
    clip = os.path.join(shared, "clips", "tfjs_squats.mp4")
    out, stats = os.path.join(folder, "o.jsonl"), os.path.join(folder, "s.jsonl")
    p = start(exe, shared, "tfjs_squats.mp4", screen, folder, "--save-json", out, "--stats-json", stats, "--no-draw-ids")
    try:
        until("a window", screen.window)
        drawn = until("a skeleton", lambda: (lambda i: i if near(i, PALETTE[0]).sum() > 1500 else None)(screen.picture("window")))
        # The picture itself: the clip's corner (a light wall) in the clip's colours.
        x0, y0, x1, y1 = bounds(drawn)
        assert abs((x1 - x0) / (y1 - y0) - 720 / 1280) < 0.05, (x0, y0, x1, y1)
        ok, frame = cv2.VideoCapture(clip).read()
        want = frame[200:400, 20:200, ::-1].mean((0, 1))
        h, w = y1 - y0, x1 - x0
        got = drawn[y0 + h * 200 // 1280:y0 + h * 400 // 1280, x0 + w * 20 // 720:x0 + w * 200 // 720].mean((0, 1))
        assert np.abs(want - got).max() < 12, (want, got)
        # The skeleton is where the woman is, not anywhere: she stands in the middle.
        ys, xs = np.nonzero(near(drawn, PALETTE[0])[y0:y1, x0:x1])
        assert 0.2 * w < np.median(xs) < 0.8 * w and 0.2 * h < np.median(ys) < 0.9 * h, (np.median(xs) / w, np.median(ys) / h)
        dark = lambda img: (img[y0:y1, x0:x1].max(2) < 70).mean()
        before = dark(drawn)
        screen.key("s")
        until("the panel", lambda: dark(screen.picture("panel")) > before + 0.1)
        screen.key("s")
        until("no panel", lambda: dark(screen.picture("window")) < before + 0.07)
        screen.key("minus")
        until("fewer people", lambda: json.loads(open(stats).read().splitlines()[-1])["knobs"]["max_persons"] == 7)
        screen.key("p")
        until("the next preset", lambda: json.loads(open(stats).read().splitlines()[-1])["preset"] != "balanced")
        # Another size: the picture follows.
        screen.do("xdotool", "windowsize", screen.window()[0].decode(), "1000", "500")
        size = lambda b: (b[2] - b[0], b[3] - b[1])
        until("the other size", lambda: (lambda s: abs(s[1] - 500) < 20 and abs(s[0] - 281) < 20)(size(bounds(screen.picture("resized")))))
        screen.key("q")
        code = p.wait(60)
    finally:
        if p.poll() is None:
            p.kill()
    assert code == 0, (code, open(os.path.join(folder, "stderr")).read())
    lines = [json.loads(line) for line in open(out)]
    assert len(lines) > 5 and not screen.window()


def check_file(exe, shared, folder, screen):
    """Turned and odd material as fast as it goes; the window ends with the run."""
    clip = os.path.join(folder, "turned.mp4")
    if subprocess.run(["ffmpeg", "-v", "quiet", "-y", "-display_rotation", "90", "-i", os.path.join(shared, "clips", "tfjs_squats.mp4"), "-t", "3", "-c", "copy", clip]).returncode:
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", os.path.join(shared, "clips", "tfjs_squats.mp4"), "-t", "3", "-c", "copy", "-metadata:s:v", "rotate=90", clip], check=True)
    out = os.path.join(folder, "o2.jsonl")
    p = subprocess.Popen([exe, "run", "--models-dir", os.path.join(shared, "models"), "--detector", "none", "--model", "blazepose_lite", "-i", "loop:" + clip, "--live",
                          "--view", "window"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=screen.env)
    try:
        until("a turned picture", lambda: screen.window() and (lambda b: (b[2] - b[0]) > 1.5 * (b[3] - b[1]))(bounds(screen.picture("turned"))))
        p.send_signal(signal.SIGINT)
        assert p.wait(60) == 130
    finally:
        if p.poll() is None:
            p.kill()
    r = subprocess.run([exe, "run", "--models-dir", os.path.join(shared, "models"), "--detector", "none", "--model", "blazepose_lite", "-i",
                        os.path.join(shared, "clips", "photos", "mmpose_000000000785.jpg"), "--view", "window", "--save-json", out], stdout=subprocess.DEVNULL,
                       capture_output=False, env=screen.env, timeout=120)
    assert r.returncode == 0 and len(open(out).read().splitlines()) == 2


def main():
    exe, shared, folder = sys.argv[1:4]
    for tool in ("Xvfb", "xdotool", "import", "ffmpeg"):
        if not shutil.which(tool):
            print(f"skipped: no {tool}")
            sys.exit(77)
    if not os.path.exists(os.path.join(shared, "models", "pose_landmark_full.tflite")) or not os.path.exists(os.path.join(shared, "clips", "tfjs_squats.mp4")):
        print("skipped: no shared models and clips")
        sys.exit(77)
    os.makedirs(folder, exist_ok=True)
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    r = subprocess.run([exe, "run", "--models-dir", os.path.join(shared, "models"), "--detector", "none", "--model", "blazepose_lite", "-i",
                        os.path.join(shared, "clips", "photos", "mmpose_000000000785.jpg"), "--view", "window"], capture_output=True, text=True, env=bare, timeout=120)
    assert r.returncode == 1 and "no window can be opened" in r.stderr and r.stderr.count("\n") == 1, (r.returncode, r.stderr)
    screen = Screen(folder)
    try:
        check_live(exe, shared, folder, screen)
        print("live: ok")
        check_file(exe, shared, folder, screen)
        print("file: ok")
    finally:
        screen.close()
    print("ok")


main()
