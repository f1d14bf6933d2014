"""Making params: `param` and `param0`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import settings
from ..core.errors import DtypeError, ShapeError, explaining_gpu
from ..core.value import Param, Result, bare
from ..devices import asarray, moved, on_gpu
from ..journal import recall
from ..random import as_dtype, as_shape
from . import init
from .model import remembered
from .moving import checked_device


def param(
    *shape_or_array: Any, init: Callable = init.xavier_uniform, dtype: Any = None, device: str | None = None
) -> Param:
    """Make a `Param`: an array whose gradient is wanted.

    Parameters:
      *shape_or_array: an array, which is copied and keeps its floating or complex dtype; lists and Python numbers
        become float32 or complex64.
        Or sizes: `param(784, 10)` draws from init, `param(5)` is a vector of 5, `param(5.0)` a float32 scalar.
      init=kn.init.xavier_uniform: a function of the sizes and `dtype=`.
      dtype=None: a floating or complex dtype; by default the array's, or float32.
      device=None: "cpu" or "gpu"; by default where the array is if that is a GPU, else `kn.default_device()`.
    Returns: a Param with memory of its own.
    Raises: DtypeError for integers and booleans, with the `.astype` to write; DeviceError for "gpu" if there is none.

    >>> import knetpy as kn
    >>> kn.param([[1, 2], [3, 4]]).dtype, kn.param(3, 2).shape
    (dtype('float32'), (3, 2))
    """
    given = shape_or_array
    if device is None:
        device = "gpu" if len(given) == 1 and on_gpu(bare(given[0])) else settings.device
    checked_device("param", "device", device)
    sizes = bool(given) and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in given)
    if len(given) == 1 and isinstance(given[0], tuple) and _is_shape(given[0]):
        raise TypeError(
            f"param({given[0]}): write param({', '.join(map(str, given[0]))}) for a shape of these sizes, "
            f"or param({list(given[0])}) for these values"
        )
    if not sizes and len(given) != 1:
        raise TypeError("param takes one array, or sizes: param(784, 10)")
    if sizes and any(n < 0 for n in given):
        raise ShapeError(f"param: sizes must not be negative, got {given}")
    if isinstance(given[0], Result):
        raise TypeError("param of a value being differentiated would cut the derivative; write param(kn.value(r))")
    if sizes:
        shape = as_shape("param", given)
        return recall(lambda: remembered(lambda: _drawn(init, shape, dtype, device), shape))
    array = _array_of(given[0])
    return recall(lambda: remembered(lambda: _copied(array, dtype, device), array.shape))


def param0(*shape: int, dtype: Any = None, device: str | None = None) -> Param:
    """A `Param` of zeros: `param0(10)`; the same as `param(10, init=kn.init.zeros)`.

    Parameters:
      *shape: the sizes, at least one.
      dtype=None, device=None: as for `param`.
    Returns: a Param.
    Raises: TypeError for what is no size.

    >>> import knetpy as kn
    >>> kn.param0(3).value
    array([0., 0., 0.], dtype=float32)
    """
    for n in shape:
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool):
            raise TypeError(
                f"param0 takes sizes, as param0(3, 4), got {n!r:.60}; zeros like an array are param(np.zeros_like(a))"
            )
    return param(*shape, init=init.zeros, dtype=dtype, device=device)


def _is_shape(x):
    return len(x) > 0 and all(isinstance(n, int) and not isinstance(n, bool) for n in x)


def _drawn(draw, shape, dtype, device):
    dtype = _floating(np.float32 if dtype is None else dtype, "param")
    try:
        with explaining_gpu("param"):
            return Param(moved(draw(*shape, dtype=dtype), device))
    except TypeError as failure:
        raise TypeError(
            f"param: init must be a function of the sizes and dtype=, such as kn.init.kaiming_normal without "
            f"parentheses, got {draw!r:.60} ({failure})"
        ) from failure


def _array_of(data):
    """What was given as an array; Python's numbers are single precision."""
    data = bare(data)
    try:
        array = asarray(data)
    except (TypeError, ValueError, RuntimeError) as reason:
        raise TypeError(f"param takes an array, numbers in lists, or sizes: {reason}") from None
    if array.dtype.kind == "O":
        raise TypeError(f"param takes an array, numbers in lists, or sizes, got {type(data).__name__} of other objects")
    if hasattr(data, "dtype") or array.dtype.kind not in "iufc":
        return array
    return array.astype(np.complex64 if array.dtype.kind == "c" else np.float32)


def _copied(array, dtype, device):
    dtype = _floating(array.dtype if dtype is None else dtype, "param", "fc")
    if array.dtype.kind == "c" and dtype.kind == "f":
        raise DtypeError(f"param: dtype {dtype} would drop imaginary parts; write np.real(...) around the array")
    if device == "gpu" or not isinstance(array, np.ndarray):
        with explaining_gpu("param"):
            return Param(moved(array.astype(dtype, copy=False), device))
    return Param(np.array(array, dtype=dtype, subok=False, order="C"))


def _floating(dtype, what, kinds="f"):
    dtype = as_dtype(what, dtype)
    if dtype.kind not in kinds:
        raise DtypeError(
            f"{what}: dtype {dtype} has no gradient; write .astype(np.float32) (or another floating dtype)"
        )
    return np.dtype(dtype.char)  # in native byte order, and the very object that short paths look for
