"""Launching kernels: their source is compiled at the first launch; what CUDA does not check is checked here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from knetpy.devices import cupy

C = {"f": "float", "d": "double", "e": "__half"}  # C's name of a dtype, by NumPy's letter
BLOCK_LIMIT, GRID_LIMIT = 1024, (2**31 - 1, 65535, 65535)
SHARED = 48 << 10  # bytes of dynamic shared memory that every GPU has
WARPS = 4  # of a block in which each warp takes a row


class Module:
    """The kernels of the file `family`.cu; called, it launches one of them.

    instances: every kernel that may be launched, as C++ writes it, such as "rows<float, 4>"; compiled together.
    headers: files that it needs beside common.h.
    """

    def __init__(self, family: str, instances: Sequence[str], headers: Sequence[str] = ()):
        self.family, self.instances, self.headers = family, tuple(instances), ("common.h", *headers)
        self._kernels: dict[tuple[int, str], Any] = {}  # by device, as code is loaded into one

    @property
    def source(self) -> str:
        """The whole text that is compiled: CuPy does not notice changes of included files."""
        return "".join([f'#line 1 "{name}"\n{_text(name)}' for name in (*self.headers, f"{self.family}.cu")])

    def __call__(self, kernel: str, blocks: int | tuple[int, ...], threads: int, *args: Any, shared: int = 0) -> None:
        """Launch `kernel` on `blocks` blocks of `threads` threads with `shared` bytes of dynamic shared memory.

        args: arrays on the GPU in C order, None for a null pointer, Python integers, and NumPy scalars.
        """
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        if not 0 < threads <= BLOCK_LIMIT or any([not 0 < n <= most for n, most in zip(grid, GRID_LIMIT)]):
            raise ValueError(
                f"{self.family}.{kernel}: {grid} blocks of {threads} threads are more than a GPU can start"
            )
        for a in args:
            if hasattr(a, "flags") and not isinstance(a, np.generic) and not a.flags.c_contiguous:
                raise ValueError(f"{self.family}.{kernel}: an array of shape {a.shape} is not in C order")
        function = self._kernels.get((_current(), kernel)) or self._load(kernel)
        if shared > SHARED:
            function.max_dynamic_shared_size_bytes = shared
        function(grid, (threads,), args, shared_mem=shared)

    def _load(self, kernel: str) -> Any:
        if kernel not in self.instances:
            raise KeyError(f"{self.family}: no kernel {kernel} among {self.instances}")
        function = self._kernels[_current(), kernel] = self._compiled(_current()).get_function(kernel)
        return function

    @cache  # noqa: B019  # modules live as long as the program
    def _compiled(self, device: int) -> Any:
        return cupy().RawModule(code=self.source, options=("-std=c++17",), name_expressions=self.instances)


@cache
def _text(name: str) -> str:
    return files("knetpy.kernels.cuda").joinpath(name).read_text(encoding="utf-8")


def _current() -> int:
    return cupy().cuda.Device().id


def instances(pattern: str, **choices: Sequence) -> list[str]:
    """Every way to fill the {names} of a pattern with its choices.

    >>> instances("rows<{T}, {n}>", T=["float", "double"], n=[1])
    ['rows<float, 1>', 'rows<double, 1>']
    """
    found = [pattern]
    for name, values in choices.items():
        found = [text.replace("{" + name + "}", str(value)) for text in found for value in values]
    return found


def blocks_for(items: int, each: int) -> int:
    """How many blocks do `items` if each does `each`."""
    return -(-items // each)


def dense(x: Any) -> Any:
    """The array itself if it is in C order, else a copy that is."""
    return x if x.flags.c_contiguous else cupy().ascontiguousarray(x)


def empty(shape: Any, dtype: Any) -> Any:
    """Memory for a result."""
    return cupy().empty(shape, dtype)
