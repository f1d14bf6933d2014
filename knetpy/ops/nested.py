"""Nested lists of numbers and arrays, recorded ones among them, as one array."""

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.protocols import serve
from ..core.value import Value
from ..devices import GPU, cupy, listed, on_gpu


@primitive(name="array", trusted=True, parts=lambda dy, i: dy[i])
def _assembled(*parts):
    """The parts, all of one shape, along a new first axis."""
    if GPU and any([on_gpu(x) for x in parts]):
        return np.stack([x if on_gpu(x) else listed([x], parts)[0] for x in parts])
    return np.array(parts)


def assembled(x, others=()):
    """Nested lists as an array; a recorded one if a Value is among them, else beside the others."""
    if not isinstance(x, (list, tuple)):
        return listed(x, others)
    leaves, shape = _flat(x, ())
    if not any([isinstance(v, Value) or on_gpu(v) for v in leaves]):
        return listed(x, others)
    shapes = {np.shape(v) for v in leaves}
    if len(shapes) > 1:
        raise ShapeError(f"array: the parts must have one shape, got {' and '.join(map(str, sorted(shapes)))}")
    y = _assembled(*leaves)
    return y if len(shape) == 1 else np.reshape(y, (*shape, *shapes.pop()))


def _flat(x, path):
    """(the leaves of nested lists in one list, the sizes of the lists)."""
    if not isinstance(x, (list, tuple)):
        return [x], ()
    if not any([isinstance(v, (list, tuple)) for v in x]):
        return x, (len(x),)
    parts = [_flat(v, (*path, i)) for i, v in enumerate(x)]
    shapes = {shape for _, shape in parts}
    whole = {(*shape, *np.shape(leaves[0])) for leaves, shape in parts if leaves}
    if len(whole) == 1 < len(shapes):  # some rows are arrays, others are lists
        return [assembled(v) if isinstance(v, (list, tuple)) else v for v in x], (len(x),)
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
        module = cupy() if on_gpu(object) else np
        return module.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)
    y = np.copy(object) if isinstance(object, Value) else assembled(object)
    y = y if dtype is None or y.dtype == dtype else y.astype(dtype)
    missing = ndmin - len(np.shape(y))
    return np.reshape(y, (1,) * missing + y.shape) if missing > 0 else y


def _as_array(a, dtype=None, order=None, **options):
    return array(a, dtype)


serve(np.array, array)
for _function in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray):
    serve(_function, _as_array)
