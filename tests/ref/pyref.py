# SPDX-License-Identifier: Apache-2.0
"""The default pipeline (EfficientDet-Lite0 int8 + BlazePose full) once more, in Python with OpenCV and LiteRT: the independent
twin that the joints of `nextpose run` are held against, and the peer whose frames a second `make bench` prints beside ours.

Same models, same rules: letterbox top left, NMS .5, crop box x 1.25 square, heat map refinement. Written from the models'
documentation, not from our C code. `Planes` samples exactly, for the comparison; plain RGB arrays go through OpenCV's fast resize, for the race."""
import math

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

cv2.setNumThreads(1)


def anchors(side):
    out = []
    for level in range(3, 8):
        s = 2 ** level
        g = math.ceil(side / s)
        yx = np.stack(np.meshgrid(np.arange(g), np.arange(g), indexing="ij"), -1).reshape(-1, 2)
        c = (yx + 0.5) * s
        sizes = [(3 * s * 2 ** (o / 3) / math.sqrt(r), 3 * s * 2 ** (o / 3) * math.sqrt(r)) for o in range(3) for r in (1, 2, 0.5)]
        hw = np.array(sizes)
        out.append(np.concatenate([np.repeat(c, 9, 0), np.tile(hw, (len(c), 1))], 1))
    return np.concatenate(out).astype(np.float32)  # cy cx h w


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


class Planes:
    """A picture as the decoder left it (yuv420p, limited range), sampled by the rule that src/vision/vision.h states, in exact sums:
    bilinear up to two source pixels a net pixel, box average beyond, weights in steps of 1/256, chroma on its own grid, centre
    outside the picture: pad (0). The steps matter: one last bit of one input byte can move a box of the 8-bit detector."""

    SHARES = {601: (0.299, 0.114), 709: (0.2126, 0.0722)}  # of red and blue in luma, ITU-R BT.601 and BT.709

    def __init__(self, y, u, v, matrix=None):
        self.y, self.u, self.v = (p.astype(np.float64) for p in (y, u, v))
        self.shape = (*y.shape, 3)
        # Single precision from here on, in this order: with the same roundings the 8-bit input has the same bytes.
        f = np.float32
        kr, kb = (f(v) for v in self.SHARES[matrix or (709 if y.shape[0] >= 720 else 601)])
        kg, chroma = f(1) - kr - kb, f(255) / f(224)
        self.k = (f(255) / f(219), f(2) * (f(1) - kr) * chroma, f(-2) * (f(1) - kb) * kb / kg * chroma, f(-2) * (f(1) - kr) * kr / kg * chroma, f(2) * (f(1) - kb) * chroma)

    @staticmethod
    def weights(n, start, step, size):
        """[n][size]: how much each source pixel counts for net pixels 0..n-1, whose first begins at `start`."""
        w = np.zeros((n, size))
        for i in range(n):
            c = start + (i + 0.5) * step
            if step <= 2:
                f = math.floor(c - 0.5)
                t = np.rint((c - 0.5 - f) * 256) / 256
                w[i, min(max(f, 0), size - 1)] += 1 - t
                w[i, min(max(f + 1, 0), size - 1)] += t
            else:
                a, b = c - step / 2, c + step / 2
                before, last = 0, math.ceil(b) - 1
                for k in range(math.floor(a), last + 1):  # differences of the rounded running share: they sum to one
                    upto = 256 if k == last else np.rint(256 * (k + 1 - a) / step)
                    w[i, min(max(k, 0), size - 1)] += (upto - before) / 256
                    before = upto
        return w

    def sample(self, x0, y0, s, n):
        h, w = self.y.shape
        plane = []
        for p, d in ((self.y, 1), (self.u, 2), (self.v, 2)):
            ph, pw = p.shape
            plane.append(self.weights(n, y0 / d, s / d, ph) @ p @ self.weights(n, x0 / d, s / d, pw).T)
        p, f = [a.astype(np.float32) for a in plane], np.float32
        ky, rv, gu, gv, bu = self.k
        y, u, v = (p[0] - f(16)) * ky, p[1] - f(128), p[2] - f(128)
        rgb = np.clip(np.stack([y + rv * v, y + gu * u + gv * v, y + bu * u], -1), f(0), f(255))
        cx, cy = x0 + (np.arange(n) + 0.5) * s, y0 + (np.arange(n) + 0.5) * s
        rgb[(cy < 0) | (cy >= h)] = 0
        rgb[:, (cx < 0) | (cx >= w)] = 0
        return rgb


def litert(path, threads):
    net = Interpreter(path, num_threads=threads)
    net.allocate_tensors()
    return net


