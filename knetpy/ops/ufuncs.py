"""The methods of NumPy's ufuncs (reduce, accumulate, reduceat, outer, at) and their options (out=, where=, dtype=...).

Where NumPy has a function for what a method does, it is that (np.add.reduce is np.sum); else each step is recorded.
What writes in place is refused.
"""

import functools

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..core.errors import DerivativeError, MutationError, numpy_name
from ..core.primitive import primitive
from ..core.protocols import without_rule
from ..core.value import NUMPY, UFUNC, Value, bare, found, is_tracked, kind_of
from ..devices import host, on_gpu
from .axes import restored, spread
from .constants import UFUNCS
from .cumulative import cumprod, cumsum, running
from .masked import chosen, mask_of
from .reduce import max, min, prod, sum
from .softmax import _softmax
from .spelling import arrays

_NONE = np._NoValue


# ------------------------------------------------------------------------------------------------------ reduce


def _norm_rule(dy, y, x, axis, keepdims):
    slope = np.where(y == 0, 0, dy / np.where(y == 0, 1, y))
    return spread(slope, x.shape, axis, keepdims) * x


_hypot = primitive(
    lambda x, *, axis, keepdims: np.hypot.reduce(x, axis, keepdims=keepdims), name="hypot.reduce", x=_norm_rule
)


def _log_sum(ufunc, unit):
    """The logarithm of a sum of powers; `unit` is the logarithm of their base."""

    def rule(dy, x, axis, keepdims):
        return restored(dy, x.shape, axis, keepdims) * _softmax(x * x.dtype.type(unit), axis=axis)

    def reduce(x, *, axis, keepdims):
        return ufunc.reduce(x, axis, keepdims=keepdims)

    return primitive(reduce, name=f"{ufunc.__name__}.reduce", x=rule)


_whole: dict = {  # what reduces at once without options, and the element that changes nothing
    np.hypot: (_hypot, 0),
    np.logaddexp: (_log_sum(np.logaddexp, 1), -np.inf),
    np.logaddexp2: (_log_sum(np.logaddexp2, np.log(2)), -np.inf),
}
_reductions: dict = {
    np.add: sum,
    np.multiply: prod,
    np.maximum: max,
    np.minimum: min,
    np.fmax: functools.partial(chosen, np.fmax.reduce),
    np.fmin: functools.partial(chosen, np.fmin.reduce),
}


def _reduce(ufunc, x, axis=0, dtype=None, out=None, keepdims=False, initial=_NONE, where=True):
    ndim = len(x.shape)
    ufunc.reduce(np.ones((1,) * ndim), axis)  # NumPy refuses axes, or several of them
    axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim) if ndim else ()
    x = x if dtype is None else x.astype(dtype)
    initial = _NONE if initial is None else initial  # "start with the first element"
    where = mask_of(f"{ufunc.__name__}.reduce", where, x)
    where = where if where is True else np.broadcast_to(where, x.shape)
    if ufunc in _reductions:
        return _reductions[ufunc](x, axis=axes, keepdims=keepdims, initial=initial, where=where)
    if ufunc in _whole and not on_gpu(bare(x)) and (initial is not _NONE or x.size):
        reduce, nothing = _whole[ufunc]
        y = reduce(x if where is True else np.where(where, x, nothing), axis=axes, keepdims=bool(keepdims))
        return y if initial is _NONE else ufunc(y, initial)
    return _folded(ufunc, x, axes, keepdims, initial, where)


def _folded(ufunc, x, axes, keepdims, initial, where):
    """One step after the other, in NumPy's order."""
    first = [np.moveaxis(a, axes, range(len(axes))) for a in (x, where if where is not True else x)]
    kept = first[0].shape[len(axes) :]
    parts, masks = [np.reshape(a, (-1, *kept)) for a in first]
    start = ufunc.identity if where is not True or not len(parts) else None
    y = start if initial is _NONE else initial
    if y is None and (where is not True or not len(parts)):
        return ufunc.reduce(bare(x), axes, where=bare(where))  # which is NumPy's error
    for part, mask in zip(parts, masks):
        y = part if y is None else ufunc(y, part) if where is True else np.where(mask, ufunc(y, part), y)
    y = y if hasattr(y, "dtype") else np.full_like(bare(x), y, shape=kept)
    y = np.broadcast_to(y, kept)
    return restored(y, x.shape, axes, False) if keepdims else y


# ------------------------------------------------------------------------------- accumulate, reduceat, outer, at

_runs: dict = {
    np.add: cumsum,
    np.multiply: cumprod,
    **{ufunc: functools.partial(running, ufunc) for ufunc in (np.maximum, np.minimum, np.fmax, np.fmin)},
}


def _accumulate(ufunc, x, axis=0, dtype=None, out=None):
    axis = normalize_axis_index(0 if axis is None else axis, len(x.shape))
    x = x if dtype is None else x.astype(dtype)
    if ufunc in _runs:
        return _runs[ufunc](x, axis=axis)
    ufunc.accumulate(np.ones(1))  # NumPy refuses ufuncs of other than two operands
    parts = list(np.moveaxis(x, axis, 0))
    for i in range(1, len(parts)):
        parts[i] = ufunc(parts[i - 1], parts[i])
    return np.stack(parts, axis) if parts else x * 1


