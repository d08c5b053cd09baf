# SPDX-License-Identifier: Apache-2.0
"""paper.py DIR NEXTPOSE RUN_MODEL: train/export_paper.py on checkpoints that are made here: a re-creation of the paper's networks whose tensors have the
names of the original code, with random weights, saved as the original saves. Its answer is compared with ONNX Runtime's and our engine's on the result.
Then everything that must be refused, the hostile pickle first.

The original code itself is not to be had at test time (no network, and it is not ours to keep here): names, shapes and order of the tensors were read from
its public repository and are written down once more below, apart from export_paper.py's. What is only wrong in both is not found here."""
import collections
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import torch
from torch import nn

import onnx_out

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "train", "export_paper.py")
FOLDER, NEXTPOSE, RUN_MODEL = map(os.path.abspath, sys.argv[1:4])


class Parts(nn.Module):
    """A module out of named parts, run by a function of them."""

    def __init__(self, run, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.run = run

    def forward(self, x):
        return self.run(self, x)


def block(c):
    return Parts(lambda m, x: x + m.pwconv2(torch.relu(m.pwconv1(m.norm(m.dwconv(x))))), dwconv=nn.Conv2d(c, c, 7, padding=3, groups=c),
                 norm=nn.BatchNorm2d(c), pwconv1=nn.Conv2d(c, 4 * c, 1), pwconv2=nn.Conv2d(4 * c, c, 1))


def convnextpose(depths, dims, head, joints, bins, third_up):
    down = [nn.Sequential(nn.Conv2d(3, dims[0], 4, 4), nn.BatchNorm2d(dims[0]))]
    down += [nn.Sequential(nn.BatchNorm2d(a), nn.Conv2d(a, b, 2, 2)) for a, b in zip(dims, dims[1:])]
    stages = [nn.Sequential(*[block(c) for _ in range(n)]) for n, c in zip(depths, dims)]

    def run_backbone(m, x):
        for d, s in zip(m.downsample_layers, m.stages):
            x = s(d(x))
        return m.norm(x)

    def step(a, b, up):
        return Parts(lambda m, x: m.upsample1(torch.relu(m.pwconv(m.norm(m.dwconv(x))))), dwconv=nn.Conv2d(a, a, 3, padding=1, groups=a),
                     norm=nn.BatchNorm2d(a), pwconv=nn.Conv2d(a, b, 1), upsample1=nn.UpsamplingBilinear2d(scale_factor=2) if up else nn.Identity())

    backbone = Parts(run_backbone, downsample_layers=nn.ModuleList(down), stages=nn.ModuleList(stages), norm=nn.BatchNorm2d(dims[3]))
    top = Parts(lambda m, x: m.final_layer(m.deconv_layers_3(m.deconv_layers_2(m.deconv_layers_1(x)))), deconv_layers_1=step(dims[3], head, True),
                deconv_layers_2=step(head, head, True), deconv_layers_3=step(head, head, third_up), final_layer=nn.Conv2d(head, joints * bins, 1))
    return Parts(lambda m, x: m.head(m.backbone(x)), backbone=backbone, head=top)


def bottleneck(a, w, stride, turn):
    parts = dict(conv1=nn.Conv2d(a, w, 1, bias=False), bn1=nn.BatchNorm2d(w), conv2=nn.Conv2d(w, w, 3, stride, 1, bias=False), bn2=nn.BatchNorm2d(w),
                 conv3=nn.Conv2d(w, 4 * w, 1, bias=False), bn3=nn.BatchNorm2d(4 * w))
    if turn:
        parts["downsample"] = nn.Sequential(nn.Conv2d(a, 4 * w, 1, stride, bias=False), nn.BatchNorm2d(4 * w))

    def run(m, x):
        y = torch.relu(m.bn2(m.conv2(torch.relu(m.bn1(m.conv1(x))))))
        return torch.relu(m.bn3(m.conv3(y)) + (m.downsample(x) if turn else x))
    return Parts(run, **parts)


def rootnet():
    layers, a = {}, 64
    for i, n in enumerate((3, 4, 6, 3)):
        w = 64 << i
        layers[f"layer{i + 1}"] = nn.Sequential(*[bottleneck(a if j == 0 else 4 * w, w, 2 if i and j == 0 else 1, j == 0) for j in range(n)])
        a = 4 * w
    backbone = Parts(lambda m, x: m.layer4(m.layer3(m.layer2(m.layer1(nn.functional.max_pool2d(torch.relu(m.bn1(m.conv1(x))), 3, 2, 1))))),
                     conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False), bn1=nn.BatchNorm2d(64), **layers)
    ups = [m for i in range(3) for m in (nn.ConvTranspose2d(2048 if i == 0 else 256, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU())]
    root = Parts(lambda m, x: (m.xy_layer(m.deconv_layers(x)), m.depth_layer(x.mean((2, 3), keepdim=True)).flatten(1)),
                 deconv_layers=nn.Sequential(*ups), xy_layer=nn.Conv2d(256, 1, 1), depth_layer=nn.Conv2d(2048, 1, 1))
    return Parts(lambda m, x: m.root(m.backbone(x)), backbone=backbone, root=root)


def randomize(net):
    """Statistics that matter, sizes that stay."""
    g = torch.Generator().manual_seed(5)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, .1, generator=g)
            m.running_var.uniform_(.5, 1.5, generator=g)
            m.weight.data.uniform_(.5, 1.5, generator=g)
            m.bias.data.normal_(0, .1, generator=g)
    return net.eval()


