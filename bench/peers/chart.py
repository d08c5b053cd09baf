# SPDX-License-Identifier: Apache-2.0
"""The table of bench.py as a picture: a group of bars a row, their length the speed relative to the best peer of that row (the line at 1)."""
from xml.sax.saxutils import escape

COLOURS = {"nextpose": "#1b6ca8", "onnxruntime": "#8fa3ad", "openvino": "#b3a78c", "litert": "#a3b18a", "ncnn": "#b89aa8"}
NAMES = {"nextpose": "NextPose", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "litert": "LiteRT", "ncnn": "ncnn"}
LEFT, UNIT, BAR, GAP, TOP = 230, 190, 11, 12, 78


def write(path, rows, about):
    rows = [r for r in rows if r["best"] and "nextpose" in r["runtimes"]]
    scale = max([2.0] + [r["ratio"] or 0 for r in rows])
    width = LEFT + int(UNIT * scale) + 90
    out, y = [], TOP
    for r in rows:
        best = r["runtimes"][r["best"]]["min"]
        shown = [(k, v) for k, v in r["runtimes"].items() if v["agrees"] and v["held"]]
        name = f"{r['net']} {r['precision']}" + (f", batch {r['batch']}" if r["batch"] > 1 else "")
        middle = y + len(shown) * BAR / 2
        out.append(f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end" class="n">{escape(name)}</text>')
        out.append(f'<text x="{LEFT - 10}" y="{middle + 12}" text-anchor="end" class="s">{r["threads"]} thread{"s" if r["threads"] > 1 else ""}</text>')
        for k, v in shown:
            w = max(1.0, UNIT * best / v["min"])
            weight = ' font-weight="bold"' if k == "nextpose" else ""
            out.append(f'<rect x="{LEFT}" y="{y}" width="{w:.1f}" height="{BAR - 1}" fill="{COLOURS[k]}"><title>{NAMES[k]}: {v["min"]:.2f} ms</title></rect>')
            out.append(f'<text x="{LEFT + w + 4:.1f}" y="{y + BAR - 2}" class="v"{weight}>{v["min"]:.2f} ms</text>')
            y += BAR
        y += GAP
    legend, x = [], LEFT
    for k in COLOURS:
        legend.append(f'<rect x="{x}" y="44" width="10" height="10" fill="{COLOURS[k]}"/><text x="{x + 14}" y="53" class="s">{NAMES[k]}</text>')
        x += 30 + 7 * len(NAMES[k])
    width = max(width, x + 10)
    line = LEFT + UNIT
    text = f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 10}" viewBox="0 0 {width} {y + 10}" font-family="sans-serif">
<style>.t{{font-size:15px;font-weight:bold}}.n{{font-size:11px}}.s{{font-size:10px;fill:#555}}.v{{font-size:9px;fill:#333}}</style>
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="22" class="t">Speed relative to the best peer (longer is faster)</text>
<text x="10" y="38" class="s">{escape(about)}; minimum of interleaved runs</text>
{chr(10).join(legend)}
<line x1="{line}" y1="{TOP - 12}" x2="{line}" y2="{y - GAP + 4}" stroke="#c33" stroke-dasharray="3 3"/>
<text x="{line}" y="{TOP - 14}" text-anchor="middle" class="s">best peer</text>
{chr(10).join(out)}
</svg>
"""
    with open(path, "w") as f:
        f.write(text)
