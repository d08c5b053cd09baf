# SPDX-License-Identifier: Apache-2.0
"""The two pose teachers for everyday people, each asked about a box: BlazePose heavy (LiteRT) and MoveNet Thunder (ONNX Runtime, made by tfjs.py)."""
import cv2
import numpy as np
import onnxruntime

import joints

BLAZEPOSE = np.array([0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])      # of its 33 points, COCO's 17
FEET = np.array([29, 30, 31, 32])                           # heels and foot indices: 20 to 23 of np24


def square(picture, centre, side, angle, size):
    """A turned square of the picture, black outside of it -> crop, and the 2x3 matrix from crop to picture."""
    k, c, s = side / size, np.cos(angle), np.sin(angle)
    m = np.array([[c * k, -s * k, 0], [s * k, c * k, 0]])
    m[:, 2] = centre - m[:, :2] @ [size / 2, size / 2]
    return cv2.warpAffine(picture, m, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), m


class Heavy:
    """BlazePose: first about the box, then about the circle of its own first answer, as its makers use it."""

    def __init__(self, path, threads=1):
        from ai_edge_litert.interpreter import Interpreter
        self.net = Interpreter(path, num_threads=threads)
        self.net.allocate_tensors()
        self.input = self.net.get_input_details()[0]["index"]
        self.outputs = {int(np.prod(o["shape"])): o["index"] for o in self.net.get_output_details()}
        if not {195, 117, 1} <= set(self.outputs):
            raise SystemExit(f"{path}: no BlazePose landmark net: its outputs have {sorted(self.outputs)} numbers")

    def look(self, picture, centre, side, angle):
        crop, m = square(picture, centre, side, angle, 256)
        self.net.set_tensor(self.input, crop[None].astype(np.float32) / 255)
        self.net.invoke()
        p, world, flag = (self.net.get_tensor(self.outputs[n]) for n in (195, 117, 1))
        p = p.reshape(39, 5)
        sure = 1 / (1 + np.exp(-p[:, 3:5].min(1)))
        return p[:, :2] @ m[:, :2].T + m[:, 2], sure, world.reshape(39, 3)[:, 2], float(flag.reshape(-1)[0])

    def __call__(self, picture, box):
        """-> xy [33][2] in the picture, sureness [33], metres behind the pelvis [33], flag."""
        xy, sure, z, flag = self.look(picture, (box[:2] + box[2:]) / 2, 1.25 * max(box[2:] - box[:2]), 0.)
        if flag > .5:
            up = xy[34] - xy[33]
            xy, sure, z, flag = self.look(picture, xy[33], 2.5 * np.hypot(*up), np.arctan2(up[0], -up[1]))
        return xy[:33], sure[:33], z[:33], flag


class Thunder:
    def __init__(self, path, threads=1):
        o = onnxruntime.SessionOptions()
        o.intra_op_num_threads = threads
        self.net = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        self.input = self.net.get_inputs()[0]
        if list(self.net.get_outputs()[0].shape) != [1, 1, 17, 3]:
            raise SystemExit(f"{path}: no MoveNet of one person: its output is {self.net.get_outputs()[0].shape}")

    def __call__(self, picture, box):
        """-> xy [17][2] in the picture, scores [17]."""
        size = self.input.shape[1]
        crop, m = square(picture, (box[:2] + box[2:]) / 2, 1.1 * max(box[2:] - box[:2]), 0., size)
        out = self.net.run(None, {self.input.name: crop[None].astype(np.int32)})[0][0, 0]
        return out[:, 1::-1] * size @ m[:, :2].T + m[:, 2], out[:, 2]


def agree(heavy, thunder, size):
    """Both answers about one person -> xy [24][2], weights [24], z [24], weights of z [24], share of the joints on which they agree.

    A joint counts where both are sure and within a fifth of the trunk's diagonal; its place is the mean. Feet and depth are BlazePose's alone, so they
    count where the ankle, or the joint, is agreed on. What lies outside of the picture counts nowhere: it was guessed."""
    (p, sure, depth, _), (q, score) = heavy, thunder
    w, h = size
    b, known = p[BLAZEPOSE], (sure[BLAZEPOSE] > .5) & (score > .25)
    trunk = max(np.hypot(*(b[5] - b[12])), np.hypot(*(b[6] - b[11])), 1e-6)
    near = known & (np.hypot(*(b - q).T) < .2 * trunk)
    xy, weight, z, weight_z = np.zeros((joints.N, 2)), np.zeros(joints.N), np.zeros(joints.N), np.zeros(joints.N)
    xy[:17], z[:17], weight[:17] = (b + q) / 2, depth[BLAZEPOSE], near
    xy[20:], z[20:] = p[FEET], depth[FEET]
    weight[20:] = (sure[FEET] > .5) * weight[[15, 16, 15, 16]]
    xy[18], z[18], weight[18] = xy[5:7].mean(0), z[5:7].mean(), .3 * weight[5:7].min()      # Leeds Sports' neck is a little higher
    xy[19], weight[19] = xy[11:13].mean(0), weight[11:13].min()
    weight *= (xy >= 0).all(1) & (xy < [w, h]).all(1)
    weight_z[weight > 0] = 1. if weight[19] > 0 else 0.
    return xy, weight, z, weight_z, near.sum() / max(1, known.sum())
