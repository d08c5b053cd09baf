#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check_stats.py STATS_DUMP [FILE.prom]

The JSON and the Prometheus text of the sample snapshot, read by Python's own JSON and by the parser of prometheus_client, against
the numbers of sample_stats.h. A FILE from a real /metrics is only parsed and checked for the names that others rely on."""
import json
import math
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

NAMES = ["camera_fps", "process_fps", "detection_fps", "skipped_fps", "detector_inference_speed_seconds", "cpu_usage_percent", "mem_usage_percent",
         "uptime_seconds"]


def parse(text):
    """{(sample name, labels): value}; every family must have HELP and TYPE and occur once."""
    values, seen = {}, set()
    for family in text_string_to_metric_families(text):
        assert family.name not in seen, f"{family.name} occurs twice"
        assert family.documentation and family.type in ("gauge", "counter"), family
        assert family.samples, f"{family.name} has no sample"
        seen.add(family.name)
        for s in family.samples:
            assert s.name.startswith("nextpose_"), s.name
            assert family.type != "counter" or s.name.endswith("_total"), s.name
            values[(s.name, tuple(sorted(s.labels.items())))] = s.value
    for line in text.splitlines():  # the parser lets an unknown sample pass as a family of its own
        name = line.split("{")[0].split(" ")[0]
        assert line.startswith("#") or f"# TYPE {name} " in text, line
    for n in NAMES:
        assert ("nextpose_" + n, ()) in values, n
    return values


def dump(exe, what):
    return subprocess.run([exe, what], check=True, capture_output=True, text=True).stdout


def main():
    exe = sys.argv[1]
    if len(sys.argv) > 2:
        parse(open(sys.argv[2]).read())
        return
    j = json.loads(dump(exe, "json"))
    assert j["fps"] == {"source": 30, "displayed": 29.5, "processed": 24.25, "inferred": 12.13 if j["fps"]["inferred"] > 12.125 else 12.12,
                        "detection": 12.13 if j["fps"]["detection"] > 12.125 else 12.12, "skipped": 5.75}, j["fps"]
    assert j["frames"] == {"read": 375, "dropped": 70, "displayed": 305, "processed": 304, "inferred": 152, "propagated": 151, "late": 3, "failed": 1}
    assert j["delay_ms"] == {"p50": 31.5, "p95": 44, "p99": 52.75, "max": 61, "bound": 60}, j["delay_ms"]
    assert list(j["stages"]) == ["read", "detect", "track", "crop", "pose", "smooth", "draw", "emit"]
    assert j["stages"]["pose"] == {"mean_ms": 5, "max_ms": 14, "per_frame_ms": 2.5, "wait_ms": 1, "share": 0.12, "runs": 1004}, j["stages"]["pose"]
    assert j["bottleneck"] == "detect" and j["preset"] == "balanced" and j["knobs"]["detection_freq"] == 3
    assert j["cache"] == {"detection": {"hits": 200, "misses": 100, "rate": 0.6667}, "pose": {"hits": 30, "misses": 10, "rate": 0.75}, "expired": 7}
    assert j["cpu"] == {"share": 0.875, "cores": [0.5, 1, None]} and j["memory"]["resident_mb"] == 142.5 and 0 < j["memory"]["percent"] < 100
    assert j["gpu"] == {"share": 0.25, "memory_mb": 512} and j["backend"] == {"detector": "native", "pose": "onnx", "switches": 2}
    assert j["suggestions"] == [{"text": "detect takes 61 % of a frame: --detection-freq 4 would give about 28 FPS", "flag": "--detection-freq 4", "gain": 1.25}]
    assert j["source"] == {"input": 'clip "1".mp4', "state": "ok", "reconnects": 4} and j["outputs"] == {"dropped": 9} and j["viewers"] == 2
    assert j["time"].endswith("Z") and j["last_move"].startswith("detection every")
    e = json.loads(dump(exe, "empty-json"))
    assert e["bottleneck"] is None and e["gpu"] is None and e["cache"]["pose"]["rate"] is None and e["suggestions"] == [] and e["memory"]["resident_mb"] is None
    assert set(e) == set(j), set(e) ^ set(j)

    v = parse(dump(exe, "prometheus"))
    get = lambda metric, /, **labels: v[("nextpose_" + metric, tuple(sorted(labels.items())))]
    assert get("camera_fps") == 30 and get("process_fps") == 24.25 and get("skipped_fps") == 5.75 and get("detector_inference_speed_seconds") == 0.002
    assert get("cpu_usage_percent") == 87.5 and get("uptime_seconds") == 12.5 and get("frames_total", state="inferred") == 152
    assert get("delay_seconds", quantile="0.99") == 0.05275 and get("bottleneck", stage="detect") == 1 and get("bottleneck", stage="source") == 0
    assert get("stage_seconds", stage="emit") == 0.008 and get("knob", name="max_persons") == 5 and get("memory_bytes") == 149422080
    assert math.isnan(get("cpu_core_usage_percent", core="2")) and get("gpu_memory_bytes") == 536870912 and get("viewers") == 2
    assert get("source_up") == 1 and get("source_reconnects_total") == 4 and get("outputs_dropped_total") == 9
    info = [dict(k[1]) for k in v if k[0] == "nextpose_info"]
    assert len(info) == 1 and info[0]["detector"] == 'det\\lite"0' and info[0]["backend_pose"] == "onnx", info
    e = parse(dump(exe, "empty-prometheus"))
    assert ("nextpose_gpu_memory_bytes", ()) not in e
    print("ok")


main()
