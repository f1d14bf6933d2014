"""What the machine code of hot loops consists of."""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, files

import pytest

pytest.importorskip("cupy")
pytest.importorskip("cupy_backends.cuda.libs.nvrtc")

from knetpy.kernels.cuda import conv, convdw
from tests.cudacpu import nvrtc

LEAST = 0.72  # of a loop's instructions are multiplications and additions in one
TENSOR = {  # of a loop's instructions are those of tensor cores; by one of m16n8k16 in 8 they would be busy on sm_80
    "tile<float, 128, 128, 16, TF32>": 0.15,
    "tile<float, 128, 128, 32, BF16>": 0.13,
    "tile<Half, 128, 128, 32, HALF>": 0.13,
    "tile_dw<float, 128, 128, TF32>": 0.085,
    "tile_dw<float, 64, 64, TF32>": 0.055,
    "tile_dw<float, 128, 128, BF16>": 0.06,
    "tile_dw<Half, 128, 128, HALF>": 0.06,
    "tile_dw<float, 64, 64, BF16>": 0.04,
    "tile_dw<Half, 64, 64, HALF>": 0.04,
}


def loops_of(wanted, archs):
    """(module, kernel, architecture) of every tile that is wanted; slow are all but those of sm_90 that matter most."""
    quick = lambda name, arch: arch == 90 and ("PLAIN" in name or "128, 128" in name)
    return [
        pytest.param(module, name, arch, id=f"{name}-{arch}", marks=[] if quick(name, arch) else pytest.mark.slow)
        for module in (conv._run, convdw._run)
        for name in module.instances
        for arch in archs
        if name.startswith("tile") and "double" not in name and wanted(name)
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


needs_disassembler = pytest.mark.skipif(
    disassembler() is None, reason="nvdisasm is not installed: pip install nvidia-cuda-nvdisasm"
)


def inner_loop(module, name, arch, instruction, tmp_path):
    """(how often the instruction is in the loop that has most of it, its share)."""
    cubin, _ = nvrtc.compile(module.source, arch, [name])
    loop = max(loops(cubin, tmp_path), key=lambda loop: loop.count(instruction))
    return loop.count(instruction), loop.count(instruction) / len(loop)


@needs_disassembler
@pytest.mark.parametrize("module, name, arch", loops_of(lambda name: "PLAIN" in name, (75, 80, 90, 100, 120)))
def test_loops_of_convolutions_multiply(module, name, arch, tmp_path):
    count, share = inner_loop(module, name, arch, "FFMA", tmp_path)
    assert count == 1024 and share >= LEAST  # two halves of 8 terms for 8 x 8 sums


@needs_disassembler
@pytest.mark.parametrize("module, name, arch", loops_of(lambda name: "PLAIN" not in name, (80, 90, 100, 120)))
def test_loops_on_tensor_cores(module, name, arch, tmp_path):
    count, share = inner_loop(module, name, arch, "HMMA", tmp_path)
    assert count == (32 if "dw" in name else 64)  # two halves of one or two times 16 products of matrices
    assert share >= TENSOR.get(name, 0.11)
