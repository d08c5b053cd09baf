#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check_page.py WEB_DEMO NEXTPOSE SHARED FOLDER

The page in a real browser. First over the demo server (numbers, settings, end of a run, narrow screen), then over a real run: the skeletons must lie where
the run's own JSON lines say, in the person's colour, and a joint must be on the person. Screenshots go to FOLDER. Exit code 77: no browser."""
import json
import os
import subprocess
import sys
import time

try:
    import browser
except ImportError:
    print("skipped: websocket-client is not installed")
    sys.exit(77)

# Of the joints that are drawn on the last picture: how many have their own colour where they are, or close by where another one covers them.
JOINTS = """(() => {
  const s = nextpose.shot, c = document.getElementById('view'), g = c.getContext('2d');
  let n = 0, hit = 0;
  for (const p of s.persons) for (let k = 0; k < p.keypoints.length; k++) {
    const [x, y, conf] = p.keypoints[k];
    if (!(conf >= info.kpt_thr) || x < 2 || y < 2 || x > s.width - 2 || y > s.height - 2) continue;
    const want = tint(colorOf(p.id), side(k)).match(/\\d+/g).map(Number), r = 4, d = g.getImageData(x * nextpose.scale - r, y * nextpose.scale - r, 2 * r + 1, 2 * r + 1).data;
    n++;
    for (let at = 0; at < d.length; at += 4) if (want.every((v, i) => Math.abs(v - d[at + i]) < 12)) { hit++; break; }
  }
  return {n, hit, frame: s.frame, width: s.width, persons: s.persons};
})()"""


def check_demo(demo_exe, folder):
    p = subprocess.Popen([demo_exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = p.stdout.readline().strip()
    b = browser.Browser()
    try:
        b.go(url)
        b.until("nextpose.pictures > 10 && nextpose.stats !== null")
        # The disc is bright under the joints' rings; joints lie on it, in colour.
        j = b.eval("(() => {document.getElementById('show-boxes').checked = false; return true})()") and b.eval(JOINTS)
        assert j["n"] == 16 and j["hit"] >= 12, j  # 17 less the one of low confidence
        assert b.eval("document.getElementById('fps-inferred').textContent") == "12.1"
        assert b.eval("document.getElementById('bottleneck').textContent") == "detect limits"
        assert b.eval("document.querySelector('#suggestions code').textContent") == "--detection-freq 4"
        assert b.eval("document.getElementById('input').textContent") == 'demo <b>&"quoted"</b>'  # text, not HTML
        # Settings
        b.eval("document.querySelector('[data-preset=quality]').click()")
        b.until("document.querySelector('[data-preset=quality]').getAttribute('aria-pressed') === 'true'")
        assert p.stdout.readline() == "changed preset quality\n"
        b.eval("document.getElementById('more').click()")
        b.until("document.getElementById('max-persons').textContent === '6'")
        assert p.stdout.readline() == "changed max-persons 6\n"
        for _ in range(3):
            b.eval("adjust('max-persons', '9')")
        b.until("document.getElementById('answer').textContent.includes('outside of 1 to 8')")
        b.eval("adjust('preset', 'quality')")
        b.until("document.getElementById('answer').textContent === 'preset is now quality'")
        b.eval("adjust('preset', 'efficiency')")
        b.until("document.getElementById('answer').textContent === 'preset is now efficiency; 16 people (there is room for 8) need a restart'")
        b.eval("adjust('preset', 'quality')")
        b.until("document.getElementById('answer').textContent === 'preset is now quality'")
        b.screenshot(os.path.join(folder, "demo.png"))
        b.resize(420, 900, 2)
        b.until("document.documentElement.scrollWidth <= 420")
        time.sleep(0.3)
        b.screenshot(os.path.join(folder, "demo-narrow.png"))
        # Nothing from elsewhere, nothing on the console but the answer 400 that was provoked.
        assert all(r.startswith((url, "data:", "about:", "blob:" + url)) for r in b.requests), b.requests
        bad = [x for x in b.problems if "status of 400" not in x]
        assert not bad, bad
        p.stdin.write("end\n")
        p.stdin.flush()
        b.until("document.getElementById('notice').textContent.includes('ended')")
    finally:
        b.close()
        p.stdin.close()
        code = p.wait(30)
    assert code == 0, code


def check_run(nextpose, shared, clip, people, folder, env):
    out = os.path.join(folder, "o.jsonl")
    err = open(os.path.join(folder, "stderr"), "w+")
    own = os.path.join(folder, "gym.preset")
    with open(own, "w") as f:
        f.write("base = balanced\n[live]\nmax_persons = 7\n")
    p = subprocess.Popen([nextpose, "run", "--models-dir", os.path.join(shared, "models"), "-i", os.path.join(shared, "clips", clip), "--live", "--view", "web",
                          "--web-port", "0", "--preset", own, "--save-json", out], stdout=subprocess.DEVNULL, stderr=err, env=env)
    b = browser.Browser()
    try:
        url = ""
        for _ in range(300):
            url = next((line.split()[-1] for line in open(err.name) if "watch at" in line), "")
            if url or p.poll() is not None:
                break
            time.sleep(0.1)
        assert url, open(err.name).read()
        b.go(url)
        b.until(f"nextpose.pictures >= 5 && nextpose.shot.persons.length >= {people}")
        j = b.eval("(() => {for (const id of ['show-boxes', 'show-ids']) document.getElementById(id).checked = false; return true})()") and None
        b.until("(n => nextpose.pictures > n)(window.n0 = window.n0 || nextpose.pictures)")  # one drawn without boxes
        # A picture with people on it: on a busy machine some have none, because their poses are too old to be shown.
        j = b.until(f"(j => j.n >= {10 * people} ? j : null)({JOINTS})")
        assert j["hit"] >= 0.8 * j["n"], (j["n"], j["hit"])  # joints close together cover one another
        # Settings of the run itself, and numbers that come from it.
        b.eval("adjust('preset', 'quality')")
        b.until("nextpose.stats && nextpose.stats.preset === 'quality' && nextpose.stats.knobs.pose_passes === 2")
        b.eval("document.querySelector('[data-preset$=\"gym.preset\"]').click()")  # back to one's own
        b.until(f"nextpose.stats.preset === '{own}' && nextpose.stats.knobs.pose_passes === 1")
        b.eval("adjust('max-persons', '2')")
        b.until("nextpose.stats.knobs.max_persons === 2")
        b.until("nextpose.stats.fps.processed > 0 && nextpose.stats.stages.pose.runs > 0 && nextpose.stats.memory.resident_mb > 10")
        b.eval("(() => {for (const id of ['show-boxes', 'show-ids']) document.getElementById(id).checked = true; return true})()")
        b.until("(n => nextpose.pictures > n)(window.n1 = window.n1 || nextpose.pictures)")
        b.screenshot(os.path.join(folder, "run.png"))
        problems = list(b.problems)
    finally:
        b.close()
        p.send_signal(2)
        code = p.wait(60)
    assert code in (0, 130), (code, open(err.name).read())
    assert not problems, problems
    lines = {o["frame"]: o for o in map(json.loads, list(open(out))[1:]) if "frame" in o}
    assert lines[j["frame"]]["persons"] == j["persons"], "the page shows other people than the file"


def main():
    demo_exe, nextpose, shared, folder = sys.argv[1:5]
    if not browser.find():
        print("skipped: no Chromium")
        sys.exit(77)
    os.makedirs(folder, exist_ok=True)
    check_demo(demo_exe, folder)
    print("demo: ok")
    if os.path.exists(os.path.join(shared, "models", "pose_landmark_full.tflite")) and os.path.exists(os.path.join(shared, "clips", "tfjs_squats.mp4")):
        check_run(nextpose, shared, "tfjs_squats.mp4", 1, folder, dict(os.environ))
        print("run: ok")
    print("ok")


main()
