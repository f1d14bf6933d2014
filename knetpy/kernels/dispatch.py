"""From the class of an array to the function that serves it, decided at the first call and remembered."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import CodeType
from typing import Any

import numpy as np

from .. import settings
from ..devices import is_gpu_class

_kernels: dict[str, _Table] = {}  # by "family.name"
_calls: set[CodeType] = set()  # the code of what `kernel` returns
launched: dict[str, set[str]] = {}  # by "family.name" on a GPU: which of several kernels have been launched
FACTORS = ("off", "float16", "tf32", "bfloat16")


@cache
def kernel(family: str, name: str) -> Callable:
    """The function that serves a kernel on whatever backend its first argument belongs to.

    Parameters:
      family, name: text, the file and the function in it, such as "pool" and "take".
    Returns: a function of arrays; it finds the backend when it is called, and compiles when it is first needed.
    Raises: TypeError for what is no text; when it is called, ModuleNotFoundError or AttributeError for a kernel that
      does not exist.

    >>> from knetpy.kernels import kernel
    >>> kernel("pool", "take").__name__
    'take'
    """
    if not (isinstance(family, str) and isinstance(name, str)):
        raise TypeError(f'kernel: family and name must be texts such as "pool" and "take", got {family!r} and {name!r}')
    table = _kernels[f"{family}.{name}"] = _Table(family, name)

    def call(*args: Any, **options: Any) -> Any:  # a parameter of its own for args[0] would cost a third more
        return table[args[0].__class__](*args, **options)

    call.__name__ = call.__qualname__ = name
    _calls.add(call.__code__)
    return call


def caller() -> str:
    """Return the "family.name" whose call is under way in this thread, "" if there is none."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code not in _calls:
        frame = frame.f_back  # type: ignore[assignment]
    return "" if frame is None else frame.f_locals["table"].name


class _Table(dict):
    """From classes to functions; a class that is not there is looked up once."""

    def __init__(self, family: str, name: str):
        self.family, self.function, self.name = family, name, f"{family}.{name}"
        self.served: dict[str, tuple[Callable, str]] = {}  # by backend: the function, and why this backend

    def __missing__(self, cls: type) -> Callable:
        backend, reason = backend_of(cls)(self.family, self.function)
        function = getattr(import_module(f"knetpy.kernels.{backend}.{self.family}"), self.function)
        self.served[backend] = (function, reason)
        self[cls] = function
        return function


def backend_of(cls: type) -> Callable[[str, str], tuple[str, str]]:
    """Return what chooses a backend for arrays of class `cls`: (family, name) -> (backend, reason)."""
    if issubclass(cls, (np.ndarray, np.generic)):
        return _choose_cpu
    if is_gpu_class(cls):
        return _choose_cuda
    raise TypeError(f"expected an array of NumPy or CuPy, got {cls.__module__}.{cls.__qualname__}")


def _choose_cpu(family: str, name: str) -> tuple[str, str]:
    reason = _no_numba() or _lacks("cpu", family, name)
    return ("reference", reason) if reason else ("cpu", "")


def _choose_cuda(family: str, name: str) -> tuple[str, str]:
    reason = _lacks("cuda", family, name)
    return ("reference", f"{reason}: CuPy's functions") if reason else ("cuda", "")


def _no_numba() -> str:
    if os.environ.get("NUMBA_DISABLE_JIT", "") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set"
    try:
        import_module("numba")
    except ImportError as error:  # not installed, or too old for this NumPy: the message tells
        return f"numba: {error}"
    return ""


def _lacks(backend: str, family: str, name: str) -> str:
    module = f"knetpy.kernels.{backend}.{family}"
    found = find_spec(module) and hasattr(import_module(module), name)
    return "" if found else f"no {'Numba' if backend == 'cpu' else 'CUDA'} kernel"


class Status:
    """What serves each kernel: rows of (kernel, backend, state, compile seconds), printed as a table."""

    header = ("kernel", "backend", "state", "compile s")

    def __init__(self, rows: list[tuple[str, str, str, float]], conversions: int):
        self.rows = rows
        self.conversions = conversions  # inputs that were copied because their channels were not last in memory

    def __repr__(self) -> str:
        lines = [self.header, *((*row[:3], f"{row[3]:.2f}") for row in self.rows)]
        a, b, c, d = (max(map(len, column)) for column in zip(*lines))
        table = [f"{k:{a}}  {backend:{b}}  {state:{c}}  {time:>{d}}" for k, backend, state, time in lines]
        return "\n".join([*table, f"inputs copied to put their channels last: {self.conversions}"])


