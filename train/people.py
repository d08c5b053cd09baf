# SPDX-License-Identifier: Apache-2.0
"""Crops of people for the pose net: what train_pose.py draws from prepare.py's folder, and every change that is made to a picture on the way.

Sample number k is a pure function of (seed, k): a run that was killed goes on with the very pictures it would have seen.
"""
import os
import queue
import threading

import cv2
import numpy as np

import joints

VALIDATION = range(8500, 9000)                              # 0-based picture numbers: 8501-9000 of the set
GREY = (114, 114, 114)


class People:
    """prepare.py's people, and for training those of clips.py where it wrote some."""

    def __init__(self, folder, train=True, limit=0):
        self.index, self.pixels = np.load(folder + "/pictures.npy"), np.memmap(folder + "/pictures.u8", np.uint8, "r")
        self.more = None
        with np.load(folder + "/people.npz") as z:
            held_out = np.isin(z["idx"], VALIDATION)
            pick = ~held_out if train else held_out & (z["kind"] == 0)
            if limit:
                pick &= np.cumsum(pick) <= limit
            self.z = {k: z[k][pick] for k in ("idx", "kind", "xy", "w", "z", "wz", "box", "ybox")}
            self.human = z["human"]
        if train and not limit and os.path.exists(folder + "/clips.npz"):
            self.more = np.load(folder + "/clips.npy"), np.memmap(folder + "/clips.u8", np.uint8, "r")
            with np.load(folder + "/clips.npz") as z:
                self.z = {k: np.concatenate([v, z[k].astype(v.dtype)]) for k, v in self.z.items()}
        self.n = len(self.z["idx"])
        if not self.n:
            raise SystemExit(f"{folder}: no people to {'train' if train else 'validate'} with")

    def picture(self, i):
        index, pixels = self.index, self.pixels
        if self.more and i >= len(index):
            i, (index, pixels) = i - len(index), self.more
        offset, h, w = index[i]
        return pixels[offset:offset + h * w * 3].reshape(h, w, 3)


def matrix(centre, side, angle, size, flip=False):
    """Picture -> crop, 2x3: a square of `side` about `centre`, turned, as `size` pixels."""
    k = size / side
    co, si = np.cos(angle) * k, np.sin(angle) * k
    m = np.array([[co, -si, 0], [si, co, 0]])
    if flip:
        m[0] *= -1
    m[:, 2] = size / 2 - m[:, :2] @ centre
    return m


def box_of(z, k, rng=None):
    """Box of person k and how much too tight it is: the joints' extent is tighter than a detector's box."""
    y = z["ybox"][k]
    if rng is not None and y[2] > y[0] and rng.random() < .4:
        return y, 1.
    return z["box"][k], 1.15 if z["kind"][k] == 0 else 1.


def cut(box, xy, w, rng):
    """A truncated person: the box loses what lies beyond some joint, as when legs are behind a table or outside of the frame."""
    known = np.flatnonzero(w > 0)
    if len(known) < 8:
        return box
    box, limit = box.copy(), xy[rng.choice(known)]
    side = rng.integers(4)
    size = box[2:] - box[:2]
    if side < 2:                                            # from the left, from above
        box[side] = min(limit[side], box[side] + .6 * size[side])
    else:
        box[side] = max(limit[side - 2], box[side] - .6 * size[side - 2])
    return box


