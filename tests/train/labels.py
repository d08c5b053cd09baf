# SPDX-License-Identifier: Apache-2.0
"""labels.py DIR: what makes labels and judges answers in train/, on made-up input whose right answer is known: boxes of several looks, two teachers who
agree or not, cameras, trembling, errors in space, people of clips beside those of prepare.py."""
import json
import os
import stat
import sys

import cv2
import numpy as np

import clips
import contact_views
import evaluate_det
import evaluate_video
import joints
import label
import people
import teachers
import views

FOLDER = sys.argv[1]
RNG = np.random.default_rng(11)


def boxes():
    a = np.array([[10, 10, 50, 90, .6], [200, 20, 240, 80, .15]])
    b = np.array([[12, 10, 52, 90, .3]])
    got = label.join([a, b, np.zeros((0, 5))])
    assert got.shape == (2, 6) and got[0, 5] == 2 and got[1, 5] == 1, got
    assert np.allclose(got[0, :4], (.6 * a[0, :4] + .3 * b[0, :4]) / .9) and got[0, 4] == .6, got[0]
    assert label.join([np.zeros((0, 5))]).shape == (0, 6)

    class Fixed:
        def look(self, picture, share, mirrored):
            return a if not mirrored and share == 1 else np.zeros((0, 5))

    picture, nobody = np.zeros((100, 300, 3), np.uint8), np.zeros((14, 3))
    rows = label.everybody(Fixed(), picture, nobody)
    assert list(rows[:, 5]) == [0, 1], rows                # sure; doubtful
    known = nobody.copy()
    known[:, :2], known[:, 2] = RNG.uniform([15, 15], [45, 85], (14, 2)), 1
    known[0, :2], known[1, :2] = (12, 14), (48, 86)
    assert list(label.everybody(Fixed(), picture, known)[:, 5]) == [2, 1]
    known[:, 0] += 100                                      # whom the teacher overlooked
    rows = label.everybody(Fixed(), picture, known)
    assert sorted(rows[:, 5]) == [0, 1, 2] and rows[rows[:, 5] == 2, 4] == 1, rows


def agreement():
    p, q = RNG.uniform(50, 250, (33, 2)), np.zeros((17, 2))
    q[:] = p[teachers.BLAZEPOSE]
    sure, score, z = np.full(33, .9), np.full(17, .9), RNG.normal(0, .3, 33)
    xy, w, got_z, wz, share = teachers.agree((p, sure, z, 1.), (q, score), (300, 300))
    assert share == 1 and (w[:17] == 1).all() and w[17] == 0 and w[18] == np.float32(.3) or abs(w[18] - .3) < 1e-6, w
    assert np.allclose(xy[:17], q) and np.allclose(xy[19], q[11:13].mean(0)) and np.allclose(got_z[:17], z[teachers.BLAZEPOSE]) and wz[0] == 1
    q[9] += 400                                             # a wrist on which they differ, an ankle that one is unsure of, a nose out of the picture
    score[15] = .1
    p[0], q[0] = (-3, 20), (-3, 20)
    xy, w, _, _, share = teachers.agree((p, sure, z, 1.), (q, score), (300, 300))
    assert w[9] == 0 and w[15] == 0 and w[20] == 0 and w[22] == 0 and w[21] == 1 and w[0] == 0 and abs(share - 15 / 16) < 1e-9, (w, share)
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[30:34, 60:64] = 255
    crop, m = teachers.square(picture, np.array([62., 32.]), 40., np.pi / 2, 80)
    assert crop[40, 40].min() == 255 and np.allclose(m @ [40, 40, 1], [62, 32]) and crop.shape == (80, 80, 3)


def calibration(n=4):
    """Cameras about a scene at (0, 0, 1000), as Qualisys writes them."""
    text = ""
    for i in range(n):
        at = np.array([3000 * np.cos(i), 3000 * np.sin(i), 1500.])
        forward = np.array([0, 0, 1000.]) - at
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(right, forward), -forward])      # y up, z towards us
        r = " ".join(f'r{a + 1}{b + 1}="{turn[a, b]:.12f}"' for a in range(3) for b in range(3))
        text += f'<camera a="1"><transform {r} x="{at[0]}" y="{at[1]}" z="{at[2]}"/><intrinsic centerPointU="34112" centerPointV="61440" ' \
                'focalLengthU="107600" focalLengthV="107600" sensorMinU="0" sensorMinV="0" radialDistortion1="-0.05" radialDistortion2="0.1" ' \
                'tangentalDistortion1="0.0006" tangentalDistortion2="0.0007"/></camera>\n'
    with open(FOLDER + "/calib.txt", "w") as f:
        f.write(text)
    return views.cameras(FOLDER + "/calib.txt")


