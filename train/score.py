# SPDX-License-Identifier: Apache-2.0
"""Quick figures of a pose net during training: PCK@0.2 against the human labels of the held-out pictures, and the 3D error against the teacher.

docs/training.md has the figures that count; they are made by `nextpose eval` (evaluate.sh)."""
import numpy as np
import torch

import joints
import net as pose_net
import people as crops


def predict(net, people, ks, size, batch=25):
    """-> [n][24][3] in picture pixels and metres, and confidences [n][24]."""
    found, sure = [], []
    net.eval()
    with torch.no_grad():
        for i in range(0, len(ks), batch):
            parts = [crops.sample(people, k, size) for k in ks[i:i + batch]]
            volume = net(pose_net.pixels(torch.from_numpy(np.stack([p[0] for p in parts]))))
            place, depth = pose_net.marginals(volume, net.joints)
            at = pose_net.from_bins(pose_net.expected(place, depth), size, net.bins).numpy()
            sure.append(confidence(place).numpy())
            for a, p in zip(at, parts):
                m = p[4]
                back = np.linalg.inv(m[:, :2])
                a[:, :2] = (a[:, :2] - m[:, 2]) @ back.T
                found.append(a)
    return np.stack(found), np.concatenate(sure)


def confidence(place):
    """Mass within 1/16 of the grid about the answer, as src/decode/convnextpose.c takes it. place [n][J][h][w] -> [n][J]."""
    n, j, h, w = place.shape
    x = ((place.sum(2) * torch.arange(w)).sum(2)).round()
    y = ((place.sum(3) * torch.arange(h)).sum(2)).round()
    near_x = (torch.arange(w) - x[..., None]).abs() <= w // 16
    near_y = (torch.arange(h) - y[..., None]).abs() <= h // 16
    return (place * near_y[..., None] * near_x[:, :, None]).sum((2, 3))


def pck(found, human):
    """-> right [n][14], right when left and right are exchanged [n][14], known [n][14]; within .2 of the trunk's diagonal."""
    known = human[:, :, 2] > 0
    trunk = np.maximum(np.hypot(*(human[:, 9, :2] - human[:, 2, :2]).T), np.hypot(*(human[:, 8, :2] - human[:, 3, :2]).T))
    known &= (known[:, [2, 3, 8, 9]].all(1) & (trunk > 4))[:, None]
    near = [np.hypot(*(found[:, order, :2] - human[:, :, :2]).transpose(2, 0, 1)) < .2 * trunk[:, None] for order in (joints.LSP, joints.LSP_SWAPPED)]
    return near[0] & known, near[1] & known, known


def figures(net, people, size, limit=0):
    ks = np.arange(people.n)[:limit or None]
    found, sure = predict(net, people, ks, size)
    human, z = people.human[people.z["idx"][ks]], people.z
    right, swapped, known = pck(found, human)
    best = np.where((swapped.sum(1) > right.sum(1))[:, None], swapped, right)
    up = human[:, 12, 1] < human[:, [2, 3], 1].mean(1) - .7 * np.hypot(*(human[:, 12, :2] - human[:, [2, 3], :2].mean(1)).T)
    wz = z["wz"][ks].astype(np.float32)
    rel = found[:, :, 2] - found[:, joints.PELVIS:joints.PELVIS + 1, 2]
    return dict(pck=right.sum() / known.sum(), pck_swap=best.sum() / known.sum(), pck_upright=best[up].sum() / max(1, known[up].sum()),
                depth_mm=1000 * (np.abs(rel - z["z"][ks].astype(np.float32)) * wz).sum() / wz.sum(),
                sure_right=sure[:, joints.LSP][right].mean(), sure_wrong=sure[:, joints.LSP][known & ~right].mean())
