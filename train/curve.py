#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""curve.py log.csv curve.svg COLUMN...: the columns of a training log over samples, as an SVG."""
import csv
import os
import sys

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"]
W, H, LEFT, BOTTOM = 640, 360, 50, 40


def draw(path, out, columns):
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    lines = {c: [(int(r["samples"]), float(r[c])) for r in rows if r.get(c)] for c in columns}
    points = [p for v in lines.values() for p in v]
    x_end, y_end = max([p[0] for p in points] + [1]), max([p[1] for p in points] + [1e-9]) * 1.1
    y_end = min(y_end, 1.) if y_end <= 1.1 else y_end

    def place(p):
        return f"{LEFT + p[0] / x_end * (W - LEFT - 10):.1f},{10 + (1 - p[1] / y_end) * (H - BOTTOM - 10):.1f}"

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="11">',
             f'<rect width="{W}" height="{H}" fill="white"/>']
    for i in range(6):
        (x, y), (x2, _) = (place(p).split(",") for p in ((0, y_end * i / 5), (x_end, 0)))
        parts.append(f'<path d="M{x},{y}H{x2}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y}" text-anchor="end">{y_end * i / 5:.2f}</text>')
        x = place((x_end * i / 5, 0)).split(",")[0]
        parts.append(f'<text x="{x}" y="{H - BOTTOM + 18}" text-anchor="middle">{x_end * i / 5000:.0f} k</text>')
    parts.append(f'<text x="{W / 2}" y="{H - 6}" text-anchor="middle">samples</text>')
    for i, (c, v) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        parts.append(f'<polyline points="{" ".join(map(place, v))}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        last = f" {v[-1][1]:.3f}" if v else ""
        parts.append(f'<text x="{LEFT + 12}" y="{26 + 15 * i}" fill="{colour}">{c}{last}</text>')
    with open(out + ".tmp", "w") as f:
        f.write("\n".join(parts) + "\n</svg>\n")
    os.replace(out + ".tmp", out)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    draw(sys.argv[1], sys.argv[2], sys.argv[3:])
