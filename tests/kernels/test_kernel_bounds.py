"""No kernel touches what is not its own: every array lies at an end of memory that must not be touched beyond it.

NumPy's memory comes from here for inputs, results, tables and scratch alike: fresh memory holds NaN, inputs cannot be
written, freed memory is gone. A process of its own dies where a kernel leaves its arrays; its last words tell where.
"""

import ctypes
import mmap
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module

import numpy as np
import pytest

from knetpy import settings
from knetpy.kernels import dispatch, kernel

FAMILIES = {}  # by name: a function of a generator and a dtype that yields (name of a kernel, arguments, options)
DRAWN = 12  # of each


def reason():
    """Why this cannot be tested here."""
    if sys.platform == "win32" or not hasattr(ctypes.CDLL(None), "mprotect"):
        return "there is no mprotect"
    return dispatch._no_numba()


@pytest.mark.skipif(bool(reason()), reason=reason() or "-")
@pytest.mark.parametrize("side", ["begin", "end"])
def test_kernels_stay_within_their_arrays(side):
    done = subprocess.run([sys.executable, __file__, side], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr[-2000:]}"


def rows_apart(rng):
    """Matrices with an axis of one before their rows, which are not as far apart as it seems from that axis."""
    return "matmul", "matmul", (rng.normal(size=(3, 1, 4, 128))[:, :, :2], rng.normal(size=(128, 200))), {}


def beside_its_end(rng):
    """One-element windows that meet padding, but only behind x."""
    x, dy = rng.normal(size=(2, 2, 6, 10)), rng.normal(size=(2, 4, 7, 10))
    options = {"stride": (1, 1), "padding": ((0, 1), (0, 0)), "dilation": (1, 1), "groups": 1}
    return "conv", "conv_dw", (x, dy), {"window": (1, 1), **options}


def turned_mask(rng):
    q, k, v = (rng.normal(size=(n, 5)) for n in (33, 65, 65))
    options = {"mask": np.asfortranarray(rng.random((33, 65)) < 0.7), "causal": False, "scale": 1.0}
    return "attention", "attention", (q, k, v, None), options


def channels_before_groups(rng):
    """Channels of a group that lie further apart in memory than groups."""
    x, dy = rng.normal(size=(2, 8, 3, 9, 9)).transpose(0, 2, 1, 3, 4), rng.normal(size=(2, 3, 8, 9, 9))
    scale, stats = rng.normal(size=(1, 3, 8, 1, 1)), 1 + rng.random((2, 3, 1, 1, 1))
    options = {"axes": (2, 3, 4), "affine": scale.shape, "eps": 1e-5}
    return "norm", "norm_dx", (dy, x, stats, stats, scale), options


def more_rows_than_a_task_has(rng):
    given = [rng.normal(size=size).astype("f") for size in ((1, 389, 80), (2, 389, 20), (20, 80))]
    return "rnn", "rnn", (*given, None), {"cell": "lstm", "reverse": False, "lengths": None}


@pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())
@pytest.mark.parametrize(
    "problem", [rows_apart, beside_its_end, turned_mask, channels_before_groups, more_rows_than_a_task_has]
)
def test_layouts_that_led_astray(problem, monkeypatch):
    monkeypatch.setattr(settings, "_threads", 1)
    name, function, given, options = problem(np.random.default_rng(0))
    compare(kernel(name, function)(*given, **options), reference(name, function)(*given, **options), 1e-4)


def reference(name, function):
    return getattr(import_module(f"knetpy.kernels.reference.{name}"), function)


def compare(ours, wanted, tolerance):
    for x, y in zip(arrays(ours), arrays(wanted), strict=True):
        scale = np.max(np.abs(y), initial=1, where=np.isfinite(y))
        np.testing.assert_allclose(x, np.broadcast_to(y, x.shape), rtol=tolerance, atol=tolerance * scale)


def arrays(given):
    if isinstance(given, (list, tuple)):
        return [array for x in given for array in arrays(x)]
    return [] if given is None else [given]


# ------------------------------------------------------------------------------------------------------- memory

Pointer, Size = ctypes.c_void_p, ctypes.c_size_t
PAGE = mmap.PAGESIZE
NOTHING, READ, WRITE = 0, 1, 3  # what mprotect allows
SET_HANDLER = 304  # its number in NumPy's C API


class Handler(ctypes.Structure):
    """PyDataMem_Handler of NumPy's C API: where the memory of arrays comes from."""

    _fields_ = [
        *(("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", Pointer)),
        ("malloc", ctypes.CFUNCTYPE(Pointer, Pointer, Size)),
        ("calloc", ctypes.CFUNCTYPE(Pointer, Pointer, Size, Size)),
        ("realloc", ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, Size)),
        ("free", ctypes.CFUNCTYPE(None, Pointer, Pointer, Size)),
    ]


