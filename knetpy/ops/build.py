"""Arrays filled with numbers that may be recorded, and sequences between two of them."""

import operator
from itertools import islice

import numpy as np

from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.tape import unbroadcast
from ..core.value import bare
from ..devices import beside, host, on_gpu, surely
from .join import concatenate
from .nested import array
from .shape import broadcast_to
from .spelling import arrays, spells

serve(np.fromiter, lambda iter, dtype, count=-1: array(list(iter if count < 0 else islice(iter, count)), dtype))


@spells(np.full)
def full(shape, fill_value, dtype=None, order="C", **options):
    """`np.full(..., like=value)`."""
    y = np.copy(broadcast_to(fill_value, shape))
    return y if dtype is None else y.astype(dtype)


# ------------------------------------------------------------------------------------------------- sequences


def _weighed(dy, weights, shape):
    """The sum of dy over its first axis, with weights, for an operand of `shape`."""
    weights = beside(np.asarray(weights, dy.dtype).reshape(-1, *[1] * (len(dy.shape) - 1)), dy)
    return unbroadcast(np.sum(dy * weights, 0), shape)


def _steps(num, endpoint):
    """How far from start to stop each number is."""
    return np.arange(num) / max(num - bool(endpoint), 1)


@primitive(
    name="linspace",
    trusted=True,
    start=lambda dy, start_shape, num, endpoint: _weighed(dy, 1 - _steps(num, endpoint), start_shape),
    stop=lambda dy, stop_shape, num, endpoint: _weighed(dy, _steps(num, endpoint), stop_shape),
)
def _linspace(start, stop, *, num, endpoint, dtype):
    return np.linspace(start, stop, num, endpoint, dtype=dtype)


@spells(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """`np.linspace`; with numbers of whole dtypes there is no derivative.

    >>> import knetpy as kn
    >>> kn.jacobian(lambda x: np.linspace(0.0, x, 3))(2.0)
    array([0. , 0.5, 1. ])
    """
    num = operator.index(num)
    y = _linspace(start, stop, num=num, endpoint=endpoint, dtype=dtype)
    y = np.moveaxis(y, 0, axis) if axis else y
    count = num - bool(endpoint)
    return (y, (stop - start) / count if count > 0 else np.nan) if retstep else y


@spells(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`np.logspace`, also by the base."""
    if np.ndim(base):
        ndim = max([np.ndim(a) for a in (start, stop, base)])
        given = arrays(start, stop, base)
        start, stop, base = [np.reshape(a, (1,) * (ndim - len(a.shape)) + a.shape) for a in given]
        base = np.expand_dims(base, axis)
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@spells(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`np.geomspace`: the first and the last number are exactly those given."""
    if any([surely(np.equal(bare(a), 0)) for a in (start, stop)]):
        raise ValueError("geomspace: neither start nor stop may be 0")
    start, stop = arrays(start, stop)
    dt = np.result_type(start.dtype, stop.dtype, float(num), np.zeros((), dtype))
    start, stop = start.astype(dt), stop.astype(dt)
    sign = np.sign(bare(start))
    start, stop = start / sign, stop / sign
    y = logspace(np.log10(start), np.log10(stop), num, endpoint, dtype=dt)
    first, last = min(num, 1), max(num - bool(endpoint), min(num, 1))
    ends = [broadcast_to(a, (1, *y.shape[1:])) for a in (start, stop)]
    y = concatenate([ends[0][:first], y[first:last], ends[1][: num - last]]) * sign
    y = np.moveaxis(y, 0, axis) if axis else y
    return y if dtype is None else y.astype(dtype)


@primitive(
    name="arange",
    trusted=True,
    start=lambda dy: np.sum(dy),
    step=lambda dy: np.sum(dy * np.arange(len(dy), dtype=dy.dtype, like=bare(dy))),
)
def _arange(start, step, *, stop, dtype):
    return beside(np.arange(host(start), host(stop), host(step), dtype), start if on_gpu(start) else step)


def arange(start, stop=None, step=1, dtype=None, **options):
    """`np.arange(..., like=value)`: by how much start and step move the numbers; how many they are is a constant."""
    start, stop = (0, start) if stop is None else (start, stop)
    return _arange(start, step, stop=bare(stop), dtype=dtype)


serve(np.arange, arange)
