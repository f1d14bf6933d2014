"""Derivatives of functions with any number of outputs: `vjp`, `jvp`, `hvp`, `jacobian`, `hessian`."""

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from ..settings import Journal
from .boundary import Exit, enter, is_number
from .dual import Dual
from .errors import DtypeError, ShapeError
from .gradients import Gradients
from .params import label
from .tape import Tape, sweep
from .transforms import check_argnums, check_callable, commit, grad, gradient_of, label_of, positions, run, watch
from .tree import leaves, tree_map
from .value import Param, Result, Value, bare


def vjp(f: Callable, *args: Any, **kwargs: Any) -> tuple[Any, Callable]:
    """(f(*args), pullback), the reverse-mode derivative by the positional arguments.

    Parameters: f, any function; args, arrays, numbers or nested containers of them. Params are constants.
    Returns: the value of f, of any structure, and a function that takes a cotangent of that structure and returns a
      tuple with the gradient of each argument. The pullback may be called often; the arrays that it needs stay locked
      as long as it lives.
    Raises: DtypeError or DerivativeError for an argument that has no derivative; the pullback ShapeError for a
      cotangent that does not fit, MutationError if a Param was written in between.

    >>> import knetpy as kn
    >>> y, pullback = kn.vjp(np.sin, np.array([0.0, 1.0]))
    >>> pullback(np.ones(2))
    (array([1.        , 0.54030231]),)
    """
    check_callable(f, "vjp", "{}(f, x)")
    tape = Tape(params=False, raw=False)  # the pullback may itself be differentiated: rules must be recordable
    try:
        new = [enter(a, tape, f"argument {n} of {label_of(f)}") for n, a in enumerate(args)]
        y = run(f, new, kwargs, tape, training=False)
    except BaseException:
        tape.hold.release()
        raise
    likes = [(path, bare(x), x.uid if isinstance(x, Value) else None) for path, x in leaves(y)]

    def pullback(cotangent):
        given: list = []
        tree_map(lambda _, c: given.append(c), y_like, cotangent)
        tape.check_unchanged(lambda p: label(p, f))
        seeds: dict = {}
        for (path, like, uid), c in zip(likes, given):
            c = matching(c, like, f"cotangent{path}")
            if uid in tape.steps and c is not None:
                seeds[uid] = c if uid not in seeds else seeds[uid] + c
        found, out = sweep(dict(tape.steps), seeds, watch()), Exit(cotangent)
        return tuple(tree_map(lambda x, r: gradient_of(out, found, x, r), a, r) for a, r in zip(args, new))

    y_like = tree_map(lambda x: None, y)
    y = Exit(tape_stays=True).tree(y)
    tape.derives = False  # for a task that was started inside and still sees it
    commit(tape)
    return y, pullback


def matching(x, like, what):
    """A tangent or cotangent as an array of the dtype of `like`; its shape must agree."""
    if x is None or not hasattr(like, "dtype"):
        return None
    if not hasattr(x, "dtype"):
        x = np.asarray(x, like.dtype)
    if x.shape != like.shape:
        raise ShapeError(f"{what} has shape {x.shape}, what it belongs to has {like.shape}")
    if x.dtype.kind == "c":
        raise DtypeError(f"{what} is complex, what it belongs to is {like.dtype}")
    return x if x.dtype == like.dtype else x.astype(like.dtype)