class Memory:
    """Arrays that lie at the begin or at the end of pages of their own, with a page beyond that must not be touched."""

    def __init__(self, side):
        self.side, self.rooms = side, {}
        self.libc, api = ctypes.CDLL(None, use_errno=True), ctypes.pythonapi
        self.libc.mmap.restype = api.PyCapsule_GetPointer.restype = Pointer
        self.libc.mmap.argtypes = [Pointer, Size, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        self.libc.mprotect.argtypes, self.libc.munmap.argtypes = [Pointer, Size, ctypes.c_int], [Pointer, Size]
        functions = dict(Handler._fields_)
        mine = [functions[name](getattr(self, name)) for name in ("malloc", "calloc", "realloc", "free")]
        self.handler = Handler(b"guarded", 1, None, *mine)
        api.PyCapsule_New.restype, api.PyCapsule_New.argtypes = ctypes.py_object, [Pointer, ctypes.c_char_p, Pointer]
        self.capsule = api.PyCapsule_New(ctypes.addressof(self.handler), b"mem_handler", None)
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        table = api.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)
        table = ctypes.cast(table, ctypes.POINTER(Pointer))
        self.serve = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])

    def malloc(self, _, size):
        room = max(1, -(-size // PAGE)) * PAGE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        first = self.libc.mmap(None, room + 2 * PAGE, NOTHING, flags, -1, 0) + PAGE
        self.libc.mprotect(first, room, WRITE)
        at = first + room - size if self.side == "end" else first
        ctypes.memset(at, 0xFF, size)
        self.rooms[at] = first, room
        return at

    def calloc(self, _, count, size):
        at = self.malloc(_, count * size)
        return ctypes.memset(at, 0, count * size)

    def realloc(self, _, at, size):
        new = self.malloc(_, size)
        first, room = self.rooms[at]
        ctypes.memmove(new, at, min(size, first + room - at))
        self.free(_, at, 0)
        return new

    def free(self, _, at, size):
        first, room = self.rooms.pop(at)
        self.libc.munmap(first - PAGE, room + 2 * PAGE)

    @contextmanager
    def used(self):
        """In this block NumPy's arrays lie here."""
        before = self.serve(self.capsule)
        yield
        self.serve(before)

    def locked(self, x):
        """A copy of x with the same strides, without memory around it, that nobody can write."""
        span = [(n - 1) * stride for n, stride in zip(x.shape, x.strides)]
        low, high = sum(s for s in span if s < 0), sum(s for s in span if s > 0) + x.itemsize
        memory = np.empty(high - low, np.uint8)
        y = np.ndarray(x.shape, x.dtype, memory, -low, x.strides)
        y[...] = x
        first, room = self.rooms[memory.__array_interface__["data"][0]]
        self.libc.mprotect(first, room, READ)
        y.flags.writeable = False
        return y


def each_array(given, f):
    """What is given, with f(x) for its arrays."""
    if isinstance(given, (list, tuple)):
        return type(given)(each_array(x, f) for x in given)
    return f(given) if isinstance(given, np.ndarray) else given


# -------------------------------------------------------------------------------------------------------- cases


def family(draw):
    FAMILIES[draw.__name__] = draw
    return draw


def size(rng, most=130):
    """Sizes near those of vectors and of blocks, and others."""
    return int(rng.choice([n for n in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 97, 129) if n <= most]))


def drawn(rng, shape, dtype):
    """An array in some order of memory, with or without gaps."""
    x, axes = rng.standard_normal(shape).astype(dtype), rng.permutation(len(shape))
    kind = rng.integers(4)
    if kind == 1:
        return np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    if kind == 2 and x.ndim:
        return np.repeat(x, 2, axis=axes[0])[(slice(None),) * axes[0] + (slice(None, None, 2),)]
    if kind == 3 and x.ndim:
        turned = (slice(None),) * axes[0] + (slice(None, None, -1),)
        return x[turned].copy()[turned]
    return x


@family
def matmul(rng, dtype):
    m, k, n = size(rng), size(rng), size(rng)
    lead = [(), (3, 1), (2,)][rng.integers(3)]
    b = (*lead, k, n) if rng.integers(2) else (k, n)
    yield "matmul", (drawn(rng, (*lead, m, k), dtype), drawn(rng, b, dtype)), {"bias": drawn(rng, (n,), dtype)}


@family
def conv(rng, dtype):
    axes, groups = rng.integers(1, 4), int(rng.choice([1, 1, 1, 5]))
    window, stride, dilation, before, after, more = rng.integers(1, 4, (6, axes))
    before, after = np.minimum(before, window) - 1, after - 1
    out = more * (4 if axes < 3 else 1)
    inner = (out - 1) * stride + (window - 1) * dilation + 1 - before - after
    options = {"stride": tuple(stride.tolist()), "dilation": tuple(dilation.tolist()), "groups": groups}
    options["padding"] = tuple(zip(before.tolist(), (after + np.maximum(0, 1 - inner)).tolist()))
    inner, window = tuple(np.maximum(1, inner).tolist()), tuple(window.tolist())
    n, c, o = size(rng, 3), size(rng, 33) * groups, size(rng, 33) * groups
    x, w = drawn(rng, (n, c, *inner), dtype), drawn(rng, (o, c // groups, *window), dtype)
    out = [(s + sum(p) - d * (k - 1) - 1) // t + 1 for s, p, d, k, t in zip(
        inner, options["padding"], options["dilation"], window, options["stride"])]  # fmt: skip
    dy = drawn(rng, (n, o, *out), dtype)
    yield "conv", (x, w, drawn(rng, (o,), dtype)), options
    yield "conv_dx", (dy, w), {**options, "size": inner}
    yield "conv_dw", (x, dy), {**options, "window": window}


@family
def norm(rng, dtype):
    shape = tuple(size(rng, 17) for _ in range(rng.integers(2, 5)))
    axes, affine = [((0, *range(2, len(shape))), 1), (range(1, len(shape)), len(shape) - 1)][rng.integers(2)]
    like = [n if a == affine else 1 for a, n in enumerate(shape)]
    stats = [1 if a in axes else n for a, n in enumerate(shape)]
    options = {"axes": tuple(axes), "eps": 1e-5, "relu": bool(rng.integers(2))}
    x, scale, bias = drawn(rng, shape, dtype), drawn(rng, like, dtype), drawn(rng, like, dtype)
    yield "norm", (x, scale, bias, drawn(rng, shape, dtype)), options
    given = drawn(rng, shape, dtype), x, rng.random(stats), 1 + rng.random(stats), scale, bias
    yield "norm_dx", given, {**options, "affine": tuple(like)}


@family
def attention(rng, dtype):
    L, S, D, E = size(rng), size(rng), size(rng, 33), size(rng, 33)
    q, k, v = drawn(rng, (2, L, D), dtype), drawn(rng, (2, S, D), dtype), drawn(rng, (2, S, E), dtype)
    bias = drawn(rng, [(L, S), (1, S), (2, L, S)][rng.integers(3)], dtype)
    options = {"mask": drawn(rng, (L, S), dtype) < 1, "causal": bool(rng.integers(2)), "scale": D**-0.5}
    yield "attention", (q, k, v, bias), options
    given = drawn(rng, (2, L, E), dtype), drawn(rng, (2, L, E), dtype), q, k, v, bias
    yield "attention_dx", (*given, drawn(rng, (2, L, 1), dtype), 1 + rng.random((2, L, 1)).astype(dtype)), options


@family
def rnn(rng, dtype):
    cell, gates, states, kept = [("lstm", 4, 2, 5), ("gru", 3, 1, 4), ("rnn_tanh", 1, 1, 1)][rng.integers(3)]
    steps, batch, wide, inputs = rng.integers(1, 4), size(rng, 17), size(rng, 33), size(rng, 33)
    options = {"cell": cell, "reverse": bool(rng.integers(2)), "lengths": rng.integers(0, steps + 1, batch)}
    wh, bh = drawn(rng, (wide, gates * wide), dtype), drawn(rng, (gates * wide,), dtype) if cell == "gru" else None
    state = drawn(rng, (states, batch, wide), dtype)
    given = drawn(rng, (steps, batch, inputs), dtype), state, wh, bh
    yield "rnn", given, {**options, "wx": drawn(rng, (inputs, gates * wide), dtype)}
    before = drawn(rng, (steps, states, batch, wide), dtype), drawn(rng, (steps, kept, batch, wide), dtype)
    yield "rnn_back", (drawn(rng, (steps, batch, wide), dtype), state, wh, *before), options


@family
def softmax(rng, dtype):
    shape = tuple(size(rng, 65) for _ in range(rng.integers(1, 4)))
    for name in ("softmax", "logsoftmax"):
        yield name, (drawn(rng, shape, dtype),), {"axis": int(rng.integers(len(shape)))}
    yield "softmax_dx", (drawn(rng, shape, dtype), drawn(rng, shape, dtype)), {"axis": 0}


@family
def nll(rng, dtype):
    n, classes, more = size(rng, 33), size(rng), size(rng, 17)
    labels, smoothing = rng.integers(0, classes, (n, 1, more)), {"axis": 1, "smoothing": 0.1}
    yield "nll", (drawn(rng, (n, classes, more), dtype), labels), smoothing
    given = drawn(rng, (n, 1, more), dtype), drawn(rng, (n, classes, more), dtype), labels
    yield "nll_dx", given, {"axis": 1, "weight": rng.random(classes).astype(dtype)}


@family
def bias(rng, dtype):
    shape, activation = (size(rng, 17), size(rng), size(rng, 65)), ["relu", "gelu", "tanh"][rng.integers(3)]
    axis = int(rng.integers(3))
    values = drawn(rng, (shape[axis],), dtype)
    yield "forward", (drawn(rng, shape, dtype), values, activation), {"axis": axis}
    yield "back", (drawn(rng, shape, dtype), drawn(rng, shape, dtype), activation, None), {"axis": axis}


@family
def activation(rng, dtype):
    shape = size(rng), size(rng, 33)
    yield "gelu", (drawn(rng, shape, dtype),), {}
    yield "elu_dx", (drawn(rng, shape, dtype), drawn(rng, shape, dtype), 1.0, 0.5, 2.0), {}


@family
def reduce(rng, dtype):
    shape = size(rng), size(rng), 9
    for axes in ((0,), (2,), (0, 1), (1, 2)):
        yield "sum", (drawn(rng, shape, dtype), axes), {}


@family
def pool(rng, dtype):
    n, c, h, w, k, s = 2, size(rng), *rng.integers(3, 12, 2), *rng.integers(1, 4, 2).tolist()
    options = {"window": (k, k), "stride": (s, s), "padding": ((0, k - 1), (k // 2, 0)), "dilation": (1, 1)}
    yield "maxpool", (drawn(rng, (n, c, h, w), dtype),), options
    yield "meanpool", (drawn(rng, (n, c, h, w), dtype),), {**options, "counted": ((0, 0), (0, 0))}


@family
def embed(rng, dtype):
    rows, width, numbers = size(rng), size(rng), rng.integers(0, 9, (5, size(rng))) % 9
    yield "embed", (drawn(rng, (max(rows, 9), width), dtype), numbers), {}
    yield "embed_dw", (drawn(rng, (*numbers.shape, width), dtype), numbers), {"rows": 9}


@family
def scatter(rng, dtype):
    a, n, b, m = (size(rng, 33) for _ in range(4))
    index = rng.integers(0, n, (a, m, b))
    yield "take_along", (drawn(rng, (a, n, b), dtype), index), {}
    yield "add_along", (drawn(rng, (a, m, b), dtype), index), {"size": n}


@family
def grid(rng, dtype):
    n, c, p = size(rng, 5), size(rng, 33), size(rng, 33)
    weights, index = drawn(rng, (n, p, 4), dtype), rng.integers(-1, 6, (n, p, 4))
    yield "blend", (drawn(rng, (n, c, 2, 3), dtype), weights, index), {}
    yield "blend_dx", (drawn(rng, (n, c, p), dtype), weights, index), {"size": (2, 3)}
    yield "blend_dw", (drawn(rng, (n, c, p), dtype), drawn(rng, (n, c, 2, 3), dtype), index), {}


@family
def dropout(rng, dtype):
    shape = size(rng), 3 * size(rng)
    yield "dropout", (drawn(rng, shape, dtype), 0.5, shape, 1, 2, 3), {}


@family
def optim(rng, dtype):
    def formula(w, g, m, rate):
        return w - rate * (m + g), m + g

    shapes = [(size(rng), size(rng)) for _ in range(3)]
    rows = [tuple(rng.standard_normal(shape).astype(dtype) for _ in range(3)) for shape in shapes]
    yield "step", (rows[0][0], rows, [(0.5,)] * 3, formula), {}


# ------------------------------------------------------------------------------------------------------ process


def main(side):
    """Call all kernels, also for few elements, which NumPy would serve."""
    from knetpy.kernels.cpu import elementwise, reduce, winograd
    from knetpy.kernels.cpu import matmul as products

    products.BLAS = elementwise.SMALL = reduce.LARGE = winograd.CHANNELS = 0
    winograd.SAVED = -(10**9)
    settings.set_threads(1)
    memory = Memory(side)
    for name, draw in FAMILIES.items():
        for seed in range(DRAWN):
            dtype = (np.float32, np.float64)[seed % 2]
            for function, given, options in draw(np.random.default_rng(seed), dtype):
                print(name, function, seed, each_array(given, np.shape), options, flush=True)
                check(memory, name, function, given, options, 1e-3 if dtype is np.float32 else 1e-9)


def check(memory, name, function, given, options, tolerance):
    """Compare a kernel's result with the reference's; that of "step" is in its arguments."""
    with np.errstate(all="ignore"), memory.used():
        mine = each_array(given, np.array if function == "step" else memory.locked)
        options = {key: each_array(x, memory.locked) for key, x in options.items()}
        ours, wanted = kernel(name, function)(*mine, **options), reference(name, function)(*given, **options)
        compare(*((mine[1], given[1]) if function == "step" else (ours, wanted)), tolerance)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # what lies in this memory cannot outlive Python
