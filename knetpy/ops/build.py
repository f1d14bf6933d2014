"""Arrays built of numbers that may be recorded: nested lists, sequences between two numbers."""

import operator
from itertools import islice

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.tape import unbroadcast
from ..core.value import Value, bare
from ..devices import GPU, listed, on_gpu
from .join import concatenate
from .shape import broadcast_to
from .spelling import spells


@primitive(name="array", trusted=True, parts=lambda dy, i: dy[i])
def _assembled(*parts):
    """The parts, all of one shape, along a new first axis."""
    if GPU and any([on_gpu(x) for x in parts]):
        return np.stack([x if on_gpu(x) else listed([x], parts)[0] for x in parts])
    return np.array(parts)


def assembled(x):
    """Nested lists as an array; a recorded one if a Value is among them."""
    leaves, shape = _flat(x, ())
    if not any([isinstance(v, Value) for v in leaves]):
        return np.array(x)
    shapes = {np.shape(v) for v in leaves}
    if len(shapes) > 1:
        raise ShapeError(f"array: the parts must have one shape, got {' and '.join(map(str, sorted(shapes)))}")
    y = _assembled(*leaves)
    return y if len(shape) == 1 else np.reshape(y, (*shape, *shapes.pop()))


def _flat(x, path):
    """(the leaves of nested lists in one list, the sizes of the lists)."""
    if not isinstance(x, (list, tuple)):
        return [x], ()
    parts = [_flat(v, (*path, i)) for i, v in enumerate(x)]
    shapes = {shape for _, shape in parts}
    if len(shapes) > 1:
        raise ShapeError(f"array: lists of different sizes{' in item ' * bool(path)}{''.join(f'[{i}]' for i in path)}")
    return [leaf for leaves, _ in parts for leaf in leaves], (len(x), *(shapes.pop() if shapes else ()))


def array(object, dtype=None, *, copy=True, order="K", subok=False, ndmin=0):
    """Make an array of numbers, arrays and params in nested lists, as `np.array`, with a derivative by all of them.

    NumPy does not ask us about `np.array([a, b])`, which therefore raises for values being differentiated;
    `np.array([a, b], like=a)` is the same as this.

    Parameters:
      object: nested lists or tuples, of parts of one shape; or one array, Param or value.
      dtype=None: by default what NumPy finds for the parts.
      copy=True, order="K", subok=False, ndmin=0: as NumPy's. Of values the result is always new and in C order.
    Returns: an array; plain outside of transforms.
    Raises: ShapeError, for lists of different sizes and parts of different shapes.
    Derivative: of each part, that of its place.

    >>> import numpy as np, knetpy as kn
    >>> def rotated(angle):
    ...     c, s = np.cos(angle), np.sin(angle)
    ...     return kn.array([[c, -s], [s, c]]) @ np.array([1.0, 0.0])
    >>> kn.jvp(rotated, (0.0,), (1.0,))
    (array([1., 0.]), array([0., 1.]))
    """
    if not isinstance(object, (list, tuple, Value)):
        return np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)
    y = np.copy(object) if isinstance(object, Value) else assembled(object)
    y = y if dtype is None or y.dtype == dtype else y.astype(dtype)
    missing = ndmin - len(np.shape(y))
    return np.reshape(y, (1,) * missing + y.shape) if missing > 0 else y


def _as_array(a, dtype=None, order=None, **options):
    return array(a, dtype)


serve(np.array, array)
for _function in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray):
    serve(_function, _as_array)
serve(np.fromiter, lambda iter, dtype, count=-1: array(list(iter if count < 0 else islice(iter, count)), dtype))


@spells(np.full)
def full(shape, fill_value, dtype=None, order="C", **options):
    """`np.full(..., like=value)`."""
    y = np.copy(broadcast_to(fill_value, shape))
    return y if dtype is None else y.astype(dtype)


# ------------------------------------------------------------------------------------------------- sequences


def _weighed(dy, weights, shape):
    """The sum of dy over its first axis, with weights, for an operand of `shape`."""
    weights = np.asarray(weights, dy.dtype).reshape(-1, *[1] * (len(dy.shape) - 1))
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
        start, stop, base = [np.reshape(a, (1,) * (ndim - np.ndim(a)) + np.shape(a)) for a in (start, stop, base)]
        base = np.expand_dims(base, axis)
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@spells(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`np.geomspace`: the first and the last number are exactly those given."""
    if not (np.all(bare(start)) and np.all(bare(stop))):
        raise ValueError("geomspace: neither start nor stop may be 0")
    dt = np.result_type(np.asanyarray(bare(start)), np.asanyarray(bare(stop)), float(num), np.zeros((), dtype))
    start, stop = [(a if hasattr(a, "dtype") else np.asarray(a)).astype(dt) for a in (start, stop)]
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
    step=lambda dy: np.sum(dy * np.arange(len(dy)).astype(dy.dtype)),
)
def _arange(start, step, *, stop, dtype):
    return np.arange(start, stop, step, dtype)


def arange(start, stop=None, step=1, dtype=None, **options):
    """`np.arange(..., like=value)`: by how much start and step move the numbers; how many they are is a constant."""
    start, stop = (0, start) if stop is None else (start, stop)
    return _arange(start, step, stop=bare(stop), dtype=dtype)


serve(np.arange, arange)
