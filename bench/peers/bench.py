# SPDX-License-Identifier: Apache-2.0
"""Times us and the peers on this machine: same nets, same pictures, same number of threads, interleaved; one table.

usage: bench.py NEXTPOSE SHARED [--json STEM] [--svg FILE] [--quick] [--seconds S] [--rounds N] [--threads 1,2] [--isa LEVEL] [--only TEXT] [--folder DIR] [--fresh]

Each runtime is a process of its own (worker.py), stopped by SIGSTOP while another is timed, so that nobody's spinning threads cost anybody else time. A round is one
turn of each, in turning order; the minimum over all rounds counts, since it is what the machine does when nobody disturbs it, the median is printed beside it.

Outputs of the same picture are compared before anything is ranked: the largest difference, relative to the largest value of that output (fp32), and the root mean square
of the difference, relative likewise (int8, where roundings differ legitimately). A peer above the bound is printed with its time in brackets, and ranks nowhere.

--isa LEVEL  us by --isa; OpenVINO by ONEDNN_MAX_CPU_ISA, where oneDNN has a name for the level. ONNX Runtime (MLAS), LiteRT (XNNPACK) and ncnn read cpuid themselves and have no such
             setting: when the machine has more than LEVEL their times stay in the table, in brackets, and rank nowhere.
"% peak"     2 x multiply-adds of the net / time, of what `nextpose bench peak` just measured for that precision and thread count."""
import argparse
import datetime
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import nets as N

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {"nextpose": "ours", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "litert": "LiteRT", "ncnn": "ncnn"}
ONEDNN = {"scalar": None, "avx2": "AVX2", "avx_vnni": "AVX2_VNNI", "avx512": "AVX512_CORE", "avx512_vnni": "AVX512_CORE_VNNI", "avx512_bf16": "AVX512_CORE_BF16",
          "avx512_fp16": "AVX512_CORE_FP16", "amx": "AVX512_CORE_AMX"}


class Worker:
    def __init__(self, runtime, net, threads, a):
        self.runtime, self.ms, self.error, self.differs, self.held = runtime, [], None, None, True
        env = dict(os.environ, PEERS_SPEC=json.dumps(net["spec"]), TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="PASSIVE")
        if a.isa and a.isa != a.best_isa and runtime != "nextpose":
            self.held = runtime == "openvino" and ONEDNN.get(a.isa) is not None
            if self.held:
                env["ONEDNN_MAX_CPU_ISA"] = ONEDNN[a.isa]
        cmd = [sys.executable, os.path.join(HERE, "worker.py"), runtime, net["files"][runtime], str(threads), net["precision"], a.isa or "", a.library]
        self.p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)

    def ask(self, line):
        self.p.send_signal(signal.SIGCONT)
        try:
            self.p.stdin.write(line + "\n")
            self.p.stdin.flush()
            answer = self.p.stdout.readline()
        except BrokenPipeError:
            answer = ""
        r = json.loads(answer) if answer else {"error": f"ended with code {self.p.wait()}"}
        if "error" in r:
            self.error = r["error"]
        elif self.p.poll() is None:
            self.p.send_signal(signal.SIGSTOP)
        return r

    def close(self):
        self.p.kill()
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


def aligned(y, want):
    """y in the shape of want: the batch dimension may be missing, channels may be last. None: it is something else."""
    for t in (y, y[None]):
        if t.size == want.size and t.shape == want.shape:
            return t
        for axes in ((0, 3, 1, 2), (0, 2, 3, 1)):
            if t.ndim == 4 and t.transpose(axes).shape == want.shape:
                return t.transpose(axes)
    return y.reshape(want.shape) if y.size == want.size else None


def difference(ours, want, precision):
    """Worst over the outputs of `want`; None when one has no counterpart."""
    left, worst = list(ours), 0.0
    for w in want:
        best = None
        for i, y in enumerate(left):
            t = aligned(y, w)
            if t is None:
                continue
            scale = float(np.abs(w).max()) or 1.0
            d = float(np.sqrt(np.mean((t - w) ** 2))) / (float(np.sqrt(np.mean(w**2))) or 1.0) if precision == "int8" else float(np.abs(t - w).max()) / scale
            if best is None or d < best[0]:
                best = (d, i)
        if best is None:
            return None
        left.pop(best[1])
        worst = max(worst, best[0])
    return worst