def jvp(f: Callable, args: Sequence, tangents: Sequence) -> tuple[Any, Any]:
    """(f(*args), tangent of it in the direction `tangents`), in forward mode.

    Parameters: args, a tuple; tangents, a tuple of the same structure, each leaf with the shape of its argument, or
      None for a constant. Params are constants.
    Returns: a pair; the tangent has the structure of the value, zeros where it does not depend on the arguments.
    Raises: TypeError unless both are tuples of one length and structure, ShapeError for a tangent that does not fit.

    >>> import knetpy as kn
    >>> kn.jvp(lambda x: x ** 3, (2.0,), (1.0,))
    (np.float64(8.0), np.float64(12.0))
    """
    check_callable(f, "jvp", "{}(f, (x,), (dx,))")
    if not isinstance(args, (tuple, list)) or not isinstance(tangents, (tuple, list)) or len(args) != len(tangents):
        raise TypeError("jvp(f, args, tangents) takes two tuples of one length, for one argument jvp(f, (x,), (dx,))")
    dual = Dual()
    try:
        pairs = enumerate(zip(args, tangents))
        new = [_enter_with(dual, a, t, f"argument {n} of {label_of(f)}") for n, (a, t) in pairs]
        y, out = run(f, new, {}, dual, training=False), Exit(args, tangents)
        result = out.tree(y), tree_map(lambda x: _tangent(out, dual, x), y)
    finally:
        dual.end()
    commit(dual)
    return result


def _enter_with(dual, arg, tangent, what):
    """`arg` renamed for `dual`, each leaf with its tangent."""
    new = enter(arg, dual, what)
    tangent = tree_map(lambda _: None, arg) if tangent is None else tangent

    def attach(r, t):
        if isinstance(r, Result):
            dual.leaf(r, matching(t, r.value, f"the tangent of {what}"))

    tree_map(attach, new, tangent)
    return new


def _tangent(out, dual, x):
    """The tangent of one leaf of the output; zeros where it does not depend on the arguments."""
    array = np.float64(x) if is_number(x) and not hasattr(x, "dtype") else bare(x)
    if not hasattr(array, "dtype") or array.dtype.kind not in "fc":
        return None
    return out.gradient(dual.tangents.get(x.uid) if isinstance(x, Value) else None, array)


def hvp(f: Callable, args: Sequence, v: Any) -> Any:
    """The Hessian of the scalar f times v, forward over reverse: about the cost of three gradients.

    Parameters: args, a tuple; v, a tuple of the structure of args; or a mapping from Params, for the Hessian by those.
    Returns: a tuple of the structure of args, or `Gradients` with the Params of v; other params are held constant.
    Raises: as `jvp` and `grad`; KeyError if f does not touch a Param of v.

    >>> import knetpy as kn
    >>> kn.hvp(lambda x: (x ** 3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)
    """
    if not isinstance(args, (tuple, list)):
        raise TypeError("hvp(f, args, v) takes a tuple of arguments, for one argument hvp(f, (x,), (v,))")
    if not isinstance(v, Mapping) or not all(isinstance(p, Param) for p in v):
        return jvp(grad(f, tuple(range(len(args)))), args, v)[1]
    dual = Dual()
    for p in v:
        dual.tangents[p.uid] = matching(v[p], p.value, f"v for {label(p, f)}")
    found = run(grad(f), args, {}, dual, training=False)
    if not isinstance(found, Gradients):
        raise KeyError(f"{label_of(f)} touched none of the params in v")
    out, arrays = Exit(), {}
    for p in v:
        g = found[p]
        arrays[p.uid] = out.gradient(dual.tangents.get(g.uid) if isinstance(g, Value) else None, p)
    commit(dual)
    return Gradients({p.uid: p for p in v}, arrays, [], f)


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0, mode: str | None = None, *misplaced: Any) -> Callable:
    """The function that gives all partial derivatives of f's outputs by the arguments at `argnums`.

    Parameters:
      argnums: a position, or a tuple of positions.
      mode: "forward" (one pass for each input element), "reverse" (one for each output element), None for the cheaper.
    Returns: a function of f's arguments. For an output of shape S and an argument of shape T it gives an array of shape
      (*S, *T) and T's dtype; for containers, the structure of the output, at each leaf the structure of the argument (a
      tuple of them for a tuple of argnums).
    Raises: TypeError for argnums out of range, ValueError for another mode.

    >>> import knetpy as kn
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

    Returns: for an argument of shape T an array (*T, *T); for containers, their structure twice.
    Raises: as `grad`.

    >>> import knetpy as kn
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
