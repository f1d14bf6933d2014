"""What the machine code of hot loops consists of."""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, files

import pytest

pytest.importorskip("cupy")
pytest.importorskip("cupy_backends.cuda.libs.nvrtc")

from knetpy.kernels.cuda import conv, convdw  # noqa: E402
from tests.cudacpu import nvrtc  # noqa: E402

LEAST = 0.7  # of a loop's instructions are multiplications and additions in one
BARELY = {"tile_dw<float, 64, 64, false>": 0.68}
LOOPS = [
    pytest.param(module, name, arch, id=f"{name}-{arch}", marks=[] if arch == 90 else pytest.mark.slow)
    for module in (conv._run, convdw._run)
    for name in module.instances
    for arch in (75, 80, 90, 100, 120)
    if name.startswith("tile") and "float" in name and name.endswith("false>")
]


def disassembler():
    """The program nvdisasm, of a toolkit or of the wheel nvidia-cuda-nvdisasm; None if neither is there."""
    if found := shutil.which("nvdisasm"):
        return found
    try:
        return next((str(f.locate()) for f in files("nvidia-cuda-nvdisasm") or [] if f.name == "nvdisasm"), None)
    except PackageNotFoundError:
        return None


def loops(cubin, tmp_path):
    """The instructions of each loop in the code of one kernel, by their names without suffixes."""
    path = tmp_path / "kernel.cubin"
    path.write_bytes(cubin)
    text = subprocess.run([disassembler(), "-c", str(path)], capture_output=True, text=True, check=True).stdout
    labels, code, found = {}, [], []
    for line in text.splitlines():
        if label := re.match(r"(\.L_x_\d+):", line):
            labels[label[1]] = len(code)
        elif instruction := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(\w+)(.*);", line):
            code.append(instruction[1])
            target = re.search(r"`\((\.L_x_\d+)\)", instruction[2])
            if instruction[1] == "BRA" and target and target[1] in labels:
                found.append(code[labels[target[1]] :])
    return found


@pytest.mark.skipif(disassembler() is None, reason="nvdisasm is not installed: pip install nvidia-cuda-nvdisasm")
@pytest.mark.parametrize("module, name, arch", LOOPS)
def test_loops_of_convolutions_multiply(module, name, arch, tmp_path):
    cubin, _ = nvrtc.compile(module.source, arch, [name])
    loop = max(loops(cubin, tmp_path), key=lambda loop: loop.count("FFMA"))
    assert loop.count("FFMA") == 1024  # two halves of 8 terms for 8 x 8 sums
    assert loop.count("FFMA") / len(loop) >= BARELY.get(name, LEAST)