def person_mask(size, p, w):
    """A rough outline of a person: thick limbs, trunk and head. p in pixels of a square picture."""
    mask = np.zeros((size, size), np.uint8)
    if (w[[5, 6, 11, 12]] > 0).all():
        trunk = p[[5, 6, 12, 11]].round().astype(np.int32)
        thick = max(3, int(.45 * max(np.hypot(*(p[5] - p[12])), np.hypot(*(p[6] - p[11])))))
        cv2.fillConvexPoly(mask, cv2.convexHull(trunk), 255)
    else:
        thick = max(3, size // 10)
    for a, b in joints.LIMBS:
        if w[a] > 0 and w[b] > 0:
            cv2.line(mask, tuple(int(v) for v in p[a]), tuple(int(v) for v in p[b]), 255, thick)
    if w[17] > 0 and w[18] > 0:
        cv2.circle(mask, tuple(int(v) for v in (p[17] + p[18]) / 2), thick * 2 // 3, 255, -1)
    return cv2.GaussianBlur(mask, (0, 0), 1.2)


def paste_neighbour(people, crop, rng):
    """Another person, cut out along the limbs, at a side of the crop or (seldom) across it."""
    z, size = people.z, crop.shape[0]
    k = int(rng.integers(people.n))
    box = z["box"][k].astype(np.float64)
    side = max(box[2] - box[0], box[3] - box[1], 8) * np.exp(rng.uniform(-.1, .6))
    m = matrix((box[:2] + box[2:]) / 2, side, rng.normal(0, .2), size, rng.random() < .5)
    reach = rng.uniform(.15, .5) if rng.random() < .2 else rng.uniform(.4, .75)
    turn = rng.uniform(-np.pi, np.pi)
    m[:, 2] += size * reach * np.array([np.cos(turn), .4 * np.sin(turn)])
    other = cv2.warpAffine(people.picture(z["idx"][k]), m, (size, size), flags=cv2.INTER_LINEAR)
    mask = person_mask(size, z["xy"][k] @ m[:, :2].T + m[:, 2], z["w"][k])
    return (crop + (mask[:, :, None] / 255. * (other.astype(np.float32) - crop))).astype(np.uint8), mask


def spoil(crop, rng):
    """Occluders, low resolution, blur, JPEG, colour: what cameras and tables do."""
    size = crop.shape[0]
    if rng.random() < .15:
        for _ in range(rng.integers(1, 3)):
            w, h = (int(size * rng.uniform(.08, .35)) for _ in range(2))
            x, y = (int(rng.uniform(-.1, .9) * size) for _ in range(2))
            part = crop[max(y, 0):y + h, max(x, 0):x + w]
            kind = rng.random()
            if kind < .4:
                part[:] = rng.integers(0, 256, 3)
            elif kind < .6:
                part[:] = rng.integers(0, 256, part.shape)
            elif part.size:                                 # some other part of the picture
                v, u = (int(rng.integers(0, size - n + 1)) for n in part.shape[:2])
                part[:] = crop[v:v + part.shape[0], u:u + part.shape[1]].copy()
    if rng.random() < .12:
        r = rng.uniform(.25, .8)
        crop = cv2.resize(cv2.resize(crop, None, fx=r, fy=r, interpolation=cv2.INTER_AREA), (size, size))
    if rng.random() < .06:
        crop = cv2.blur(crop, (3, 3)) if rng.random() < .5 else cv2.blur(crop, (1, 5) if rng.random() < .5 else (5, 1))
    if rng.random() < .1:
        crop = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 70))])[1], cv2.IMREAD_COLOR)
    gain = np.exp(rng.normal(0, .15) + rng.normal(0, .07, 3))
    curve = (np.arange(256) / 255.)[:, None] ** np.exp(rng.normal(0, .2)) * 255 * gain + rng.normal(0, 10)
    crop = cv2.LUT(crop, np.clip(curve, 0, 255).astype(np.uint8)[None])
    if rng.random() < .06:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return crop


