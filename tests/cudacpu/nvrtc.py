"""Compiles kernels for real GPUs on a machine without one, and reads what
ptxas says of them: registers, spills, shared memory; hence occupancy.

Needs cupy and the nvidia-cuda-nvrtc wheel (or a toolkit); no driver.
"""

import re
from dataclasses import dataclass

from cupy_backends.cuda.libs import nvrtc  # which cupy.cuda.nvrtc is

nvrtc.getVersion()  # loads the library now, while CuPy itself is there and not its double

# threads, blocks, shared KiB an SM holds; registers are 64 Ki everywhere
SM = {
    75: (1024, 16, 64),
    80: (2048, 32, 164),
    86: (1536, 16, 100),
    89: (1536, 24, 100),
    90: (2048, 32, 228),
    100: (2048, 32, 228),
    120: (1536, 24, 100),
}
ARCHS = tuple(SM)


@dataclass
class Kernel:
    name: str
    arch: int
    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int  # static bytes of a block

    def occupancy(self, threads, dynamic_shared=0):
        """Resident warps of an SM as a share of the most it can hold."""
        max_threads, max_blocks, shared_kib = SM[self.arch]
        warps = -(-threads // 32)
        regs_of_warp = -(-self.registers * 32 // 256) * 256
        by_regs = 65536 // 4 // regs_of_warp * 4 // warps  # four partitions of a quarter each
        unit, reserved = (256, 0) if self.arch < 80 else (128, 1024)
        shared = -(-(self.shared + dynamic_shared + reserved) // unit) * unit
        by_shared = shared_kib * 1024 // shared if shared else max_blocks
        blocks = min(max_blocks, max_threads // (warps * 32), by_regs, by_shared)
        return blocks * warps / (max_threads // 32)


class CompileError(RuntimeError):
    pass


def compile(source, arch=80, kernels=(), options=(), kind="cubin"):
    """The binary, and a `Kernel` for every kernel in it, compiled as CuPy would."""

    program = nvrtc.createProgram(source, "kernel.cu", (), ())
    try:
        for k in kernels:
            nvrtc.addNameExpression(program, k)
        flags = (
            "-std=c++17",
            "-ftz=true",
            "--device-as-default-execution-space",
            "--ptxas-options=-v",
            *options,
            f"-arch={'sm' if kind == 'cubin' else 'compute'}_{arch}",
        )
        try:
            nvrtc.compileProgram(program, flags)
        except nvrtc.NVRTCError:
            raise CompileError(f"sm_{arch}:\n{nvrtc.getProgramLog(program)}") from None
        names = {nvrtc.getLoweredName(program, k): k for k in kernels}
        log = nvrtc.getProgramLog(program)
        # CuPy leaves the last byte out, which nvdisasm and cuobjdump want
        binary = nvrtc.getCUBIN(program) + b"\0" if kind == "cubin" else nvrtc.getPTX(program)
    finally:
        nvrtc.destroyProgram(program)
    found = []
    for part in log.split("Compiling entry function '")[1:]:
        number = lambda pattern, part=part: int(m[1]) if (m := re.search(pattern, part)) else 0
        name = part.split("'")[0]
        found.append(
            Kernel(
                names.get(name, name),
                arch,
                number(r"Used (\d+) registers"),
                number(r"(\d+) bytes stack"),
                number(r"(\d+) bytes spill stores"),
                number(r"(\d+) bytes spill loads"),
                number(r"(\d+) bytes smem"),
            )
        )
    return binary, found