class Pipeline:
    net = staticmethod(litert)  # what loads a net; a subclass may bring another runtime behind the same calls

    def __init__(self, detector, pose, threads=1, max_persons=8, thr=0.35, nms=0.5):
        self.det, self.pose = self.net(detector, threads), self.net(pose, threads)
        self.side = int(self.det.get_input_details()[0]["shape"][1])
        self.anchors = anchors(self.side)
        self.max_persons, self.thr, self.nms = max_persons, thr, nms
        self.det_in = self.det.get_input_details()[0]["index"]
        outs = {tuple(d["shape"])[-1]: d["index"] for d in self.det.get_output_details()}
        self.det_scores, self.det_boxes = outs[90], outs[4]
        self.pose_in = self.pose.get_input_details()[0]["index"]
        self.pose_out = {int(np.prod(d["shape"])): d["index"] for d in self.pose.get_output_details()}

    def detect(self, rgb, flips=0):
        """Boxes x0 y0 x1 y1 score. flips: so many bytes of the net input get their last bit turned (to see what that does)."""
        h, w = rgb.shape[:2]
        s = self.side / max(h, w)
        if isinstance(rgb, Planes):
            net = np.floor(rgb.sample(0, 0, 1 / s, self.side) + np.float32(0.5)).astype(np.uint8)
        else:
            nw, nh = round(w * s), round(h * s)
            small = cv2.resize(rgb, (nw, nh), interpolation=cv2.INTER_AREA if s < 0.5 else cv2.INTER_LINEAR)
            net = np.zeros((self.side, self.side, 3), np.uint8)
            net[:nh, :nw] = small
        if flips:
            at = np.random.default_rng(0).integers(0, net.size, flips)
            net.reshape(-1)[at] ^= 1
        self.det.set_tensor(self.det_in, net[None])
        self.det.invoke()
        score = self.det.get_tensor(self.det_scores)[0, :, 0]
        raw = self.det.get_tensor(self.det_boxes)[0]
        keep = np.nonzero(score >= self.thr)[0]
        keep = keep[np.argsort(-score[keep], kind="stable")]
        boxes = []
        for i in keep:
            cy, cx, ah, aw = self.anchors[i]
            ty, tx, th, tw = raw[i]
            y, x, bh, bw = ty * ah + cy, tx * aw + cx, math.exp(th) * ah, math.exp(tw) * aw
            b = (x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2, float(score[i]))
            if all(iou(b, o) <= self.nms for o in boxes):
                boxes.append(b)
        if len(boxes) > self.max_persons:
            boxes = sorted(boxes, key=lambda b: -(b[2] - b[0]) * (b[3] - b[1]))[: self.max_persons]
        out = []
        for b in boxes:
            x0, y0, x1, y1 = max(b[0] / s, 0), max(b[1] / s, 0), min(b[2] / s, w), min(b[3] / s, h)
            if x1 - x0 >= 1 and y1 - y0 >= 1:
                out.append((x0, y0, x1, y1, b[4]))
        return out

    def crop(self, rgb, box, n=256):
        side = max(box[2] - box[0], box[3] - box[1]) * 1.25
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        s = side / n
        if isinstance(rgb, Planes):
            return rgb.sample(cx - side / 2, cy - side / 2, s, n), s, cx - side / 2, cy - side / 2
        # Averages over the pixels that one net pixel covers: k x k bilinear samples when the crop shrinks the picture by more than 2.
        k = 1 if s <= 2 else math.ceil(s)
        m = n * k
        f = side / m
        mat = np.array([[f, 0, cx - side / 2 + f / 2 - 0.5], [0, f, cy - side / 2 + f / 2 - 0.5]])
        img = cv2.warpAffine(rgb, mat, (m, m), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0))
        if k > 1:
            img = cv2.resize(img, (n, n), interpolation=cv2.INTER_AREA)
        return img, s, cx - side / 2, cy - side / 2

    def joints(self, rgb, box):
        img, s, x0, y0 = self.crop(rgb, box)
        self.pose.set_tensor(self.pose_in, (img.astype(np.float32) / 255)[None])
        self.pose.invoke()
        if self.pose.get_tensor(self.pose_out[1]).ravel()[0] < 0.5:
            return None
        lm = self.pose.get_tensor(self.pose_out[195]).reshape(39, 5)
        heat = self.pose.get_tensor(self.pose_out[64 * 64 * 39])[0]
        out = np.zeros((33, 3), np.float32)
        for i in range(33):
            x, y = lm[i, 0] / 256 * 64, lm[i, 1] / 256 * 64
            if 0 <= x < 64 and 0 <= y < 64:
                cx, cy = int(x), int(y)
                xa, xb, ya, yb = max(cx - 3, 0), min(cx + 3, 63), max(cy - 3, 0), min(cy + 3, 63)
                p = 1 / (1 + np.exp(-heat[ya : yb + 1, xa : xb + 1, i].astype(np.float64)))
                if p.max() >= 0.5:
                    gy, gx = np.mgrid[ya : yb + 1, xa : xb + 1]
                    x, y = (p * gx).sum() / p.sum(), (p * gy).sum() / p.sum()
            conf = 1 / (1 + np.exp(-lm[i, 3])) / (1 + np.exp(-lm[i, 4]))
            out[i] = (x * 4 * s + x0, y * 4 * s + y0, conf)
        return out

    def frame(self, bgr):
        rgb = bgr if isinstance(bgr, Planes) else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return [(b, self.joints(rgb, b)) for b in self.detect(rgb)]
