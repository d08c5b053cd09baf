#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: peers.sh NEXTPOSE. bench/peers on two small rows: every runtime that is here agrees, the files are results that `bench compare` reads, the picture is well-formed.
# No time is judged. Runtimes that the virtual environment of the tests lacks (ncnn) are rows with a reason.
[ -d "$NEXTPOSE_SHARED/models" ] || { echo "SKIP: needs ../shared (models, photos)"; exit 77; }
if nm -D "$NEXTPOSE_BUILD/src/libnextpose.so" | grep -qE '__(asan|tsan)_init'; then echo "SKIP: a sanitized library cannot be loaded into Python"; exit 77; fi
"${NEXTPOSE_PYTHON:-/nonexistent}" -c 'import cv2, numpy, onnxruntime, openvino, ai_edge_litert' 2>/dev/null || { echo "SKIP: needs NEXTPOSE_PYTHON with the peers"; exit 77; }
T=$(mktemp -d) && trap 'rm -rf "$T"' EXIT
bench() { np=$1; shift; "$NEXTPOSE_PYTHON" "$NEXTPOSE_SOURCE/bench/peers/bench.py" "$np" "$NEXTPOSE_SHARED" --quick --seconds .05 --folder "$T/nets" --only MoveNet "$@"; }
bench "$1" --json "$T/r" --svg "$T/r.svg" >"$T/out" 2>"$T/err" || { cat "$T/out" "$T/err"; exit 1; }
cat "$T/out"
"$1" bench compare "$T/r.json" "$T/r-onnxruntime.json" >"$T/compare" || [ $? = 1 ] || { echo "bench compare does not take the files"; exit 1; }
"$NEXTPOSE_PYTHON" - "$T" "$NEXTPOSE_SOURCE/bench/peers" <<'PY'
import json, re, sys, xml.dom.minidom
import numpy as np
t, peers = sys.argv[1:]
ours = json.load(open(t + "/r.json"))
assert ours["schema"] == "nextpose-bench-1" and ours["subject"] == "nextpose" and ours["machine"]["cores"] >= 1
names = {r["name"] for r in ours["runs"]}
assert names == {"MoveNet Lightning fp32 b1 1 threads", "MoveNet Lightning int8 b1 1 threads"}, names
for r in ours["runs"]:
    m = r["metrics"]
    assert len(m["ms"]["values"]) == 2 and min(m["ms"]["values"]) > 0 and m["memory"]["values"][0] > 0 and m["ratio_to_best_peer"]["values"][0] > 0, r
    assert 0 < m["peak_percent"]["values"][0], r
for who in ("onnxruntime", "openvino", "litert"):
    p = json.load(open(f"{t}/r-{who}.json"))
    assert p["subject"] == who and p["version"] and {r["name"] for r in p["runs"]} == names, who
fp32 = next(r for r in ours["runs"] if " fp32 " in r["name"])
assert fp32["metrics"]["differs"]["values"][0] < 1e-4, fp32
text = open(t + "/out").read()
assert re.search(r"^MoveNet Lightning fp32 +1 +[0-9.]+/[0-9.]+ ", text, re.M) and "absent: ncnn in MoveNet Lightning int8" in text
xml.dom.minidom.parse(t + "/r.svg")

# A peer that computes something else may not rank.
sys.path.insert(0, peers)
import bench
want = [np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4), np.ones((1, 5), np.float32)]
assert bench.difference([want[1], want[0].transpose(0, 2, 3, 1)], want, "fp32") == 0, "order and layout do not count"
assert bench.difference([want[0][0], want[1][0]], want, "fp32") == 0, "a missing batch dimension does not count"
assert bench.difference([want[0] + 2.3, want[1]], want, "fp32") > .09
assert bench.difference([want[0]], want, "fp32") is None, "an output that is missing does"
v = lambda ms, agrees=True, held=True: {"min": ms, "median": ms, "agrees": agrees, "held": held}
row = {"precision": "fp32", "threads": 1, "macs": 1e9, "runtimes": {"nextpose": v(4), "onnxruntime": v(1, agrees=False), "ncnn": v(2, held=False), "litert": v(8)}}
bench.rank(row, {"fp32": {"1": 1000}})
assert row["best"] == "litert" and row["ratio"] == 2 and abs(row["runtimes"]["nextpose"]["peak_percent"] - 50) < 1e-6, row
row["runtimes"]["nextpose"]["agrees"] = False
bench.rank(row, {})
assert row["ratio"] is None, "ours does not rank either when it disagrees"
PY
