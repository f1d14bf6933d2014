"""Launching kernels: their source is compiled at the first launch; what CUDA does not check is checked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib.resources import files
from typing import Any

import numpy as np

from knetpy.devices import cupy, on_gpu
from knetpy.graphs import capture

TOGETHER = False  # whether all kernels of a family are compiled at once: for a compiler that is slow to start

C = {"f": "float", "d": "double", "e": "Half"}  # C's name of a dtype, by NumPy's letter
BLOCK_LIMIT, GRID_LIMIT = 1024, (2**31 - 1, 65535, 65535)
SHARED = 47 << 10  # bytes of dynamic shared memory that every GPU has, beside up to 1 KiB that a kernel declares
KEPT = 63 << 10  # bytes that a block may keep of its row: every GPU has 64 KiB, of which sums need some
KEPT_OF_COLUMNS = 24 << 10  # and one of THREADS threads with a column each: so that several have room
WARPS = 4  # of a block in which each warp takes a row
THREADS = 128  # of a block in which as many neighbours take a row as `lanes_of` says
SHORT = 32  # rows from which on they are summed, not columns
PART, ROWS = 8192, 256  # elements of a row, rows of a column, that a block sums: as in sums.h


class Module:
    """The kernels of the file `family`.cu; called, it launches one of them.

    instances: every kernel that may be launched, in C++, such as "rows<float, 4>". Each is compiled when it is needed.
    headers: files of what it shares with other families, besides common.h. code: the text itself, where it is made by a
      program. options: further ones of the compiler.
    """

    def __init__(
        self, family: str, instances: Sequence[str], *headers: str, code: str = "", options: tuple[str, ...] = ()
    ):
        self.family, self.instances, self._options = family, tuple(instances), options
        self._headers, self._code = ("common.h", *headers), code
        self._kernels: dict[tuple[int, str], Any] = {}  # by device, as code is loaded into one

    @property
    def source(self) -> str:
        """The whole text that is compiled: CuPy does not notice changes of included files."""
        own = f"{self.family}.cu"
        parts = [*[(name, _text(name)) for name in self._headers], (own, self._code or _text(own))]
        return "".join([f'#line 1 "{name}"\n{text}' for name, text in parts])

    def __call__(self, kernel: str, blocks: int | tuple[int, ...], threads: int, *args: Any, shared: int = 0) -> None:
        """Launch `kernel` on `blocks` blocks of `threads` threads with `shared` bytes of dynamic shared memory.

        args: arrays on the GPU in C order, None for a null pointer, Python integers, and NumPy scalars.
        """
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        if not 0 < threads <= BLOCK_LIMIT or any([not 0 < n <= most for n, most in zip(grid, GRID_LIMIT)]):
            asked, most = (" x ".join(map(str, sizes)) for sizes in (grid, GRID_LIMIT))
            shapes = ", ".join([str(a.shape) for a in args if on_gpu(a)])
            raise ValueError(
                f"{self.family}.{kernel}: {asked} blocks of {threads} threads, for arrays of shapes {shapes}, are more "
                f"than a GPU can start, {most} of {BLOCK_LIMIT}; take the arrays in parts"
            )
        for a in args:
            if a.__class__ is float or (a.__class__ is np.ndarray and a.dtype.names is None):  # but a struct
                raise TypeError(f"{self.family}.{kernel}: {a!r:.60} must be on the GPU, or a number of NumPy's")
            if hasattr(a, "flags") and not isinstance(a, np.generic) and not a.flags.c_contiguous:
                raise ValueError(f"{self.family}.{kernel}: an array of shape {a.shape} is not in C order")
        function = self._kernels.get((_current(), kernel)) or self._load(kernel)
        if shared > SHARED:
            function.max_dynamic_shared_size_bytes = shared
        into = capture()
        if into:
            into.keep(args)
        function(grid, (threads,), args, shared_mem=shared)

    def _load(self, kernel: str) -> Any:
        if kernel not in self.instances:
            raise KeyError(f"{self.family}: no kernel {kernel} among {self.instances}")
        function = self._kernels[_current(), kernel] = self._compiled(
            _current(), self.instances if TOGETHER else (kernel,)
        ).get_function(kernel)
        return function

    @cache  # noqa: B019  # modules live as long as the program
    def _compiled(self, device: int, kernels: tuple[str, ...]) -> Any:
        return cupy().RawModule(code=self.source, options=("-std=c++17", *self._options), name_expressions=kernels)


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


def lanes_of(columns: int) -> int:
    """How many threads take a row of so many columns: a power of two."""
    return min(THREADS, 1 << (columns - 1).bit_length())


def tasks(rows: int, size: int) -> tuple[int, int, int]:
    """How rows are summed by sums.h: (threads that take a row or a part of it, blocks of 256, parts).

    >>> tasks(20, 100), tasks(20, 9000)
    ((32, 3, 1), (256, 40, 2))
    """
    parts = blocks_for(size, PART)
    return (32, blocks_for(rows, 8), 1) if size <= 1024 else (256, rows * parts, parts)


def kept_of(size: int, each: int, room: int = KEPT) -> tuple[int, int]:
    """(how many of `size` elements, of which a block has `each` bytes, fit into so much shared memory, their bytes).

    >>> kept_of(1000, 4), kept_of(10**6, 8)
    ((1000, 4000), (8064, 64512))
    """
    kept = min(size, room // each)
    return kept, kept * each


def threads_for(size: int) -> int:
    """How many threads a block has that takes a long row."""
    return 256 if size <= 4096 else 1024


def dense(x: Any) -> Any:
    """The array itself if it is in C order, else a copy that is."""
    return x if x.flags.c_contiguous else cupy().ascontiguousarray(x)


def empty(shape: Any, dtype: Any) -> Any:
    """Memory for a result."""
    return cupy().empty(shape, dtype)


def numbers(x: Any) -> Any:
    """Integers as kernels read them: 64 bits each, in C order, on the device wherever they came from."""
    return dense(cupy().asarray(x, np.int64))


def widened(launch: Callable) -> Callable:
    """Decorate what launches kernels of float32 and float64: float16 goes in as float32 and comes out as float16."""

    @wraps(launch)
    def serve(*args: Any, **options: Any) -> Any:
        if not any([getattr(a, "dtype", None) == np.float16 for a in args]):
            return launch(*args, **options)
        y = launch(*map(_wide, args), **{name: _wide(a) for name, a in options.items()})
        return tuple(map(_narrow, y)) if isinstance(y, tuple) else _narrow(y)

    return serve


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float16 else x


def _narrow(x: Any) -> Any:
    return x.astype(np.float16) if getattr(x, "dtype", None) == np.float32 else x