def snapshot(net, name):
    """As the original's trainer writes it: DataParallel's names, the optimizer beside."""
    path = os.path.join(FOLDER, name)
    table = collections.OrderedDict(("module." + k, v) for k, v in net.state_dict().items())
    torch.save({"epoch": 69, "network": table, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}}, path)
    return path


def export(path, *more):
    return subprocess.run([sys.executable, "-B", SCRIPT, path, *more], capture_output=True, text=True, cwd=FOLDER)


def check(net, path, variant, file, *more):
    r = export(path, "--out", file, *more)
    assert r.returncode == 0 and r.stdout.startswith(variant + ":"), (r.stdout, r.stderr)
    file = os.path.join(FOLDER, file)
    x = torch.randn((1, 3, 256, 256), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = net(x)
    got = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"picture": x.numpy()})
    for a, b in zip(got, want if isinstance(want, tuple) else [want]):
        assert a.shape == b.shape and np.abs(a - b.numpy()).max() < 1e-4 * b.abs().max(), (a.shape, np.abs(a - b.numpy()).max(), b.abs().max())
    error = onnx_out.compare_ours(RUN_MODEL, file, (1, 3, 256, 256))
    assert error < 1e-4, (variant, error)
    return file


def refused(path, *words):
    r = export(path, "--out", "never.onnx")
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and not r.stdout, (r.returncode, r.stdout, r.stderr)
    assert all(w in r.stderr for w in words), r.stderr
    assert not os.path.exists(os.path.join(FOLDER, "never.onnx"))


class Hostile:
    def __reduce__(self):
        return os.mkdir, (os.path.join(FOLDER, "owned"),)


def main():
    torch.manual_seed(0)
    xs_dims, s_dims = ((2, 2, 6, 2), (40, 80, 160, 320)), ((3, 3, 9, 3), (48, 96, 192, 384))
    xs = randomize(convnextpose(*xs_dims, 128, 18, 32, False))
    path = snapshot(xs, "snapshot_69.pth.tar")
    file = check(xs, path, "convnextpose_xs", "a.onnx", "--nextpose", NEXTPOSE)
    said = subprocess.run([NEXTPOSE, "inspect", file], capture_output=True, text=True, check=True).stdout
    assert "soft_argmax3d" in said and "h36m18" in said, said
    assert os.path.getsize(file[:-5] + ".tflite") > 6e6
    for letter, bins in (("s", 32), ("m", 64)):                        # the same head, told apart by the depth bins
        net = randomize(convnextpose(*s_dims, 256, 18, bins, bins == 64))
        check(net, snapshot(net, f"snapshot_{letter}.pth.tar"), f"convnextpose_{letter}", f"{letter}.onnx")
    l = randomize(convnextpose(*s_dims, 512, 21, 64, True))            # the other end: L, MuCo's joints, a name that lies
    check(l, snapshot(l, "snapshot_xs.pth.tar"), "convnextpose_l_muco", "l.onnx")
    root = randomize(rootnet())
    check(root, snapshot(root, "snapshot_19.pth.tar"), "rootnet_resnet50", "root.onnx")

    torch.save({"network": Hostile()}, FOLDER + "/hostile.pth.tar")
    refused(FOLDER + "/hostile.pth.tar", "refused", "run code")
    assert not os.path.exists(FOLDER + "/owned")
    with open(FOLDER + "/text.pth.tar", "w") as f:
        f.write("no checkpoint")
    refused(FOLDER + "/text.pth.tar", "no PyTorch checkpoint")
    refused(FOLDER + "/nowhere.pth.tar", "no such file")
    torch.save([1, 2], FOLDER + "/list.pth.tar")
    refused(FOLDER + "/list.pth.tar", "no table of tensors")
    t = torch.load(path, weights_only=True)["network"]
    del t["module.backbone.stages.2.5.dwconv.weight"]
    torch.save({"network": t}, FOLDER + "/lacks.pth.tar")
    refused(FOLDER + "/lacks.pth.tar", "missing", "stages.2.5.dw.weight")
    t["module.backbone.stages.2.5.dwconv.weight"] = torch.zeros(160, 1, 5, 5)
    torch.save({"network": t}, FOLDER + "/shape.pth.tar")
    refused(FOLDER + "/shape.pth.tar", "stages.2.5.dwconv.weight is [160, 1, 5, 5], not [160, 1, 7, 7]")
    print("ok")


main()
