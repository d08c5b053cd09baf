# SPDX-License-Identifier: Apache-2.0
"""nextpose eval against pycocotools on the same files: randomised hard cases, and LSPET's labels where they are there.

What the cases hold: crowds, people without joints, ties between scores, areas at the edges of the ranges, more predictions than
count, pictures without labels or predictions, ids out of order, joints that are labelled but hidden, likeness at a threshold."""
import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np

try:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
except ImportError:
    print("skipped: no pycocotools")
    sys.exit(77)

NAMES = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
         "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"]
KPT = ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
BOX = ["AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL"]
CATEGORIES = [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}, {"id": 7, "name": "dog"}]


def person(rng, ident, image):
    side = rng.choice([8, 20, 32, 60, 96, 150, 300])
    w, h = side * rng.uniform(.5, 1.5), side * rng.uniform(.5, 2)
    x, y = rng.uniform(0, 400, 2)
    v = rng.choice([0, 1, 2], 17, p=[.3, .2, .5]) if rng.random() < .85 else np.zeros(17, int)
    k = np.stack([x + w * rng.random(17), y + h * rng.random(17), v], 1)
    k[v == 0] = 0
    area = {0: 32 ** 2, 1: 96 ** 2}.get(rng.integers(0, 6), w * h * .6)  # on the edge of a range, now and then
    return {"id": ident, "image_id": image, "category_id": 1, "iscrowd": int(rng.random() < .12), "bbox": [x, y, w, h], "area": float(area),
            "keypoints": [float(a) for a in k.ravel()], "num_keypoints": int((v > 0).sum())}


def guess(rng, label, image, spread):
    k = np.array(label["keypoints"]).reshape(17, 3)
    size = max(label["bbox"][2:])
    p = k + np.concatenate([rng.normal(0, spread * size, (17, 2)), np.zeros((17, 1))], 1)
    p[:, 2] = rng.random(17)
    b = np.array(label["bbox"]) + rng.normal(0, spread * size, 4)
    score = round(float(rng.random()), int(rng.integers(1, 4)))  # few digits: ties
    return {"image_id": image, "category_id": 1 if rng.random() < .97 else 7, "keypoints": [float(a) for a in p.ravel()], "score": score,
            "bbox": [float(b[0]), float(b[1]), abs(float(b[2])), abs(float(b[3]))]}


def case(seed, with_boxes):
    rng = np.random.default_rng(seed)
    images = [{"id": int(i), "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in rng.permutation(200)[:rng.integers(2, 40)]]
    labels, results, ident = [], [], 1
    for im in images:
        mine = [person(rng, ident + i, im["id"]) for i in range(rng.integers(0, 7))]
        if rng.random() < .1:
            mine += [person(rng, ident + len(mine) + i, im["id"]) for i in range(25)]
        ident += len(mine)
        labels += mine
        for g in mine:
            for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
                results.append(guess(rng, g, im["id"], rng.choice([0, .01, .03, .1, .4])))
        for _ in range(rng.choice([0, 0, 1, 5, 30])):
            results.append(guess(rng, person(rng, 0, im["id"]), im["id"], .1))
    labels.append({**person(rng, ident, images[0]["id"]), "category_id": 7})
    rng.shuffle(results)
    rng.shuffle(labels)
    if not results:
        results = [guess(rng, labels[0], images[0]["id"], .1)]
    if not with_boxes:
        for r in results:
            del r["bbox"]
    return {"images": images, "annotations": labels, "categories": CATEGORIES}, results


def theirs(labels, results, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(labels)
        e = COCOeval(gt, gt.loadRes(results), kind)
        e.params.catIds = [1]
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e.stats


def check(name, labels, results):
    """-> the largest difference; both figures where the results have boxes."""
    out = subprocess.run([os.environ["NEXTPOSE_BUILD"] + "/tools/nextpose", "eval", "--labels", labels, "--predictions", results, "--json"], stdout=subprocess.PIPE, check=True)
    ours = json.loads(out.stdout)
    with open(results) as f:
        first = json.load(f)[0]
    worst = 0
    for kind, key, names in (("keypoints", "keypoints", KPT), ("bbox", "boxes", BOX)):
        if kind == "bbox" and "bbox" not in first:
            continue
        for n, their in zip(names, theirs(labels, results, kind)):
            our = -1 if ours[key][n] is None else ours[key][n]
            worst = max(worst, abs(our - their))
            if not abs(our - their) <= 1e-4:
                print(f"FAIL: {name}: {kind} {n}: {our} against pycocotools' {their}")
                sys.exit(1)
    return worst


def lspet(tmp):
    """Real labels: LSPET's, with predictions that stray."""
    joints = os.environ.get("NEXTPOSE_SHARED", "") + "/data/lspet-1-9000-joints.npz"
    if not os.path.exists(joints):
        return None
    sys.path.insert(0, os.environ["NEXTPOSE_SOURCE"] + "/scripts")
    import lsp_to_coco
    rng = np.random.default_rng(7)
    labels, results = [], []
    for i, j in enumerate(lsp_to_coco.load_joints(joints)[8500:9000]):
        a = lsp_to_coco.annotation(j, 8501 + i, (1000, 1000))
        if a:
            labels.append(a)
            results += [guess(rng, a, a["image_id"], s) for s in (.02, .05)[:rng.integers(1, 3)]]
    data = {"images": [{"id": a["image_id"], "file_name": "x.jpg"} for a in labels], "annotations": labels, "categories": CATEGORIES}
    for name, v in (("lsp.json", data), ("lspr.json", results)):
        with open(f"{tmp}/{name}", "w") as f:
            json.dump(v, f)
    return check("LSPET", f"{tmp}/lsp.json", f"{tmp}/lspr.json")


def main(tmp):
    worst, n = 0, 24
    for seed in range(n):
        labels, results = case(seed, seed % 3 > 0)
        for name, v in (("l.json", labels), ("r.json", results)):
            with open(f"{tmp}/{name}", "w") as f:
                json.dump(v, f)
        worst = max(worst, check(f"case {seed}", f"{tmp}/l.json", f"{tmp}/r.json"))
    print(f"{n} random cases: largest difference {worst:.1e}")
    d = lspet(tmp)
    print("no LSPET labels here" if d is None else f"LSPET: largest difference {d:.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