def measure(net, threads, a, tmp):
    """One row: every runtime that can, compared, then timed in turns."""
    x = os.path.join(tmp, "x.npy")
    np.save(x, N.pictures(a.shared, net["batch"], net["side"]))
    workers, row = [], {"net": net["name"], "precision": net["precision"], "batch": net["batch"], "threads": threads, "bound": net["bound"], "absent": {}, "runtimes": {},
                   "macs": 0}
    outs = {}
    for r in ("nextpose",) + N.RUNTIMES:
        if isinstance(net["files"][r], Exception):
            row["absent"][r] = str(net["files"][r])
            continue
        w = Worker(r, net, threads, a)
        out = os.path.join(tmp, r + ".npz")
        said = w.ask(f"load {x} {out}")
        if w.error:
            row["absent"][r] = w.error
            w.close()
            continue
        w.load_ms, w.version = said["load_ms"], said["version"]
        row["macs"] = said["macs"] or row["macs"]
        with np.load(out) as z:
            outs[r] = [z[k] for k in z.files]
        workers.append(w)
    if "reference" in net and not isinstance(net["reference"], Exception):  # bf16: against ONNX Runtime's fp32, which is not timed
        w = Worker("onnxruntime", dict(net, files={"onnxruntime": net["reference"]}), threads, a)
        out = os.path.join(tmp, "reference.npz")
        w.ask(f"load {x} {out}")
        if not w.error:
            with np.load(out) as z:
                outs["onnxruntime"] = [z[k] for k in z.files]
        w.close()
    reference = "litert" if net["precision"] == "int8" else "onnxruntime"  # LiteRT's integer arithmetic is exact on every level
    row["reference"] = reference if reference in outs else None
    for w in workers:
        w.differs = difference(outs[w.runtime], outs[reference], net["precision"]) if reference in outs else None
    for k in range(a.rounds):
        for w in workers[k % len(workers):] + workers[: k % len(workers)]:
            if not w.error:
                w.ms.append(w.ask(f"time 100000 {a.seconds / a.rounds:.3f}").get("ms", []))
    for w in workers:
        mb = w.ask("memory").get("mb", 0) if not w.error else 0
        if w.error:
            row["absent"][w.runtime] = w.error
        else:
            all_ms = [m for turn in w.ms for m in turn]
            row["runtimes"][w.runtime] = {"min": min(all_ms), "median": statistics.median(all_ms), "turns": [min(t) for t in w.ms], "n": len(all_ms), "differs": w.differs, "load_ms": w.load_ms,
                                          "memory_mb": mb, "version": w.version, "held": w.held, "agrees": w.differs is not None and w.differs <= net["bound"]}
        w.close()
    return row


def rank(row, peaks):
    """Best peer that may be ranked, our ratio to it, shares of the peak."""
    rt = row["runtimes"]
    ranked = {r: v for r, v in rt.items() if r != "nextpose" and v["agrees"] and v["held"]}
    row["best"] = min(ranked, key=lambda r: ranked[r]["min"]) if ranked else None
    ours = rt.get("nextpose")
    row["ratio"] = ranked[row["best"]]["min"] / ours["min"] if row["best"] and ours and ours["agrees"] else None
    row["median_ratio"] = min(v["median"] for v in ranked.values()) / ours["median"] if row["ratio"] else None
    peak = peaks.get(row["precision"], {}).get(str(row["threads"]))
    for v in rt.values():
        v["peak_percent"] = 100 * 2e-6 * row["macs"] / v["min"] / peak if peak and row["macs"] else None


def cell(v):
    if v is None:
        return "-"
    text = f"{v['min']:.2f}/{v['median']:.2f}"
    return text if v["agrees"] and v["held"] else f"({text})"


def head():
    return (f"{'net':<24}{'thr':>4}" + "".join(f"{NAMES[r]:>16}" for r in ("nextpose",) + N.RUNTIMES)
            + f"  {'best peer':<14}{'ratio':>7}{'median':>8}{'% peak':>8}{'peer %':>8}{'differs':>9}")


def line(row):
    rt, ours = row["runtimes"], row["runtimes"].get("nextpose", {})
    pc = lambda v: f"{v:.0f}" if v else "-"
    name = f"{row['net']} {row['precision']}" + (f" b{row['batch']}" if row["batch"] > 1 or row["net"].startswith("Conv") else "")
    return (f"{name:<24}{row['threads']:>4}" + "".join(f"{cell(rt.get(r)):>16}" for r in ("nextpose",) + N.RUNTIMES) + f"  {NAMES.get(row['best'], '-'):<14}"
            + (f"{row['ratio']:>6.2f}x{row['median_ratio']:>7.2f}x" if row["ratio"] else f"{'-':>7}{'-':>8}") + f"{pc(ours.get('peak_percent')):>8}"
            + f"{pc(rt[row['best']]['peak_percent'] if row['best'] else None):>8}" + (f"{ours['differs']:>9.1e}" if ours.get("differs") is not None else f"{'-':>9}"))


