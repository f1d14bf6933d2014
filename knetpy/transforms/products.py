"""Products with derivatives of any function, without the matrices: `vjp`, `jvp`, `hvp`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.dual import Dual
from ..core.errors import DeviceError, DtypeError, ShapeError, label_of
from ..core.tape import Tape, sweep
from ..core.value import Param, Result, Value, bare
from ..devices import beside, on_gpu
from ..parameters.search import label
from ..tree import leaves, tree_map
from .boundary import Exit, conjugated, enter, is_number
from .grad import grad, gradient_of
from .gradients import Gradients
from .run import check_callable, commit, run, watch


def vjp(f: Callable, *args: Any, **kwargs: Any) -> tuple[Any, Callable]:
    """(f(*args), pullback), the reverse-mode derivative by the positional arguments.

    Parameters:
      f: any function. Params are constants.
      *args: arrays, numbers or nested containers of them.
      **kwargs: further arguments of f, which are constants.
    Returns: the value of f, of any structure, and a function that takes a cotangent of that structure and returns a
      tuple with the gradient of each argument. The pullback may be called often; the arrays that it needs stay locked
      as long as it lives.
    Raises: DtypeError or DerivativeError for an argument that has no derivative; the pullback ShapeError for a
      cotangent that does not fit, MutationError if a Param was written in between.
    Complex cotangents and gradients are as in PyTorch: the gradient by x of y = a * x is conj(a) * cotangent.

    >>> import numpy as np, knetpy as kn
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
        fits(f"the cotangent of {label_of(f)}", lambda _, c: given.append(c), y_like, cotangent)
        tape.check_unchanged(lambda p: label(p, f))
        seeds: dict = {}
        for (path, like, uid), c in zip(likes, given):
            c = matching(c, like, f"the cotangent{path} of {label_of(f)}")
            if uid in tape.steps and c is not None:
                seeds[uid] = c if uid not in seeds else seeds[uid] + c
        found, out = conjugated(sweep(tape.steps_again(), conjugated(seeds), watch())), Exit(cotangent)
        return tuple(tree_map(lambda x, r: gradient_of(out, found, x, r), a, r) for a, r in zip(args, new))

    y_like = tree_map(lambda x: None, y)
    y = Exit(tape_stays=True).tree(y)
    tape.derives = False  # for a task that was started inside and still sees it
    commit(tape)
    return y, pullback


def fits(what, do, tree, other):
    """`tree_map`, with an error that says what does not have the structure of the tree."""
    try:
        tree_map(do, tree, other)
    except TypeError as mismatch:
        if " expected a " not in str(mismatch):
            raise
        raise TypeError(f"{what} must have the same structure: {mismatch}") from None


def matching(x, like, what):
    """A tangent or cotangent as an array of the dtype of `like`; its shape must agree."""
    if x is None or not hasattr(like, "dtype"):
        return None
    if not isinstance(getattr(x, "dtype", None), np.dtype):
        try:
            x = beside(np.asarray(x, like.dtype), like)
        except (TypeError, ValueError, RuntimeError) as reason:
            raise TypeError(f"{what} must be an array or numbers in lists: {reason}") from None
    if x.shape != like.shape:
        raise ShapeError(f"{what} must have shape {like.shape}, got {x.shape}")
    if (there := on_gpu(bare(like))) != on_gpu(bare(x)) and (there or x.shape):
        places = ("CPU", "GPU")[:: -1 if there else 1]
        raise DeviceError(
            f"{what} is on the {places[1]}, and its operand on the {places[0]}; move it by kn.{places[0].lower()}"
        )
    if x.dtype.kind not in ("fiubc" if like.dtype.kind == "c" else "fiub"):
        raise DtypeError(f"{what} must have dtype {like.dtype}, got {x.dtype}")
    return x if x.dtype == like.dtype else x.astype(like.dtype)


def jvp(f: Callable, args: Sequence, tangents: Sequence) -> tuple[Any, Any]:
    """(f(*args), tangent of it in the direction `tangents`), in forward mode.

    Parameters:
      f: any function. Params are constants.
      args: a tuple, the arguments of f.
      tangents: a tuple of the same structure, each leaf with the shape of its argument, or None for a constant.
    Returns: a pair; the tangent has the structure of the value, zeros where it does not depend on the arguments.
    Raises: TypeError unless both are tuples of one length and structure, ShapeError for a tangent that does not fit.

    >>> import numpy as np, knetpy as kn
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

    fits(f"the tangent of {what}", attach, new, tangent)
    return new


def _tangent(out, dual, x):
    """The tangent of one leaf of the output; zeros where it does not depend on the arguments."""
    array = np.result_type(x, np.float64).type(x) if is_number(x) and not hasattr(x, "dtype") else bare(x)
    if not hasattr(array, "dtype") or array.dtype.kind not in "fc":
        return None
    return out.gradient(dual.tangents.get(x.uid) if isinstance(x, Value) else None, array)


def hvp(f: Callable, args: Sequence, v: Any) -> Any:
    """The Hessian of the scalar f times v, forward over reverse: about the cost of three gradients.

    Parameters:
      f: a function that returns a real scalar.
      args: a tuple, the arguments of f.
      v: a tuple of the structure of args; or a mapping from Params, for the Hessian by those.
    Returns: a tuple of the structure of args, or `Gradients` with the Params of v; other params are held constant.
    Raises: as `jvp` and `grad`; KeyError if f does not touch a Param of v.

    >>> import numpy as np, knetpy as kn
    >>> kn.hvp(lambda x: (x ** 3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)
    """
    check_callable(f, "hvp", "{}(f, (x,), (v,))")
    if not isinstance(args, (tuple, list)):
        raise TypeError("hvp(f, args, v) takes a tuple of arguments, for one argument hvp(f, (x,), (v,))")
    if not isinstance(v, Mapping) or not all(isinstance(p, Param) for p in v):
        if not isinstance(v, (tuple, list)) or len(v) != len(args):
            raise TypeError("hvp(f, args, v) takes a v for each argument, for one argument hvp(f, (x,), (v,))")
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