def status() -> Status:
    """What has served each kernel so far.

    Returns: an object that prints as a table; its rows are tuples of kernel, backend, state (compiled, cached, or why
      the reference serves; on a GPU also which kernels of a convolution have been launched) and seconds of compiling.

    >>> import numpy as np, knetpy as kn
    >>> y = kn.pool(np.ones((1, 1, 2, 2), "f4"))
    >>> "pool.maxpool" in repr(kn.kernels.status())
    True
    """
    rows = [row for name in sorted(_kernels) for row in _rows(name, _kernels[name])]
    cpu = sys.modules.get("knetpy.kernels.cpu")
    return Status(rows, cpu.conversions if cpu else 0)


def _rows(name: str, table: _Table) -> list[tuple[str, str, str, float]]:
    if not table.served:
        return [(name, "-", "not called", 0.0)]
    return [(name, backend, *_state(name, backend, *served)) for backend, served in list(table.served.items())]


def _state(name: str, backend: str, function: Callable, reason: str) -> tuple[str, float]:
    """(what has become of it, seconds of compiling) of a kernel on the backend that serves it for this reason."""
    if reason or backend == "cuda":
        which = f": {'; '.join(sorted(launched[name]))}" if backend == "cuda" and name in launched else ""
        return reason or f"compiled by CuPy, which keeps it on disk{which}", 0.0
    clock = _jit().clock  # which has been loaded: a Numba kernel has been called
    seconds = clock.seconds.get(name, 0.0)
    states = ["compiled"] if seconds else ["cached"] if name in clock.loaded else []
    if declined := getattr(function, "declined", None):
        states.append(f"reference for {', '.join(sorted(declined))}")
    return "; ".join(states) or "nothing to compile", seconds


def deterministic(on: bool | None = None) -> bool:
    """Set whether results of a GPU are the same bits in each run, and return it; without an argument just return it.

    With False, the gradient of a convolution by its weights is added up by atomics, in the order in which blocks end.
    That saves a pass over parts of it and their memory; its last digits differ from run to run. All else stays.

    Parameters:
      on=None: True (how it starts) or False, for the whole program; None asks.
    Returns: how it is from now on.
    Raises: TypeError for anything else.

    >>> import knetpy as kn
    >>> kn.kernels.deterministic()
    True
    """
    if on not in (None, True, False):
        raise TypeError(f"deterministic: on must be True or False, got {on!r:.60}")
    settings.deterministic = settings.deterministic if on is None else bool(on)
    return settings.deterministic


def tensor_cores(factors: str | None = None) -> str:
    """Set which convolutions on a GPU its tensor cores multiply, and return it; without an argument just return it.

    They multiply several times as fast, and add in float32. Where s is the sum of |x * w| over the n terms of a result:
    - "float16": convolutions of float16. Nothing is rounded but the result, as without them.
    - "tf32": those, and convolutions of float32, whose factors are rounded to 10 bits: an error of up to 2**-10 * s.
    - "bfloat16": the same with 7 bits, at twice the speed of "tf32": an error of up to 2**-7 * s.
    Sums add at most n * 2**-23 * s. Groups of up to 8 outputs, float64, and what is no convolution are computed as
    without; float16 whose window has sides of over 30 in sum is computed as float32.

    Parameters:
      factors=None: "off" (how it starts), "float16", "tf32" or "bfloat16", for the whole program; None asks.
    Returns: text, how it is from now on.
    Raises: ValueError for other factors; RuntimeError when a convolution starts that should use them on a GPU without:
      they came with Ampere (compute capability 8.0).

    >>> import knetpy as kn
    >>> kn.kernels.tensor_cores()
    'off'
    """
    if factors is not None and factors not in FACTORS:
        raise ValueError(f"tensor_cores: factors must be one of {', '.join(map(repr, FACTORS))}, got {factors!r:.60}")
    settings.tensor_cores = settings.tensor_cores if factors is None else factors
    return settings.tensor_cores


def warmup(f: Callable, *args: Any) -> float:
    """Call `f(*args)` once, so that the kernels it needs are compiled, and return the seconds that took.

    Parameters:
      f: any function, such as `kn.grad(loss)`.
      *args: its arguments, of the shapes and dtypes that will be used.
    Returns: the seconds spent compiling; 0.0 if every kernel was kept from an earlier run.
    Raises: what f raises.

    >>> import numpy as np, knetpy as kn
    >>> kn.warmup(np.sum, np.ones(2))  # NumPy has nothing to compile
    0.0
    """
    if not callable(f):
        raise TypeError(
            f"warmup: f must be a function, got {type(f).__name__}; write kn.warmup(kn.grad(loss), x, y), which calls "
            "it once; `python -m knetpy warmup` compiles everything"
        )
    before = _seconds()
    f(*args)
    return _seconds() - before


def _jit() -> Any:
    """The module that compiles, None before the first kernel of Numba's."""
    return sys.modules.get("knetpy.kernels.cpu.jit")


def _seconds() -> float:
    return float(_jit().clock.total) if _jit() else 0.0