def notes(rows):
    """Who is missing and why, who disagrees, how far all are apart, memory: each said once."""
    said = []
    for r in rows:
        for who, why in r["absent"].items():
            said.append(f"absent: {NAMES[who]} in {r['net']} {r['precision']}: {why}")
        for who, v in r["runtimes"].items():
            if not v["agrees"]:
                d = "no reference to compare with" if v["differs"] is None and not r["reference"] else "other outputs" if v["differs"] is None else f"differs by {v['differs']:.1e}"
                said.append(f"not ranked: {NAMES[who]} in {r['net']} {r['precision']} b{r['batch']}: {d} (bound {r['bound']:g})")
            elif not v["held"]:
                said.append(f"not ranked: {NAMES[who]}: no setting holds it to the level asked for")
    out = list(dict.fromkeys(said))
    for precision in ("fp32", "bf16", "int8"):
        worst = {}
        for r in rows:
            for who, v in r["runtimes"].items():
                if r["precision"] == precision and v["agrees"] and who != r["reference"]:
                    worst[who] = max(worst.get(who, 0), v["differs"])
        if worst:
            what = "root mean square" if precision == "int8" else "largest"
            out.append(f"differences, {precision}, {what}, relative, worst net: " + ", ".join(f"{NAMES[w]} {d:.1e}" for w, d in worst.items()))
    for r in rows:
        if r["net"] == "ConvNeXtPose-S" and r["batch"] == 4 and r["threads"] == 1:
            out.append(f"peak memory, ConvNeXtPose-S {r['precision']} b4, above an empty Python: " + ", ".join(f"{NAMES[w]} {v['memory_mb']:.0f} MB" for w, v in r["runtimes"].items()))
    return out


def peaks_of(a, counts, peaks):
    """Adds to {precision: {threads: rate}} what is higher, the best instruction up to the level in force; the lines to print. Measured more than once: a neighbour who
    takes a core at that moment would make every share of the peak wrong."""
    order = list(ONEDNN)
    cmd = [a.nextpose, "bench", "peak", "--json", "--threads", ",".join(map(str, counts)), "--duration", "0.1"]
    p = subprocess.run(cmd, capture_output=True, text=True)
    text = []
    for row in map(json.loads, p.stdout.splitlines()) if p.returncode == 0 else ():
        what = row.get("precision") or row["level"]
        if "skipped" in row:
            text.append(f"{what} {row['isa']}")
            continue
        if a.isa and row["what"] == "arithmetic" and row["isa"] in order and order.index(row["isa"]) > order.index(a.isa):
            continue
        for t, v in row["threads"].items():
            at = peaks.setdefault(what, {})
            at[t] = max(at.get(t, 0), v)
    return ["peak: skipped, not on this machine or not permitted: " + ", ".join(text)] if text else []


def write_results(stem, a, rows):
    """STEM.json is ours, STEM-PEER.json each peer's: nextpose-bench-1, for `nextpose bench compare` over versions or against a peer."""
    machine = {"cpu": cpu_name(), "cores": len(os.sched_getaffinity(0)), "isa": a.isa or a.best_isa, "os": f"{platform.system()} {platform.release()}"}
    for who in ("nextpose",) + N.RUNTIMES:
        runs, version = [], ""
        for r in rows:
            v = r["runtimes"].get(who)
            if not v:
                continue
            version = v["version"]
            metrics = {"ms": {"unit": "ms", "better": "lower", "values": v["turns"]}, "memory": {"unit": "MB", "better": "lower", "values": [v["memory_mb"]]},
                       "load": {"unit": "ms", "better": "lower", "values": [v["load_ms"]]}}
            for key, unit in (("peak_percent", "%"), ("differs", "")):
                if v[key] is not None:
                    metrics[key] = {"unit": unit, "better": "neither", "values": [v[key]]}
            if who == "nextpose" and r["ratio"]:
                metrics["ratio_to_best_peer"] = {"unit": "x", "better": "neither", "values": [r["ratio"]]}
            runs.append({"name": f"{r['net']} {r['precision']} b{r['batch']} {r['threads']} threads", "metrics": metrics,
                         "settings": {"precision": r["precision"], "batch": r["batch"], "threads": r["threads"], "isa": machine["isa"]}})
        if runs:
            name = f"{stem}.json" if who == "nextpose" else f"{stem}-{who}.json"
            with open(name + ".new", "w") as f:
                json.dump({"schema": "nextpose-bench-1", "subject": who, "version": version, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                           "machine": machine, "input": {"name": "photos"}, "runs": runs}, f, indent=1)
            os.replace(name + ".new", name)


