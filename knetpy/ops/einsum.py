"""`np.einsum` of any form, closed under differentiation: its derivative is again an einsum."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..core.tape import unbroadcast
from ..devices import listed, on_gpu
from .matmul import SMALL, _matmul
from .shape import broadcast_to
from .spelling import spells

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _rule(dy, operands, i, inputs, output, optimize):
    """The cotangent of operand i: the others and dy, summed to its letters; letters that only it has are stretched."""
    others = [(s, x) for n, (s, x) in enumerate(zip(inputs, operands)) if n != i]
    known = set(output).union(*[s for s, _ in others])
    mine, shape = inputs[i], np.shape(operands[i])
    letters = "".join(c for c in mine if c in known)
    names, arrays = [output, *[s for s, _ in others]], [dy, *[x for _, x in others]]
    dx = _einsum(*arrays, inputs=tuple(names), output=letters, optimize=optimize)
    dx = np.reshape(dx, [np.shape(dx)[letters.index(c)] if c in known else 1 for c in mine])
    # A size-1 axis may have been stretched to another operand's size: sum it; what was summed alone: stretch it.
    dx = unbroadcast(dx, tuple([1 if n == 1 else m for n, m in zip(shape, np.shape(dx))]))
    return broadcast_to(dx, shape)


def _check(*operands, inputs, output, optimize):
    sizes: dict = {}
    for s, x in zip(inputs, operands):
        for axis, (c, n) in enumerate(zip(s, np.shape(x))):
            size, where = sizes.setdefault(c, (n, f"axis {axis} of {np.shape(x)}"))
            if 1 not in (n, size) and n != size:
                raise ShapeError(
                    f"einsum: index {c!r} is {size} ({where}) and {n} (axis {axis} of {np.shape(x)}); they must agree"
                )


@primitive(check=_check, operands=_rule)
def _einsum(*operands, inputs, output, optimize):
    if len(operands) == 2 and _is_product(*operands, *inputs, output):
        return _product(*operands, *inputs, output)
    return np.einsum(",".join(inputs) + "->" + output, *operands, optimize=optimize)


def _is_product(a, b, of_a, of_b, output):
    """Whether two arrays give matrices and a product of them: worth it, and no axis is summed alone or stretched."""
    sizes = {**dict(zip(of_a, np.shape(a))), **dict(zip(of_b, np.shape(b)))}
    return (
        a.__class__ is b.__class__
        and a.dtype == b.dtype
        and a.dtype.char in "fd"
        and (on_gpu(a) or (a.__class__ is np.ndarray and math.prod(sizes.values()) > SMALL))
        and set(of_a) & set(of_b) - set(output) != set()
        and set(of_a) ^ set(of_b) <= set(output)
        and all(sizes[c] == n for c, n in zip(of_a, a.shape))
    )


def _product(a, b, of_a, of_b, output):
    batch, summed = [[c for c in of_a if c in of_b and (c in output) == kept] for kept in (True, False)]
    rows, columns = [c for c in of_a if c not in of_b], [c for c in of_b if c not in of_a]
    sizes = {**dict(zip(of_a, a.shape)), **dict(zip(of_b, b.shape))}
    y = _matmul(_matrices(a, of_a, batch, rows, summed), _matrices(b, of_b, batch, summed, columns))
    letters = batch + rows + columns
    y = y.reshape(tuple([sizes[c] for c in letters]))
    return y.transpose([letters.index(c) for c in output])


def _matrices(x, letters, batch, rows, columns):
    """x as matrices (*batch, product of rows, product of columns)."""
    x = x.transpose([letters.index(c) for c in batch + rows + columns])
    n, m = len(batch), len(batch) + len(rows)
    return x.reshape(*x.shape[:n], math.prod(x.shape[n:m]), math.prod(x.shape[m:]))


@spells(np.einsum)
def einsum(*operands, out=None, dtype=None, order="K", casting="safe", optimize=False):
    """`np.einsum` in all its forms: a string or lists of axis numbers, implicit output, ellipsis, repeated letters.

    >>> import knetpy as kn
    >>> a, b = np.ones((2, 3)), np.arange(6.0).reshape(3, 2)
    >>> kn.grad(lambda a: np.einsum("ij,ji->", a, b))(a)
    array([[0., 2., 4.],
           [1., 3., 5.]])
    """
    if out is not None:
        raise TypeError("np.einsum: out= is not supported on knetpy values")
    inputs, output, operands = _parsed(operands)
    pairs = [_without_repeats(s, x) for s, x in zip(inputs, operands)]
    inputs, operands = tuple([s for s, _ in pairs]), [x for _, x in pairs]
    missing = set(output) - set("".join(inputs))
    if missing or len(set(output)) < len(output):
        raise ValueError(f"einsum: output {output!r} must name letters of the inputs {','.join(inputs)}, each once")
    optimize = tuple(optimize) if isinstance(optimize, list) else optimize
    y = _einsum(*operands, inputs=inputs, output=output, optimize=optimize)
    return y if dtype is None else y.astype(dtype, casting=casting)


def _parsed(operands):
    """(letters of each operand, letters of the output, operands), without ellipses."""
    if isinstance(operands[0], str):
        text, operands = operands[0].replace(" ", ""), list(operands[1:])
    else:
        text, operands = _from_lists(list(operands))
    operands = [x if hasattr(x, "shape") else listed(x, operands) for x in operands]
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(f"einsum: {text!r} names {len(inputs)} operands, {len(operands)} were given")
    if not arrow:
        once = sorted(c for c in set(left) - set(".,") if left.count(c) == 1)
        output = ("..." if "..." in left else "") + "".join(once)
    free = [c for c in _LETTERS if c not in text]
    if (
        "..." in left
        and "..." not in output
        and any(x.ndim > len(s) - 3 for s, x in zip(inputs, operands) if "..." in s)
    ):
        raise ValueError(
            f"einsum: the axes that ... stands for in {text!r} must be in the output too; write ...{output}"
        )
    hidden = [x.ndim - len(s.replace("...", "")) if "..." in s else 0 for s, x in zip(inputs, operands)]
    most = free[: max(hidden, default=0)]
    inputs = [s.replace("...", "".join(most[len(most) - n :])) for s, n in zip(inputs, hidden)]
    for s, x in zip(inputs, operands):
        if len(s) != x.ndim:
            raise ShapeError(f"einsum: {s!r} names {len(s)} axes of an operand of shape {x.shape}")
    return inputs, output.replace("...", "".join(most)), operands


def _from_lists(parts):
    """The form einsum(a, [0, 1], b, [1, 2], [0, 2]) as text."""

    def letters(axes):
        return "".join("..." if a is Ellipsis else _LETTERS[a] for a in axes)

    output = "->" + letters(parts.pop()) if len(parts) % 2 else ""
    return ",".join(letters(axes) for axes in parts[1::2]) + output, parts[::2]


def _without_repeats(s, x):
    """An operand whose letters are all different: a repeated letter means the diagonal."""
    for c in dict.fromkeys(s):
        first, *more = [i for i, d in enumerate(s) if d == c]
        for axis in reversed(more):
            n = x.shape[first]
            if n != x.shape[axis]:
                raise ShapeError(f"einsum: index {c!r} is repeated in {s!r} over axes of sizes {n} and {x.shape[axis]}")
            x = np.moveaxis(np.moveaxis(x, axis, 0), first + 1, 1)[np.arange(n), np.arange(n)]
            x = np.moveaxis(x, 0, first)
            s = s[:axis] + s[axis + 1 :]
    return s, x
