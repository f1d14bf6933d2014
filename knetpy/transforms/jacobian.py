"""All partial derivatives at once: `jacobian` and `hessian`."""

import functools
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ..core.errors import label_of
from ..core.value import Value, bare
from ..journal import Journal
from ..tree import leaves, tree_map
from .boundary import is_number
from .grad import grad
from .products import jvp, vjp
from .run import check_argnums, positions


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0, mode: str | None = None, *misplaced: Any) -> Callable:
    """The function that gives all partial derivatives of f's outputs by the arguments at `argnums`.

    Parameters:
      f: any function of arrays, of any output.
      argnums=0: a position, or a tuple of positions.
      mode=None: "forward" (one pass for each input element), "reverse" (one for each output element), None for the
        cheaper.
    Returns: a function of f's arguments. For an output of shape S and an argument of shape T it gives an array of shape
      (*S, *T) and T's dtype; for containers, the structure of the output, at each leaf the structure of the argument (a
      tuple of them for a tuple of argnums).
    Raises: TypeError for argnums out of range, ValueError for another mode.

    >>> import numpy as np, knetpy as kn
    >>> kn.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    check_argnums("jacobian", f, argnums, misplaced)
    if not isinstance(mode, (str, type(None))):
        check_argnums("jacobian", f, argnums, (mode,))
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f'jacobian: mode must be "forward", "reverse" or None, got {mode!r}')

    def all_partials(*args, **kwargs):
        numbers = positions(argnums, args, f)

        def of_chosen(*new):
            full = list(args)
            for n, x in zip(numbers, new):
                full[n] = x
            return f(*full, **kwargs)

        of_chosen.__name__ = label_of(f)
        chosen = tuple(args[n] for n in numbers)
        journal = Journal()  # further passes see the random numbers and params of the first, and make no side effects
        with journal.recording():
            y, pullback = vjp(of_chosen, *chosen)
        forward = mode == "forward" or (mode is None and _size(y) > _size(chosen))

        def push(tangents):
            with journal.replaying():
                return jvp(of_chosen, chosen, tangents)[1]

        lines = _lines(push, chosen) if forward else _lines(pullback, y)

        def block(i, out, j, x):
            if not _is_array(x):
                return None
            parts = [line[i] for line in lines[j]] if forward else [line[j] for line in lines[i]]
            return _stacked(parts, -1 if forward else 0, out, x)

        inputs = chosen if isinstance(argnums, tuple) else chosen[0]
        return _numbered(
            lambda i, out: _numbered(lambda j, x: block(i, out, j, x), inputs) if _is_array(out) else None, y
        )

    return functools.update_wrapper(all_partials, f)


def hessian(f: Callable, argnums: int | tuple[int, ...] = 0, *misplaced: Any) -> Callable:
    """The function that gives the second derivatives of the scalar f, forward over reverse.

    Parameters:
      f: a function that returns a real scalar.
      argnums=0: a position, or a tuple of positions.
    Returns: for an argument of shape T an array (*T, *T); for containers, their structure twice.
    Raises: as `grad`.

    >>> import numpy as np, knetpy as kn
    >>> kn.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    check_argnums("hessian", f, argnums, misplaced)
    return jacobian(grad(f, argnums), argnums, mode="forward")


def _is_array(x):
    return isinstance(x, Value) or is_number(x) or (hasattr(x, "dtype") and x.dtype.kind == "f")


def _size(tree):
    return sum(np.size(bare(x)) for _, x in leaves(tree) if _is_array(x))


def _numbered(f, tree):
    """`tree_map` of f(number of the leaf, leaf)."""
    numbers = count()
    return tree_map(lambda x: f(next(numbers), x), tree)


def _units(x):
    """Each unit vector in the shape of x."""
    for k in range(np.size(bare(x)) if _is_array(x) else 0):
        unit = np.zeros_like(bare(x), dtype=getattr(x, "dtype", np.float64)).ravel()
        unit[k] = 1
        yield unit.reshape(np.shape(bare(x)))


def _lines(linear, tree):
    """For each leaf of `tree`, for each of its unit vectors (None at the other leaves): the leaves `linear` gives."""

    def images(n, x):
        units = [_numbered(lambda m, _, unit=unit: unit if m == n else None, tree) for unit in _units(x)]
        return [[leaf for _, leaf in leaves(linear(unit))] for unit in units]

    return [images(n, x) for n, (_, x) in enumerate(leaves(tree))]


def _stacked(parts, axis, y, x):
    """The derivative of one output leaf by one argument leaf, from its rows (axis 0) or columns (axis -1)."""
    shape, dtype = np.shape(bare(y)) + np.shape(bare(x)), getattr(x, "dtype", np.dtype(np.float64))
    block = np.stack(parts, axis=axis).reshape(shape) if parts else np.zeros(shape, dtype)
    block = block if block.dtype == dtype else block.astype(dtype)
    return block if shape or isinstance(block, Value) or isinstance(x, (np.ndarray, Value)) else block[()]