def cpu_name():
    for text in open("/proc/cpuinfo"):
        if text.startswith(("model name", "Model")):
            return text.split(":", 1)[1].strip()
    return platform.processor()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("nextpose")
    p.add_argument("shared")
    p.add_argument("--json", metavar="STEM")
    p.add_argument("--svg")
    p.add_argument("--quick", action="store_true", help="one thread, batch 1, two short rounds: a minute and a half")
    p.add_argument("--seconds", type=float, default=1.2, help="timed, each runtime of each row")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", help="counts (default: 1 and all, at most 2)")
    p.add_argument("--isa")
    p.add_argument("--only", help="rows whose net and precision contain this")
    p.add_argument("--folder", default=os.path.join(HERE, "..", "..", ".peers"), help="where converted models are kept")
    p.add_argument("--fresh", action="store_true", help="convert again")
    p.add_argument("--torch-python", default=os.environ.get("NEXTPOSE_TORCH_PYTHON"))
    a = p.parse_args()
    if a.quick:
        a.seconds, a.rounds = min(a.seconds, 0.4), min(a.rounds, 2)
    a.library = os.path.join(os.path.dirname(os.path.realpath(a.nextpose)), "..", "src", "libnextpose.so")
    doctor = subprocess.run([a.nextpose, "doctor", "--no-isolate"], capture_output=True, text=True).stdout
    levels = [w.strip() for w in next(t for t in doctor.splitlines() if t.startswith("isa")).removeprefix("isa").split(",")]
    a.best_isa = levels[-1]
    if a.isa and a.isa not in levels:
        sys.exit(f"bench: --isa {a.isa}: this machine has {', '.join(levels)}")
    if a.fresh:
        for f in os.listdir(a.folder) if os.path.isdir(a.folder) else ():
            os.remove(os.path.join(a.folder, f))
    counts = [int(t) for t in a.threads.split(",")] if a.threads else [1] if a.quick else [1, 2][: len(os.sched_getaffinity(0))]
    t0 = time.monotonic()
    peaks = {}
    skipped = peaks_of(a, counts, peaks)
    maker = N.Maker(a.nextpose, a.shared, os.path.abspath(a.folder), a.torch_python)
    todo = [n for n in N.all_nets(maker, a.quick, "bf16" in peaks) if not a.only or a.only.lower() in f"{n['name']} {n['precision']}".lower()]
    print(f"machine: {cpu_name()}, {len(os.sched_getaffinity(0))} processors; isa {', '.join(levels)}" + (f"; held to {a.isa}" if a.isa else ""))
    print("\nms min/median; ratio: best peer / ours, above 1 we are faster; in brackets: not ranked\n" + head(), flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        for threads in counts:
            peaks_of(a, counts, peaks)
            for net in todo:
                row = measure(net, threads, a, tmp)
                rank(row, peaks)
                rows.append(row)
                print(line(row), flush=True)
    print("\nmeasured peak: " + ", ".join(f"{k} {' / '.join(f'{v:.0f}' for v in t.values())} {'G/s' if k in ('fp32', 'int8', 'int16', 'bf16', 'fp16') else 'GB/s'}" for k, t in peaks.items())
          + f" ({' / '.join(map(str, counts))} threads)")
    print("\n".join(notes(rows) + skipped))
    versions = {w: v["version"] for r in rows for w, v in r["runtimes"].items()}
    print("versions: " + ", ".join(f"{NAMES[w]} {v}" for w, v in versions.items()) + f"; {time.monotonic() - t0:.0f} s in all")
    if a.json:
        write_results(a.json, a, rows)
    if a.svg:
        import chart

        chart.write(a.svg, rows, f"{cpu_name()}, {a.isa or a.best_isa}, {datetime.date.today()}")
    lost = [r for r in rows if "nextpose" in r["absent"] or not r["runtimes"].get("nextpose", {}).get("agrees", True)]
    return 1 if lost else 0  # a row of ours that does not run or disagrees is an error, a missing peer is a line


if __name__ == "__main__":
    sys.exit(main())
