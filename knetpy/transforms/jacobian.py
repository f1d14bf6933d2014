"""All partial derivatives at once: `jacobian` and `hessian`."""

import functools
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ..core.errors import DerivativeError, label_of
from ..core.value import Value, bare
from ..journal import Journal
from ..tree import leaves, tree_map
from .boundary import is_number, without_settings
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
      tuple of them for a tuple of argnums). Complex numbers: real outputs by complex arguments give gradients, as
      `grad` does; complex outputs give the dy / dx for which the tangent of the output is dy / dx times that of the
      argument.
    Raises: TypeError for argnums out of range, ValueError for another mode, DerivativeError for complex outputs by a
      complex argument of which f is not analytic (it uses np.conj, np.abs, ...), as there is no such number.

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
        variables = without_settings(chosen)
        forward = mode == "forward" or (mode is None and _size(y) > _size(variables))

        def push(tangents):
            with journal.replaying():
                return jvp(of_chosen, chosen, tangents)[1]

        linear, sources = (push, variables) if forward else (pullback, y)
        block = functools.partial(_block, [_lines(linear, sources, one) for one in (1, 1j)], forward)
        inputs = variables if isinstance(argnums, tuple) else variables[0]
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
    Raises: as `grad`; DerivativeError for most complex arguments, as the gradient is no analytic function: see `hvp`.

    >>> import numpy as np, knetpy as kn
    >>> kn.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    check_argnums("hessian", f, argnums, misplaced)
    return jacobian(grad(f, argnums), argnums, mode="forward")


def _is_array(x):
    return isinstance(x, Value) or is_number(x) or (hasattr(x, "dtype") and x.dtype.kind in "fc")


def _dtype(x):
    return x.dtype if hasattr(x, "dtype") else np.dtype(complex if isinstance(x, complex) else float)


def _size(tree):
    return sum(np.size(bare(x)) for _, x in leaves(tree) if _is_array(x))


def _numbered(f, tree):
    """`tree_map` of f(number of the leaf, leaf)."""
    numbers = count()
    return tree_map(lambda x: f(next(numbers), x), tree)


def _units(x, one):
    """Each unit vector in the shape of x, times `one`; if that is 1j, only of a complex x."""
    used = _is_array(x) and (one == 1 or _dtype(x).kind == "c")
    for k in range(np.size(bare(x)) if used else 0):
        unit = np.zeros_like(bare(x), dtype=_dtype(x)).ravel()
        unit[k] = one
        yield unit.reshape(np.shape(bare(x)))


def _lines(linear, tree, one):
    """For each leaf of `tree`, for each of its unit vectors (None at the other leaves): the leaves `linear` gives."""

    def images(n, x):
        units = [_numbered(lambda m, _, unit=unit: unit if m == n else None, tree) for unit in _units(x, one)]
        return [[leaf for _, leaf in leaves(linear(unit))] for unit in units]

    return [images(n, x) for n, (_, x) in enumerate(leaves(tree))]


def _block(lines, forward, i, out, j, x):
    """The derivative of the output leaf of number i by the argument leaf of number j."""
    if not _is_array(x):
        return None
    source, target, axis = (j, i, -1) if forward else (i, j, 0)
    dtype = np.result_type(_dtype(x), np.complex64) if _dtype(out).kind == "c" else _dtype(x)
    parts = [[line[target] for line in found[source]] for found in lines]
    whole, turned = [_stacked(images, axis, out, x, dtype) for images in parts]
    return _of_complex(whole, turned, parts[0][0].dtype, forward) if parts[1] else whole


def _of_complex(whole, turned, target, forward):
    """The partial derivatives from the images of 1 and of 1j, which are of dtype `target`."""
    if target.kind != "c":
        return whole + 1j * turned
    rest, size = np.abs(bare(whole) + 1j * bare(turned)), np.abs(bare(whole))
    if np.max(rest) > np.sqrt(np.finfo(target).eps) * np.max(size):
        raise DerivativeError(
            "jacobian: an output is complex and no analytic function of a complex argument (np.conj, np.abs, ... are "
            "none), so its partial derivatives are no numbers; take kn.jvp and kn.vjp, or jacobians of and by real and "
            "imaginary parts"
        )
    found = (whole - 1j * turned) / 2
    return found if forward else np.conj(found)


def _stacked(parts, axis, y, x, dtype):
    """The derivative of one output leaf by one argument leaf, from its rows (axis 0) or columns (axis -1)."""
    shape = np.shape(bare(y)) + np.shape(bare(x))
    block = np.stack(parts, axis=axis).reshape(shape) if parts else np.zeros(shape, dtype)
    block = block if block.dtype == dtype else block.astype(dtype)
    return block if shape or isinstance(block, Value) or isinstance(x, (np.ndarray, Value)) else block[()]
