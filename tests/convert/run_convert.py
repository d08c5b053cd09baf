# SPDX-License-Identifier: Apache-2.0
"""Every shared model, and ConvNeXtPose XS and S, converted both ways and back, and run on a photo in the runtime that the result is for.

    run_convert.py NEXTPOSE [--only NAME] [--full]

Allowed is what tests/models allows our own engine, for the same reasons: float outputs within 4 yardsticks + eps * layers * range (the
yardstick is how far the source's own runtime is from itself, with plain and with fast kernels), 8-bit ones within whole steps. Results are
made by the plain kernels, since ONNX Runtime's fast 8-bit ones saturate on processors without VNNI. No Transpose may stand at a convolution.
The SSD, whose plain kernels take long, is only asked for what it finds; --full
compares its numbers. Its post-processing is also tested on made-up ones (detection.py). Exit code 77: skipped."""
import os
import sys
import tempfile

from peers import convert, np, onnx, run, skip, transposes_at_convolutions, turned

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ref"))
import detection  # noqa: E402
import run_models as models  # noqa: E402

SLOW = {"coco_ssd"}
EPS = 2.0 ** -23


def source_of(name, file, tmp):
    if file:
        path = os.path.join(models.SHARED, "models", file)
        return path if os.path.exists(path) else skip(f"{path} is not there")
    import make_convnextpose
    path = f"{tmp}/{name}.onnx"
    onnx.save(make_convnextpose.build(name.rsplit("_", 1)[1]), path)
    return path


def compare(peer, ref, fast, got):
    """Worst (ok, difference, allowed) over the outputs, brought into the source's shapes."""
    worst = (True, 0., 0.)
    assert len(ref) == len(got), f"{len(got)} outputs, not {len(ref)}"
    for k in range(len(ref)):
        r = models.judge(peer, k, ref[k], fast[k], turned(got[k], ref[k].shape))
        worst = max(worst, r, key=lambda v: (not v[0], v[1] / v[2] if v[2] else v[1]))
    return worst


def check(exe, name, tmp):
    file, layout = models.MODELS[name]
    source = source_of(name, file, tmp)
    theirs = source
    if source.endswith(".tflite"):
        theirs = f"{tmp}/peer.tflite"
        models.rewrite(source, theirs)
    peer = models.LiteRT(theirs) if source.endswith(".tflite") else models.OnnxRuntime(source)
    x = models.photo_input(models.PHOTOS[0], layout, peer.shape, peer.dtype)
    ref, fast = peer.outputs(x)
    bad = 0
    first, second = (".tflite", ".onnx") if source.endswith(".onnx") else (".onnx", ".tflite")
    there, back, again = f"{tmp}/there{first}", f"{tmp}/back{second}", f"{tmp}/again{second}"
    for what, a, b in (("other", source, there), ("back", there, back), ("same", source, again)):
        convert(exe, a, b, "--strategy", "fp32")
        n = transposes_at_convolutions(b)
        ok, d, allowed = compare(peer, ref, fast, run(b, [x]))
        print(f"{name:18} {what:6} -> {os.path.splitext(b)[1][1:]:7} {'ok  ' if ok and not n else 'FAIL'} largest {d:.3g} of {allowed:.3g} allowed, {n} Transposes at convolutions", flush=True)
        bad += not ok or n > 0
    return bad


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    if only:
        args.remove(only)
    bad = 0
    if not only:
        with tempfile.TemporaryDirectory() as tmp:
            bad += detection.made_up(args[0], tmp)
    if not models.SHARED or not os.path.isdir(os.path.join(models.SHARED, "models")):
        if bad:
            return 1
        skip(f"no models in NEXTPOSE_SHARED ({models.SHARED or 'not set'})")
    with tempfile.TemporaryDirectory() as tmp:
        if not only:
            path = source_of("coco_ssd", *models.MODELS["coco_ssd"][:1], tmp)
            bad += detection.ssd(args[0], path, models.photo_input(models.PHOTOS[0], "rgb", [1, 300, 300, 3], np.dtype("uint8")), tmp)
        for name in models.MODELS:
            if (only and only != name) or name.rsplit("_", 1)[-1].isdigit() or (name in SLOW and not only and "--full" not in sys.argv):
                continue
            try:
                bad += check(args[0], name, tmp)
            except (RuntimeError, AssertionError) as e:
                print(f"{name:18} FAIL {e}")
                bad += 1
    print(f"{bad} failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
