"""What a hostile caller passes: arrays of every kind, things that are no arrays, objects whose methods turn on us."""

import gc
import itertools
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from tempfile import TemporaryFile

import numpy as np

import knetpy as kn

# ------------------------------------------------------------------- the same numbers, kept in another way


def _unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    out = raw[1 : 1 + x.nbytes].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def _mapped(x):
    with TemporaryFile() as file:
        out = np.memmap(file, x.dtype, "w+", shape=x.shape or 1) if x.size else x.copy()
    out[...] = x
    return out.reshape(x.shape)


def _frozen(x):
    out = x.copy()
    out.flags.writeable = False
    return out


def _backwards(x):
    turned = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[turned])[turned]


def _spread(x):
    out = np.zeros([2 * n + 1 for n in x.shape], x.dtype)[tuple(slice(0, 2 * n, 2) for n in x.shape)]
    out[...] = x
    return out


class Subclass(np.ndarray):
    """A subclass that changes nothing."""


SAME = {  # a call with one of these must give what it gives with the array itself
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder("S")),
    "Fortran": lambda x: np.asfortranarray(x),
    "backwards": _backwards,
    "spread": _spread,
    "unaligned": _unaligned,
    "mapped": _mapped,
    "read-only": _frozen,
    "param": lambda x: kn.param(x) if x.dtype.kind == "f" else x,
}

# ---------------------------------------------------------------------------------- other arrays like x


def _of(dtype):
    def made(x):
        with np.errstate(all="ignore"):
            return np.nan_to_num(x.real).astype(dtype)

    return made


def _filled(number):
    return lambda x: np.full_like(x, number) if x.dtype.kind in "fc" else np.full(x.shape, number)


def _one(number):
    def made(x):
        out = np.array(x, np.result_type(x.dtype, np.float16) if x.dtype.kind in "biu" else x.dtype)
        out.reshape(-1)[:1] = number
        return out

    return made


def _structured(x):
    out = np.zeros(x.shape, [("a", "f4"), ("b", "i4")])
    out["a"] = x.real
    return out


def _matrix(x):
    return x.reshape(x.shape[0] if x.ndim else 1, -1).view(np.matrix)


HUGE = 1 << 40

LIKE = {
    "subclass": lambda x: x.copy().view(Subclass),
    **{f"as {d}": _of(d) for d in "f2 f4 f8 g i1 i4 i8 u1 u8 ? c8 c16 O S4 U4 V8 m8[s] M8[s]".split()},
    "structured": _structured,
    "of None": lambda x: np.full(x.shape, None),
    "NaN": _filled(np.nan),
    "Inf": _filled(np.inf),
    "-Inf": _filled(-np.inf),
    "one NaN": _one(np.nan),
    "one Inf": _one(np.inf),
    "1e4": _filled(1e4),
    "tiny": _filled(1e-40),
    "negative": lambda x: -x if x.dtype.kind in "fi" else x,
    "zeros": np.zeros_like,
    "empty first": lambda x: x[:0],
    "empty last": lambda x: x[..., :0],
    "empty": lambda x: np.zeros(0, x.dtype),
    "0-d": lambda x: np.zeros((), x.dtype),
    "one more axis": lambda x: x[None],
    "one axis more last": lambda x: x[..., None],
    "one axis less": lambda x: x[0] if x.ndim and len(x) else x,
    "flat": lambda x: x.reshape(-1),
    "turned": lambda x: x.T,
    "longer": lambda x: np.concatenate([x, x]) if x.ndim else x,
    "wider": lambda x: np.concatenate([x, x], -1) if x.ndim else x,
    "ten axes": lambda x: np.zeros((1,) * 10, x.dtype),
    "64 axes": lambda x: np.zeros((1,) * 64, x.dtype),
    "2**40 long": lambda x: np.broadcast_to(x[:1], (HUGE, *x.shape[1:])) if x.ndim else np.broadcast_to(x, HUGE),
    "2**40 wide": lambda x: np.broadcast_to(x[..., :1], (*x.shape[:-1], HUGE)) if x.ndim else x,
    "of strides 0": lambda x: np.broadcast_to(x.reshape(-1)[:1], (x.size,)).reshape(-1)[: x.size] if x.size else x,
    "masked": lambda x: np.ma.masked_array(x, x > 0),
    "matrix": _matrix,
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(x.tolist()) if x.ndim else x.item(),
    "list of arrays": lambda x: list(x) if x.ndim else [x],
    "memoryview": lambda x: memoryview(np.ascontiguousarray(x)),
    "escaped": lambda x: _escaped(x),
}