def space():
    cams = calibration()
    bodies = [RNG.uniform([-300, -300, 200], [300, 300, 1800], (joints.N, 3)) + [x, 0, 0] for x in (-500, 500)]
    for c in cams:
        assert ((bodies[0] @ c.r.T + c.t)[:, 2] > 0).all()
    see = lambda c, b: (np.zeros(4), c.project(b), np.ones(joints.N))
    got, known, error = views.triangulate(cams, [see(c, bodies[0])[1:] for c in cams])
    assert known.all() and np.abs(got - bodies[0]).max() < .1 and error.max() < .01, np.abs(got - bodies[0]).max()
    wrong = [see(c, bodies[0])[1:] for c in cams]
    wrong[2][0][7] += 300                                   # one view takes another elbow: the others outvote it
    got, known, error = views.triangulate(cams, wrong)
    assert known[7] and np.abs(got[7] - bodies[0][7]).max() < .1 and np.isinf(error[2, 7]) and np.isfinite(error[1, 7])
    seen = [[see(c, b) for b in (bodies if i % 2 else bodies[::-1])] for i, c in enumerate(cams)]
    seen[3] = seen[3][:1]                                   # hidden from the last
    who = views.together(cams, seen)
    assert {w[0] for w in who} == {(1, 0, 1, 0), (0, 1, 0, None)} and all(w[2].all() for w in who), [w[0] for w in who]
    try:
        with open(FOLDER + "/none.txt", "w") as f:
            f.write("nothing")
        views.cameras(FOLDER + "/none.txt")
        raise AssertionError("taken")
    except SystemExit as e:
        assert "no Qualisys calibration" in str(e)
    return cams, bodies


def video(cams, bodies):
    def frame(n, points, name="", z=None):
        person = {"id": 1, "source": "inferred", "box": [0, 0, 100, 200], "keypoints": [[*p, .9] for p in np.asarray(points).tolist()]}
        return {"frame": n, "name": name, "persons": [person | ({"keypoints_z": list(z)} if z is not None else {})]}

    still = [frame(n, [[50 + 3 * n, 60]] * 24) for n in range(5)]
    assert evaluate_video.trembling(still) < 1e-9           # even movement is no trembling
    shaking = [frame(n, [[50 + n % 2, 60]] * 24) for n in range(5)]
    assert abs(evaluate_video.trembling(shaking) - 1000 * 2 / 200) < 1e-9
    assert np.isnan(evaluate_video.trembling(still[::2]))

    at = bodies[0] @ cams[0].r.T + cams[0].t
    at[joints.PELVIS] = at[11:13].mean(0)
    pixels = cv2.projectPoints(at.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), cams[0].k, cams[0].bent)[0].reshape(-1, 2)
    z = (at[:, 2] - at[joints.PELVIS, 2]) / 1000
    labels = {"images": [{"id": 1, "file_name": "0000-1.png"}], "annotations": [{"image_id": 1, "bbox": [0, 0, 100, 200]}]}
    truth = {"space": at[None], "known": np.ones((1, joints.N), bool), "camera": np.zeros(1, int), "k": np.array([cams[0].k]), "bent": np.array([cams[0].bent])}
    depth, distance, people_ = evaluate_video.errors([frame(0, pixels, "0000-1.png", z)], joints.NAMES, labels, truth)
    assert people_ == 1 and max(depth) < 1e-3 and max(distance) < .1, (max(depth), max(distance))
    z[9] += .1                                              # a wrist 10 cm too far
    depth, distance, _ = evaluate_video.errors([frame(0, pixels, "0000-1.png", z)], joints.NAMES, labels, truth)
    assert abs(max(depth) - 100) < 1e-3 and max(distance) >= 100 and len(depth) == 16
    assert evaluate_video.errors([frame(0, pixels, "0000-1.png")], joints.NAMES, labels, truth)[2] == 1      # a net without depth is found all the same
    assert abs(evaluate_det.overlap([0, 0, 10, 10], [5, 0, 10, 10]) - 1 / 3) < 1e-9

    program = FOLDER + "/nextpose"                          # one that answers what we know
    with open(program, "w") as f:
        f.write("#!/bin/sh\nfor w; do [ \"$last\" = --out ] && out=$w; last=$w; done\ncp " + FOLDER + "/answer.jsonl \"$out\"\n")
    os.chmod(program, stat.S_IRWXU)
    with open(FOLDER + "/answer.jsonl", "w") as f:
        f.write("\n".join(json.dumps(x) for x in [{"keypoint_names": joints.NAMES}, *shaking]) + "\n")
    names, frames = evaluate_video.run(program, "clip", "net", None, "detector")
    assert names == joints.NAMES and frames == shaking