def sample(people, k, size, rng=None):
    """Person k as (crop u8 [size][size][3], target [24][3] in crop pixels and metres, weight [24][2], absent [24], matrix).

    With rng: augmented. Without: the plain crop that evaluation uses."""
    z = people.z
    xy, w = z["xy"][k].astype(np.float64), z["w"][k].astype(np.float32)
    depth, depth_w = z["z"][k].astype(np.float32), z["wz"][k].astype(np.float32)
    box, slack = box_of(z, k, rng)
    box, angle, flip, turn = box.astype(np.float64), 0., False, 0.
    if rng is not None and rng.random() < .12:
        box = cut(box, xy, w, rng)
    centre, side = (box[:2] + box[2:]) / 2, max(box[2] - box[0], box[3] - box[1], 8) * slack * 1.2
    if rng is not None:
        side *= np.exp(rng.normal(0, .12))
        centre = centre + rng.normal(0, .045, 2) * side
        flip, turn = rng.random() < .5, rng.random()
        if turn < .06:
            angle = rng.uniform(-np.pi, np.pi)
        elif turn < .6:
            angle = np.clip(rng.normal(0, np.radians(16)), -np.radians(45), np.radians(45))
        elif turn < .75 and w[18] > 0 and w[19] > 0 and np.hypot(*(xy[18] - xy[19])) > 4:
            up = xy[18] - xy[19]                            # athletes hang and tumble; most people stand: turn the trunk up
            angle = -np.arctan2(up[0], -up[1]) + np.clip(rng.normal(0, np.radians(12)), -.7, .7)
    m = matrix(centre, side, angle, size, flip)
    picture, k_ = people.picture(z["idx"][k]), size / side
    if k_ < .5:
        picture = cv2.GaussianBlur(picture, (0, 0), .35 / k_)
    crop = cv2.warpAffine(picture, m, (size, size), flags=cv2.INTER_LINEAR, borderValue=GREY)
    p = xy @ m[:, :2].T + m[:, 2]
    if flip:
        p, w, depth, depth_w = p[joints.FLIP], w[joints.FLIP], depth[joints.FLIP], depth_w[joints.FLIP]
    if rng is not None:
        if rng.random() < .12:
            crop, mask = paste_neighbour(people, crop, rng)
            inside = np.clip(p, 0, size - 1).astype(int)
            covered = mask[inside[:, 1], inside[:, 0]] > 128
            w, depth_w = w * np.where(covered, .5, 1), depth_w * np.where(covered, .5, 1)
        crop = spoil(crop, rng)
    out = (p < 0).any(1) | (p >= size).any(1)
    absent = (out & (w >= .7)).astype(np.float32)
    target = np.concatenate([p, depth[:, None]], 1).astype(np.float32)
    return crop, target, (np.stack([w, depth_w], 1) * ~out[:, None]).astype(np.float32), absent, m


class Stream:
    """Batches number first, first + 1, ... made ahead by threads. OpenCV and NumPy leave the interpreter while they work."""

    def __init__(self, people, batch, size_of, seed, first, threads=1):
        self.people, self.batch, self.size_of, self.seed = people, batch, size_of, seed
        self.queues = [queue.Queue(3) for _ in range(threads)]
        self.turn, self.order = 0, (-1, None)
        self.lock, self.stop = threading.Lock(), False
        self.threads = [threading.Thread(target=self.work, args=(t, first + t, threads), daemon=True) for t in range(threads)]
        for t in self.threads:
            t.start()

    def person(self, k):
        """Each pass over the people is a permutation of its own."""
        epoch = k // self.people.n
        with self.lock:
            if self.order[0] != epoch:
                self.order = (epoch, np.random.default_rng((self.seed, epoch)).permutation(self.people.n))
            return self.order[1][k % self.people.n]

    def make(self, b):
        size = self.size_of(b * self.batch)
        parts = []
        for k in range(b * self.batch, (b + 1) * self.batch):
            parts.append(sample(self.people, self.person(k), size, np.random.default_rng((self.seed, 1, k)))[:4])
        return tuple(np.stack(x) for x in zip(*parts))

    def work(self, t, b, step):
        try:
            while self.put(t, self.make(b)):
                b += step
        except Exception as e:                              # told to the trainer, which ends
            self.put(t, e)

    def put(self, t, item):
        """Waits for room; False when nobody will take it any more."""
        while not self.stop:
            try:
                self.queues[t].put(item, timeout=.1)
                return True
            except queue.Full:
                pass
        return False

    def close(self):
        """Before the program ends: a thread that the interpreter cuts off inside of OpenCV takes the process down with SIGABRT."""
        self.stop = True
        for t in self.threads:
            t.join()

    def next(self):
        item = self.queues[self.turn].get()
        self.turn = (self.turn + 1) % len(self.queues)
        if isinstance(item, Exception):
            raise item
        return item