def _escaped(x):
    kept = []
    kn.grad(lambda x: kept.append(x) or np.sum(x), 0)(np.ones(x.shape))
    return kept[0]


def _foreign(library, make):
    """An array of another library, or, where that is not installed, an object much like it."""
    if find_spec(library):
        return lambda x: make(import_module(library), x)
    return lambda x: type(library, (), {"shape": x.shape, "dtype": x.dtype, "__array__": lambda self, *a, **k: x})()


LIKE["pandas series"] = _foreign("pandas", lambda pandas, x: pandas.Series(x.reshape(-1)))
LIKE["pandas frame"] = _foreign("pandas", lambda pandas, x: pandas.DataFrame(x.reshape(len(x) if x.ndim else 1, -1)))
LIKE["torch"] = _foreign("torch", lambda torch, x: torch.tensor(np.ascontiguousarray(x)))
LIKE["torch in use"] = _foreign("torch", lambda torch, x: torch.tensor(np.asarray(x, "f4"), requires_grad=True))

# ------------------------------------------------------------------------------------------ no arrays at all


class Boom(Exception):
    """What hostile methods raise: the caller's own exception, which may pass."""


def _boom(*args, **options):
    raise Boom("from a hostile object")


def _object(**methods):
    """An object of a class with these methods."""
    return lambda: type("Hostile", (), methods)()


def _itself():
    return type("Hostile", (), {"__array__": lambda self, *a, **k: self})()


def _reenter(self, *args, **options):
    kn.grad(lambda x: np.sum(kn.softmax(x)), 0)(np.ones(3))
    return np.ones((2, 3), np.float32)


class Sequence:
    """Says that it is longer than it is."""

    def __init__(self, length, item):
        self.length, self.item = length, item

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return self.item(i)


class Changing:
    """Another number whenever it is asked for one."""

    def __init__(self):
        self.begin_anew()

    def begin_anew(self):
        self.numbers = itertools.count(1)

    def __index__(self):
        return next(self.numbers)


class ChangingShape(Changing):
    """Another array whenever it is asked for one."""

    __index__ = None

    def __array__(self, *args, **options):
        return np.ones((next(self.numbers), 2))


def _nested():
    x = []
    x.append(x)
    return x


def _deep():
    x = 1.0
    for _ in range(100):
        x = [x]
    return x