def _reduceat(ufunc, x, indices, axis=0, dtype=None, out=None):
    axis = normalize_axis_index(0 if axis is None else axis, len(x.shape))
    starts = np.asarray(host(bare(indices)))
    ufunc.reduceat(np.ones(x.shape[axis]), starts)  # NumPy refuses indices
    x = x if dtype is None else x.astype(dtype)
    before, parts = (slice(None),) * axis, []
    for start, end in zip(starts, [*starts[1:], x.shape[axis]]):
        one = end <= start + 1  # which is taken as it is
        part = x[(*before, start if one else slice(start, end))]
        parts.append(part if one else _reduce(ufunc, part, axis))
    return np.stack(parts, axis)


def _outer(ufunc, a, b, **options):
    a, b = arrays(a, b)
    return ufunc(np.reshape(a, (*a.shape, *[1] * len(b.shape))), b, **options)


def _at(ufunc, x, *_):
    name = numpy_name(ufunc)
    if isinstance(x, Value):
        raise MutationError(
            f"{name}.at would write into {kind_of(x)}; write kn.scatter, or {name}.at(array, ...) of a copy"
        )
    raise MutationError(
        f"{name}.at would write a value being differentiated into a plain array; use kn.scatter or np.bincount, which "
        "return what they add up"
    )


# ----------------------------------------------------------------------------------------------------- options


def _call(ufunc, *args, where=True, **options):
    """A ufunc with options: what it returns is not to be written anywhere, and all of it must be told."""
    if where is not True:
        name = numpy_name(ufunc)
        raise DerivativeError(
            f"{name}(..., where=...) has no derivative rule in knetpy: it leaves the other elements unset; write "
            f"np.where(mask, {name}(...), other)"
        )
    axes = {k: options.pop(k) for k in ("axis", "axes", "keepdims") if k in options}
    args = _cast(ufunc, args, **options)
    op = NUMPY[ufunc]
    return _with_axes(op, args, **axes) if axes else op(*args)


def _cast(ufunc, args, dtype=None, signature=None, sig=None, casting="same_kind", order="K", subok=True, out=None):
    """The operands in the dtypes of the loop that NumPy chooses for these options."""
    signature = sig if signature is None else signature
    if dtype is None and signature is None:
        return args
    signature = (*[None] * ufunc.nin, *[np.dtype(dtype)] * ufunc.nout) if dtype is not None else signature
    numbers = [x.__class__ in (int, float) for x in args]
    args = [x if number else array for x, array, number in zip(args, arrays(*args), numbers)]
    given = [getattr(x, "dtype", x.__class__) for x in args]
    loop = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout), signature=signature, casting=casting)
    return [x.astype(t) if hasattr(x, "dtype") else t.type(x) for x, t in zip(args, loop)]


def _with_axes(op, args, axes=None, axis=None, keepdims=False):
    """A product of vectors and matrices along other axes than the last."""
    if axes is None:
        axes = [(), (), ()] if axis is None else [axis, axis, axis if keepdims else ()]
    axes = [a if isinstance(a, tuple) else (a,) for a in axes]
    into = axes[2] if len(axes) > 2 else ()
    args = [np.moveaxis(x, a, range(-len(a), 0)) for x, a in zip(args, axes)]
    y = op(*args)
    if keepdims:
        y, into = y[..., None], into or (-1,)
    return np.moveaxis(y, range(-len(into), 0), into)


# -------------------------------------------------------------------------------------------------- what is called

_METHODS = {
    "__call__": _call, "reduce": _reduce, "accumulate": _accumulate, "reduceat": _reduceat, "outer": _outer, "at": _at
}  # fmt: skip


_STEPS, _FOLDS = (np.floor_divide, np.heaviside), ("reduce", "accumulate", "reduceat")  # the first element stays


def _serve(method, ours):
    """Let `ours` answer for a method of any ufunc; without transforms, and where nothing is followed, NumPy does."""

    def answer(ufunc, *args, **options):
        call, name = getattr(ufunc, method), numpy_name(ufunc) + ("" if method == "__call__" else f".{method}")
        outs = options.get("out", ())
        if any([isinstance(x, Value) for x in outs]):
            raise MutationError(f"{name}(..., out=...) would write into {kind_of(outs[0])}; use what it returns")
        if method == "at" and isinstance(args[0], Value):
            return ours(ufunc, *args)
        given = (*args, *options.values())
        tracked = any([is_tracked(x) for x in given if isinstance(x, Value)])
        if not tracked or (ufunc in UFUNCS and not (ufunc in _STEPS and method in _FOLDS)):
            plain = {k: bare(v) for k, v in options.items()}
            return call(*[bare(x) for x in args], **plain)
        if outs and outs[0] is not None:
            raise MutationError(
                f"{name}(..., out=...) would write a value being differentiated into a plain array; use what it "
                "returns, and for array += r write array = array + r"
            )
        if found(NUMPY, ufunc) is None and ufunc not in _reductions and method != "at":
            advice = f"use the plain functions that have one, else declare a rule for {name} with kn.primitive"
            return without_rule(call, name, advice, args, options)
        return ours(ufunc, *args, **options)

    UFUNC[method] = answer


for _name, _ours in _METHODS.items():
    _serve(_name, _ours)