def clip():
    """Frames at the stride asked for, and only people whom both teachers see alike."""
    path, writer = FOLDER + "/c.avi", cv2.VideoWriter(FOLDER + "/c.avi", cv2.VideoWriter_fourcc(*"MJPG"), 10, (960, 640))
    for n in range(7):
        writer.write(np.full((640, 960, 3), 30 * n, np.uint8))
    writer.release()
    got = list(clips.frames(path, 3))
    assert [round(int(g.mean()) / 30) for g in got] == [0, 3, 6] and got[0].shape == (320, 480, 3), [g.mean() for g in got]
    points = RNG.uniform(60, 180, (33, 2))

    class Look:
        def look(self, picture, share, mirrored):
            return np.array([[50, 50, 190, 190, .9], [200, 50, 290, 190, .9], [10, 10, 30, 30, .9]])      # the last is too small

    heavy = lambda picture, box: (points, np.full(33, .9), np.zeros(33), 1. if box[0] < 100 else .2)
    thunder = lambda picture, box: (points[teachers.BLAZEPOSE], np.full(17, .9))
    rows, seen = clips.people_of(np.zeros((300, 300, 3), np.uint8), Look(), heavy, thunder)
    assert seen == 2 and len(rows) == 1 and rows[0][5] == 1 and rows[0][2][0] == 1, (seen, rows)
    rows, _ = clips.people_of(np.zeros((300, 300, 3), np.uint8), Look(), heavy, lambda p, b: (points[teachers.BLAZEPOSE] + 200, np.full(17, .9)))
    assert not rows
    try:
        list(clips.frames(FOLDER + "/nowhere.mp4", 1))
        raise AssertionError("taken")
    except SystemExit as e:
        assert "no video or picture" in str(e)


def sheets():
    """Which people stand on a contact sheet."""
    k = np.concatenate([RNG.uniform(0, 100, (17, 2)), np.full((17, 1), 2.)], 1)
    trunk = max(np.hypot(*(k[5] - k[12])[:2]), np.hypot(*(k[6] - k[11])[:2]))
    assert abs(contact_views.mean_error(k, k + [3, 4, 0]) - 5 / trunk) < 1e-9
    assert np.isnan(contact_views.mean_error(np.where(np.arange(17)[:, None] == 5, 0, k), k))
    errors = [float(e) for e in range(40)]
    errors[7] = float("nan")
    got = contact_views.pick(errors, list(range(40)))
    assert len(got) == len(set(got)) == 20 and got[:5] == [0, 1, 2, 3, 4] and got[15:] == [39, 38, 37, 36, 35] and 7 not in got, got
    assert all(12 <= k < 32 for k in got[5:15]), got
    assert contact_views.pick(errors, [k // 2 for k in range(40)])[:5] == [0, 2, 4, 6, 8]


def two_sources():
    """Leeds Sports' people and those of clips, as the trainer draws them."""
    n, side = 3, 32
    index = np.zeros((9000, 3), np.int64)
    index[:n] = [(i * side * side * 3, side, side) for i in range(n)]
    np.save(FOLDER + "/pictures.npy", index)
    np.full(n * side * side * 3, 10, np.uint8).tofile(FOLDER + "/pictures.u8")
    one = lambda k: np.ones((k, joints.N), np.float16)
    row = lambda k, first: dict(idx=(first + np.arange(k)).astype(np.int16), kind=np.full(k, first > 0, np.int8), w=one(k), z=one(k), wz=one(k),
                                xy=RNG.uniform(0, side, (k, joints.N, 2)).astype(np.float32), box=np.full((k, 4), (2, 2, 30, 30), np.float32),
                                ybox=np.zeros((k, 4), np.float32))
    np.savez(FOLDER + "/people.npz", human=np.zeros((9000, 14, 3), np.float32), **row(n, 0))
    assert people.People(FOLDER).n == n
    np.save(FOLDER + "/clips.npy", np.array([(0, side, side), (side * side * 3, side, side)], np.int64))
    np.full(2 * side * side * 3, 77, np.uint8).tofile(FOLDER + "/clips.u8")
    np.savez(FOLDER + "/clips.npz", **row(2, 9000))
    both = people.People(FOLDER)
    assert both.n == n + 2 and both.picture(0).max() == 10 and both.picture(both.z["idx"][4]).min() == 77
    crop, target, weight, _, _ = people.sample(both, 4, 64, np.random.default_rng(1))
    assert crop.shape == (64, 64, 3) and target.shape == (joints.N, 3) and weight.shape == (joints.N, 2)


def main():
    boxes()
    agreement()
    video(*space())
    clip()
    sheets()
    two_sources()
    print("ok")


main()
