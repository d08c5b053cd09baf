# SPDX-License-Identifier: Apache-2.0
"""Writes the TorchScript archive of an ONNX net of few ops (Conv, BatchNormalization, Relu, Add, Resize by 2: those of make_convnextpose.py), with
numpy and without PyTorch: a test needs no more of LibTorch than its C++ libraries.

usage: make_torchscript.py NET.onnx OUT.pt

The archive is a ZIP: NAME/code/__torch__.py is the program in TorchScript, NAME/data.pkl the module (a pickle whose tensors are persistent ids),
NAME/data/N the bytes of tensor N. What torch.jit.save writes looks the same (compared with files of PyTorch 2.15)."""
import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np
import onnx
from onnx import numpy_helper


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Tensor:
    def __init__(self, key, array):
        self.storage, self.array = Storage(key, array), array


def fake_module(name, **members):
    module = types.ModuleType(name)
    for key, value in members.items():
        value.__module__ = name
        setattr(module, key, value)
    sys.modules[name] = module
    return module


class Net:
    """Becomes `__torch__.Net` in the pickle."""


class FloatStorage:
    """Becomes `torch.FloatStorage`."""


def _rebuild_tensor_v2(*args):
    """Becomes `torch._utils._rebuild_tensor_v2`."""


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", FloatStorage, str(obj.key), "cpu", int(obj.array.size))
        return None

    def reducer_override(self, obj):
        if isinstance(obj, Tensor):
            a = obj.array
            stride = tuple(s // a.itemsize for s in a.strides)
            return _rebuild_tensor_v2, (obj.storage, 0, tuple(a.shape), stride, False, collections.OrderedDict())
        return NotImplemented


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def translate(graph):
    """Lines of forward(), and the tensors that it names."""
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    tensors, lines, names = collections.OrderedDict(), [], {graph.input[0].name: "x"}

    def const(name):
        key = "w%d" % len(tensors)
        tensors[key] = np.ascontiguousarray(weights[name], np.float32)
        return "self." + key

    for i, node in enumerate(graph.node):
        a, out = attributes(node), "v%d" % i
        x = names[node.input[0]]
        if node.op_type == "Conv":
            p, s = a["pads"], a["strides"]
            assert p[:2] == p[2:]
            w, b = const(node.input[1]), const(node.input[2])
            text = f"torch.conv2d({x}, {w}, {b}, {list(s)}, {list(p[:2])}, [1, 1], {a.get('group', 1)})"
        elif node.op_type == "BatchNormalization":
            scale, bias, mean, var = (const(n) for n in node.input[1:5])
            text = f"torch.batch_norm({x}, {scale}, {bias}, {mean}, {var}, False, 0.10000000000000001, {a['epsilon']!r}, True)"
        elif node.op_type == "Relu":
            text = f"torch.relu({x})"
        elif node.op_type == "Add":
            text = f"torch.add({x}, {names[node.input[1]]}, alpha=1)"
        elif node.op_type == "Resize":
            assert a["mode"] == b"linear" and a["coordinate_transformation_mode"] == b"align_corners"
            text = f"torch.upsample_bilinear2d({x}, None, True, [2., 2.])"
        else:
            sys.exit(f"make_torchscript: no {node.op_type} here")
        lines.append(f"    {out} = {text}")
        names[node.output[0]] = out
    lines.append(f"    return {names[graph.output[0].name]}")
    return lines, tensors


def write(model, path):
    lines, tensors = translate(model.graph)
    code = ["class Net(Module):", "  __parameters__ = [" + "".join(f'"{k}", ' for k in tensors) + "]", "  __buffers__ = []"]
    code += [f"  {k} : Tensor" for k in tensors] + ["  training : bool", "  def forward(self: __torch__.Net,", "    x: Tensor) -> Tensor:"] + lines
    fake_module("__torch__", Net=Net)
    fake_module("torch", FloatStorage=FloatStorage)
    fake_module("torch._utils", _rebuild_tensor_v2=_rebuild_tensor_v2)
    net = Net()
    for i, (key, array) in enumerate(tensors.items()):
        setattr(net, key, Tensor(i, array))
    net.training = False
    data, constants = io.BytesIO(), io.BytesIO()
    Pickler(data, 2).dump(net)
    pickle.dump((), constants, 2)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr("net/data.pkl", data.getvalue())
        z.writestr("net/byteorder", "little")
        z.writestr("net/code/__torch__.py", "\n".join(code) + "\n")
        for i, array in enumerate(tensors.values()):
            z.writestr(f"net/data/{i}", array.tobytes())
        z.writestr("net/constants.pkl", constants.getvalue())
        z.writestr("net/version", "3\n")


if __name__ == "__main__":
    write(onnx.load(sys.argv[1]), sys.argv[2])
