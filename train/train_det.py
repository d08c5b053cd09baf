#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""train_det.py DIR [--start POSE-RUN/checkpoint.pt] [--samples N] ...: trains the person detector on label.py's boxes; the same command again goes on where it
stopped (loop.py). With --start the first stages begin as those of a pose net that has seen half a million people."""
import argparse
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch

import det_data
import det_net
import loop
import prepare


def average_precision(answers, n_people):
    """answers: [(score, right)] of all pictures -> area under the precision-recall curve, recall at a score of .3."""
    if not answers or not n_people:
        return 0., 0.
    a = np.array(sorted(answers, key=lambda v: -v[0]))
    hit = np.cumsum(a[:, 1])
    precision = np.maximum.accumulate((hit / np.arange(1, len(a) + 1))[::-1])[::-1]
    return float((np.diff(np.concatenate([[0], hit])) * precision).sum() / n_people), float(a[a[:, 0] >= .3, 1].sum() / n_people)


def detect(net, picture, size, threshold=.02):
    """-> boxes [n][5] in pixels of the picture, overlaps of .5 and more removed."""
    square, k, offset = det_data.letterbox(picture, size)
    with torch.no_grad():
        out = net(pixels(square[None]))[0]
        box, score = det_net.boxes(out[None], size)[0], out[:, 4] * out[:, 5]
    keep = score > threshold
    box, score, picked = box[keep], score[keep], []
    order = score.argsort(descending=True)[:300]
    box, score = box[order], score[order]
    while len(box):
        picked.append(np.concatenate([((box[0].numpy().reshape(2, 2) - offset) / k).ravel(), [float(score[0])]]))
        left = det_net.iou(box[:1], box)[0] < .5
        box, score = box[left], score[left]
    return np.array(picked).reshape(-1, 5)


def pixels(batch):
    return torch.from_numpy(np.ascontiguousarray(batch)).float().div_(255).permute(0, 3, 1, 2)


def figures(net, pictures, size):
    """AP50 and recall on the held-out pictures against the teacher's and the human boxes; what lies in a doubtful box counts as nothing."""
    answers, n_people = [], 0
    net.eval()
    for i in pictures.list:
        picture, box, doubtful = pictures.get(i)
        found, people, unsure = detect(net, picture, size), torch.tensor(box[~doubtful]).float(), torch.tensor(box[doubtful]).float()
        n_people += len(people)
        taken = torch.zeros(len(people), dtype=torch.bool)
        for row in found:
            b = torch.tensor(row[None, :4]).float()
            overlap = det_net.iou(b, people)[0] * ~taken if len(people) else torch.zeros(0)
            if len(overlap) and overlap.max() >= .5:
                taken[overlap.argmax()] = True
                answers.append((row[4], 1))
            elif not len(unsure) or det_net.iou(b, unsure).max() < .4:
                answers.append((row[4], 0))
    ap, recall = average_precision(answers, n_people)
    return dict(ap50=ap, recall=recall)


class Det(loop.Loop):
    losses = ["loss", "box", "object"]
    columns = ["ap50", "recall"]
    drawn = columns

    def __init__(self, a):
        torch.manual_seed(a.seed)
        folder = prepare.work_dir(a.work)
        self.train, self.held_out = det_data.Pictures(folder), det_data.Pictures(folder, False, a.validate)
        super().__init__(a, det_net.make())

    def about(self):
        return dict(detector=1)

    def stream(self, first):
        return det_data.Stream(self.train, self.a.batch, self.size, self.a.seed, first)

    def loss(self, batch):
        picture, people, doubtful = batch
        out = self.net.raw(pixels(picture))
        people, doubtful = ([torch.from_numpy(b) for b in v] for v in (people, doubtful))
        loss, box, obj = det_net.loss_detector(out, people, doubtful, picture.shape[1])
        return loss, [box.item(), obj.item()]

    def figures(self):
        return figures(self.copy, self.held_out, self.a.final_size)


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    loop.add_arguments(p, 320, 320)
    p.add_argument("--validate", type=int, default=150, help="held-out pictures a quick evaluation takes")
    return loop.check_arguments(p, p.parse_args(argv))


if __name__ == "__main__":
    Det(arguments(sys.argv[1:])).go()
