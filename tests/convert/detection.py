# SPDX-License-Identifier: Apache-2.0
"""TFLite_Detection_PostProcess: written to TFLite as it is, to ONNX in standard ops. Made-up ones, whose NMS has work to do, must come out as
LiteRT has them but for the last bits of exp(); the shared SSD must find the same things."""
import os
import sys

from peers import Interpreter, OpResolverType, convert, np, run_onnx

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance"))
import tflite_made as made  # noqa: E402

F = np.float32


def lite(path, inputs):
    r = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1)
    r.allocate_tensors()
    for d, x in zip(r.get_input_details(), inputs):
        r.set_tensor(d["index"], x)
    r.invoke()
    return [r.get_tensor(d["index"]).copy() for d in r.get_output_details()]


def model(rng, path, n, classes, most, background, threshold, regular=False, per=1):
    from flatbuffers import flexbuffers
    anchors = np.concatenate([rng.random((n, 2)), rng.random((n, 2)) * .3 + .1], axis=1).astype(F)
    m = made.one("CUSTOM", [((1, n, 4), F), ((1, n, classes + background), F), anchors], [(F, 3), (F, 2), (F, 2), (F, 1)])
    m.m.operatorCodes[0].customCode = "TFLite_Detection_PostProcess"
    m.g.operators[0].customOptions = np.frombuffer(bytes(flexbuffers.Dumps({
        "max_detections": most, "max_classes_per_detection": per, "detections_per_class": 10, "use_regular_nms": regular, "nms_score_threshold": threshold,
        "nms_iou_threshold": .4, "num_classes": classes, "y_scale": 10., "x_scale": 10., "h_scale": 5., "w_scale": 5.})), np.uint8)
    with open(path, "wb") as f:
        f.write(made_bytes(m))


def made_bytes(m):
    b = made.flatbuffers.Builder(1024)
    b.Finish(m.m.Pack(b), b"TFL3")
    return bytes(b.Output())


def made_up(exe, tmp):
    rng, bad = np.random.default_rng(11), 0
    source, tflite, onnx = (f"{tmp}/detect{e}" for e in (".tflite", "2.tflite", ".onnx"))
    # many boxes for few places; few that pass, so that places stay empty; none; as many places as anchors, and more
    for n, classes, most, background, threshold in ((300, 5, 20, 1, .1), (300, 5, 20, 1, .97), (80, 3, 8, 0, 2.), (30, 1, 30, 1, .2), (12, 4, 25, 1, .5), (50, 6, 10, 1, .25)):
        model(rng, source, n, classes, most, background, threshold)
        convert(exe, source, tflite)
        convert(exe, source, onnx)
        for _ in range(4):
            # steps of 1/64: scores that are alike, and some that are the threshold
            x = [rng.normal(0, 1.5, (1, n, 4)).astype(F), np.round(rng.random((1, n, classes + background)) * 64).astype(F) / 64]
            want = lite(source, x)
            for name, got in (("tflite", lite(tflite, x)), ("onnx", run_onnx(onnx, x))):
                live = int(want[3][0])  # LiteRT leaves places behind the count as they were
                off = [float(np.abs(g[:, :live] - w[:, :live]).max(initial=0)) for g, w in zip(got[:3], want[:3])]
                if [g.shape for g in got] != [w.shape for w in want] or got[3][0] != live or off[1] or off[2] or not off[0] <= 2e-6:
                    print(f"detection made up  FAIL {name} {n} anchors {classes} classes {most} places: off by {off}, {got[3][0]} found, not {live}")
                    bad += 1
                if name == "onnx" and any(g[:, live:].any() for g in got[:3]):
                    print("detection made up  FAIL onnx: something behind the count")
                    bad += 1
    for what, options in (("use_regular_nms", {"regular": True}), ("2 classes a box", {"per": 2})):
        model(rng, source, 30, 3, 10, 1, .2, **options)
        convert(exe, source, tflite)
        try:
            convert(exe, source, onnx)
            print(f"detection made up  FAIL {what} was written to ONNX")
            bad += 1
        except RuntimeError as e:
            if what not in str(e):
                print(f"detection made up  FAIL {what}: refused with '{e}'")
                bad += 1
        x = [rng.normal(0, 1, (1, 30, 4)).astype(F), rng.random((1, 30, 4)).astype(F)]
        want, got = lite(source, x), lite(tflite, x)
        if any(g.tobytes() != w.tobytes() for g, w in zip(got, want)):
            print(f"detection made up  FAIL {what} in TFLite")
            bad += 1
    print(f"detection made up  {'FAIL' if bad else 'ok  '} to TFLite and ONNX")
    return bad


def ssd(exe, path, picture, tmp):
    """What is found surely is found by both: 8-bit convolutions round a step or two otherwise, so the rest of the list may differ."""
    want, bad = lite(path, [picture]), 0
    for name, run in (("ssd.tflite", lite), ("ssd.onnx", lambda p, x: run_onnx(p, [np.ascontiguousarray(x[0].transpose(0, 3, 1, 2))], False))):
        convert(exe, path, f"{tmp}/{name}")
        got = run(f"{tmp}/{name}", [picture])
        sure = [k for k in range(int(want[3][0])) if want[2][0, k] >= .6]
        lost = [k for k in sure if not any(got[1][0, j] == want[1][0, k] and abs(got[2][0, j] - want[2][0, k]) < .04 and np.abs(got[0][0, j] - want[0][0, k]).max() < .03
                                           for j in range(int(got[3][0])))]
        ok = bool(sure) and not lost
        print(f"coco_ssd           {'ok  ' if ok else 'FAIL'} {name}: {len(sure)} sure detections, {len(lost)} of them not found")
        bad += not ok
    return bad