OBJECTS = {
    **{repr(x)[:20]: (lambda x=x: x) for x in (
        None, True, False, 0, 1, -1, 2, 5, -7, 2**31, 2**63, 10**30, -(10**30), 0.5, 2.0, -0.5, float("nan"),
        float("inf"), 1e300, 1j, "", "abc", "mean", b"x", (), [], {}, (1, 2), [0, 1], (-1, -2), (0, 0), (None, None),
        (1.5, 2), [[1], [2, 3]], {"a": 1}, {1, 2}, ..., slice(1, 2), range(3), Decimal("1.5"), Fraction(1, 3),
        NotImplemented, "1", "0.5", [None], ["a"], [1, "a"], [True, False], (1, 1, 1, 1, 1, 1), ((1, 1), (1, 1)),
    )},
    "np.int64(1)": lambda: np.int64(1),
    "np.int8(-1)": lambda: np.int8(-1),
    "np.uint64": lambda: np.uint64(2**63),
    "np.float32(0.5)": lambda: np.float32(0.5),
    "np.float64(nan)": lambda: np.float64("nan"),
    "np.True_": lambda: np.True_,
    "np.datetime64": lambda: np.datetime64("2020-01-01"),
    "np.timedelta64": lambda: np.timedelta64(1, "s"),
    "np.str_": lambda: np.str_("mean"),
    "0-d array": lambda: np.array(1),
    "1-d array": lambda: np.array([1, 2]),
    "array of objects": lambda: np.array([1, "a", None], object),
    "object": object,
    "lambda": lambda: lambda *args: None,
    "function that raises": lambda: _boom,
    "generator": lambda: (i for i in range(3)),
    "endless": itertools.count,
    "module": lambda: np,
    "Param": lambda: kn.param([1.0, 2.0]),
    "0-d Param": lambda: kn.param(1.0),
    "list of itself": _nested,
    "deep list": _deep,
    "__array__ raises": _object(__array__=_boom),
    "__array__ is itself": _itself,
    "__array__ of other shapes": ChangingShape,
    "__array__ is a list": _object(__array__=lambda self, *a, **k: [1.0]),
    "__array__ is huge": _object(__array__=lambda self, *a, **k: np.broadcast_to(np.float32(1), (HUGE,))),
    "__array__ re-enters": _object(__array__=_reenter),
    "__array__ collects": _object(__array__=lambda self, *a, **k: (gc.collect(), np.ones((2, 3), "f4"))[1]),
    "__array_ufunc__ raises": _object(__array_ufunc__=_boom),
    "__array_ufunc__ None": _object(__array_ufunc__=None),
    "__array_function__ raises": _object(__array_function__=_boom),
    "__array_interface__ lies": _object(__array_interface__={"shape": (3,), "typestr": "<f4", "version": 3}),
    "__len__ raises": _object(__len__=_boom, __getitem__=lambda self, i: 1.0),
    "__len__ huge": lambda: Sequence(HUGE, lambda i: 1.0),
    "__len__ lies": lambda: Sequence(3, lambda i: [1.0, 2.0][i]),
    "__getitem__ raises": lambda: Sequence(3, _boom),
    "__iter__ raises": _object(__iter__=_boom),
    "__index__ raises": _object(__index__=_boom),
    "__index__ 1": _object(__index__=lambda self: 1),
    "__index__ -1": _object(__index__=lambda self: -1),
    "__index__ changes": Changing,
    "__index__ huge": _object(__index__=lambda self: HUGE),
    "__float__ raises": _object(__float__=_boom),
    "__bool__ raises": _object(__bool__=_boom),
    "__eq__ raises": _object(__eq__=_boom, __hash__=lambda self: 1),
    "__hash__ raises": _object(__hash__=_boom),
    "__repr__ raises": _object(__repr__=_boom),
    "__getattr__ raises": _object(__getattr__=_boom),
    "shape and dtype lie": _object(shape=(2, 3), dtype=np.dtype("f4"), ndim=2, size=6),
    "dtype is a word": _object(shape=(2, 3), dtype="float32"),
    "callable that raises": _object(__call__=_boom),
}  # fmt: skip


class Meddler:
    """An index, array, length that changes the other arguments of the call whenever it is asked for anything."""

    def __init__(self, others, answer):
        self.others = [a for a in others if type(a) is np.ndarray and a.flags.writeable and a.dtype.kind in "iuf"]
        self.answer = answer

    def _meddle(self):
        for a in self.others:
            if a.flags.writeable:
                a[...] = 10**6 if a.dtype.itemsize > 2 else 100

    def __array__(self, dtype=None, copy=None):
        self._meddle()
        return np.array(self.answer)

    def __index__(self):
        self._meddle()
        return 1

    def __float__(self):
        self._meddle()
        return 0.5

    def __len__(self):
        self._meddle()
        return 2

    def __bool__(self):
        self._meddle()
        return True

    def __eq__(self, other):
        self._meddle()
        return True

    __hash__ = None
