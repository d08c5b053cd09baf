#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cpu_torch.py DIR: empty stand-ins for the GPU libraries that PyTorch's wheel is linked to, so that `import torch` works without 3 GB of them.

The wheel for Linux on the package index is the CUDA build. Nothing here uses a GPU, yet the loader wants cuBLAS, cuDNN, NCCL ... to be there. For each
of those that is missing this makes a library in DIR that defines the symbols torch asks it for, as functions that abort; torch.cuda.is_available() is
False (libcuda.so.1 gets none), so nobody calls them. Put DIR into LD_LIBRARY_PATH. Needs binutils and a C compiler.
"""
import glob
import os
import re
import subprocess
import sys
import importlib.util


def out(*cmd):
    return subprocess.run(cmd, capture_output=True, text=True, check=False).stdout


def main(folder):
    spec = importlib.util.find_spec("torch")
    if not spec:
        sys.exit("cpu_torch: torch is not installed; do pip install --no-deps torch==2.15.0 first")
    libs = glob.glob(os.path.join(os.path.dirname(spec.origin), "lib", "*.so*"))
    missing = sorted({m for f in libs for m in re.findall(r"(\S+) => not found", out("ldd", f))})
    want = {name: {} for name in missing}                # library -> version -> symbols
    for f in libs:
        owner = {}                                       # version name -> library, from the file's list of needed versions
        for part in re.split(r"File: ", out("readelf", "-VW", f))[1:]:
            for ver in re.findall(r"Name: (\S+)", part):
                owner[ver] = part.split()[0]
        for line in out("nm", "-D", "--undefined-only", f).splitlines():
            name, _, ver = line.split()[-1].partition("@")
            ver = ver.lstrip("@")
            lib = owner.get(ver)
            if not ver and re.match(r"cu(blas|dnn|fft|File|sparse|solver)|nccl|nvrtc|nvshmem", name):
                lib = next((l for l in missing if l.startswith("libnccl")), missing and missing[0])   # a symbol without version: any library will do
            if lib in want:
                want[lib].setdefault(ver, set()).add(name)
    os.makedirs(folder, exist_ok=True)
    for lib, versions in want.items():
        base = os.path.join(folder, lib)
        with open(base + ".c", "w") as c, open(base + ".map", "w") as m:
            c.write("#include <stdlib.h>\n")
            for ver, names in versions.items():
                for name in sorted(names):
                    c.write("void %s(void) { abort(); }\n" % name)
                if ver:
                    m.write("%s { global: %s; };\n" % (ver, "; ".join(sorted(names))))
        script = ["-Wl,--version-script=" + base + ".map"] if any(versions) else []
        subprocess.run([os.environ.get("CC", "cc").split()[-1], "-w", "-O1", "-shared", "-fPIC", "-fno-builtin", base + ".c", "-o", base + ".tmp", "-Wl,-soname," + lib] + script, check=True)
        os.replace(base + ".tmp", base)
        os.remove(base + ".c")
        os.remove(base + ".map")
    print(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: cpu_torch.py DIR")
    main(sys.argv[1])
