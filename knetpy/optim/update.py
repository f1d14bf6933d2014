"""`update`: everything is checked before anything is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.errors import DeviceError, DtypeError, MutationError, NonFiniteError, ShapeError, explain_gpu, warn
from ..core.trace import active
from ..core.value import Param, bare
from ..devices import on_gpu
from ..ops.arguments import flag
from ..ops.rowsparse import RowSparse
from ..parameters.search import named_params
from ..transforms.gradients import Gradients
from ..tree import children, leaves, tree_map
from .chain import loss_scaler
from .optimizer import Optimizer, checked_optimizer
from .settings import is_number
from .state import Pairs, as_reals, identity, working_dtype


def update(params_or_model: Any, grads: Any, opt: Any = None, *, check_finite: bool = False) -> None:
    """Change params, in place, by one step of an optimizer along their gradients.

    Parameters:
      params_or_model: a Param; a container of Params or of plain floating arrays, nested as you like; or a function or
        model, which means all `kn.params` of it.
      grads: what `grad(f)(...)` returned, or a dict from Params to arrays; or a container of the same structure as
        params_or_model, as `grad(f, 0)(...)` returns. Each gradient has the shape and dtype of its param, or float32
        for float16; None leaves the param alone. Complex params are updated as pairs of real numbers.
      opt=None: the optimizer, such as `kn.Adam()`. Make it once, before the loop: it remembers what the rule needs.
      check_finite=False: refuse gradients with NaN or Inf.
    Returns: None. A param that the call of f did not touch is left alone, and warns once; a frozen one is left alone.
      On the CPU it warns if the last gradient begins with NaN or Inf, as those of a loss that is NaN do.
    Raises: TypeError, ShapeError, DtypeError, MutationError (in a transform, or into what cannot be written),
      NonFiniteError, ValueError if none of the params was touched or all are frozen. A failed update has changed
      nothing.

    >>> import numpy as np, knetpy as kn
    >>> w, b = kn.param([[2.0]]), kn.param0(1)
    >>> def loss(x, y):
    ...     return np.mean((x @ w + b - y) ** 2)
    >>> x, y, opt = np.ones((1, 1), "f4"), np.ones((1, 1), "f4"), kn.SGD(lr=0.25)
    >>> for _ in range(2):
    ...     kn.update([w, b], kn.grad(loss)(x, y), opt)
    >>> w.value.item(), b.value.item()
    (1.5, -0.5)
    """
    check_roles(params_or_model, grads)
    check_finite = flag("update", "check_finite", check_finite)
    opt = checked_optimizer(opt, "update")
    step(params_or_model, grads, opt, check_finite, warns=not check_finite)


def step(params_or_model: Any, grads: Any, opt: Optimizer, check_finite: bool, *, warns: bool = False) -> None:
    """`update` whose arguments have their roles; `warns`, whether it tells of gradients that are not finite."""
    if any(trace.derives for trace in active()):
        raise MutationError(
            "update was called while a transform runs; take the gradient first, then update outside of the function"
        )
    pairs, paths = (by_param if is_by_param(grads) else by_structure)(params_or_model, grads, opt)
    some_complex = False
    for n, (w, g) in enumerate(pairs):
        if g is not None and (check_finite or not fits(w, g)):
            check(w, g, name_of(w, paths()[n]), check_finite)
            some_complex = some_complex or w.dtype.kind == "c"
    changes = apart(once(pairs, paths))
    if some_complex:
        changes = [(w, as_reals(g)) for w, g in changes]
    if warns and changes and begins_unfit(changes[-1][1]):
        warn_of_unfit(opt)
    try:
        opt.apply(changes, _Places(pairs, paths))
    except Exception as failure:
        explain_gpu(failure, "update")
        raise


Paths = Callable[[], list[str]]  # where they are in the first argument; finding out takes longer than a small update


class _Places(dict):
    """From a Param or array to its path, if somebody asks."""

    def __init__(self, pairs: Pairs, paths: Paths):
        self.pairs, self.paths = pairs, paths

    def __call__(self, target: Any) -> str:
        if not self:
            self.update({id(w): path for (w, _), path in zip(self.pairs, self.paths())})
        return self[id(target)]


def name_of(target: Any, path: str) -> str:
    """What messages call the Param or array at a path of the first argument."""
    path = "params" + path if path[:1] in ("[", ".") else path or "the array"
    return f"{path} of shape {target.shape}" if is_array(target) else path


# ------------------------------------------------------------------------------------- what belongs to what


def is_by_param(grads: Any) -> bool:
    """Whether gradients are looked up by Param: `Gradients`, or a dict from Params to arrays."""
    return isinstance(grads, Gradients) or (
        isinstance(grads, Mapping) and len(grads) > 0 and all(isinstance(key, Param) for key in grads)
    )


def by_param(params_or_model: Any, grads: Mapping, opt: Optimizer) -> tuple[Pairs, Paths]:
    """The Params of an object that have a gradient; the others warn. The gradients stand for all of their own."""
    own = params_or_model is grads
    found = list(grads) if own else listed(params_or_model) or list(named_params(params_or_model).values())
    if not found and not own:
        raise TypeError(
            f"update: there is no Param in {described(params_or_model)}; make Params with kn.param(array), or take the "
            "gradient of plain arrays by argument: grad(f, 0)(w, x)"
        )
    found = unfrozen(found)
    look_up = grads.compact if isinstance(grads, Gradients) else grads.__getitem__
    pairs = [(p, look_up(p)) for p in found if p in grads]
    if len(pairs) < len(found):
        untouched({path: p for path, p in named_params(params_or_model).items() if not p.frozen}, grads, opt)

    def paths() -> list[str]:
        known = {p.uid: path for path, p in (named(grads) if own else named_params(params_or_model)).items()}
        return [known[p.uid] for p, _ in pairs]

    return pairs, paths


def unfrozen(params: list[Param]) -> list[Param]:
    """The Params that are trained; raises if all are frozen."""
    found = [p for p in params if not p.frozen]
    if not found:
        raise ValueError("update: all params are frozen, so that there is nothing to change; kn.nn.thaw thaws them")
    return found


def listed(params: Any) -> list[Param] | None:
    """The Params, if that is all that is there; to look for them in functions and objects takes longer."""
    params = [params] if isinstance(params, Param) else params
    return params if isinstance(params, list) and all([p.__class__ is Param for p in params]) else None


def untouched(found: dict[str, Param], grads: Mapping, opt: Optimizer) -> None:
    """Warn of Params without gradient, once of each; raise if none of them has one."""
    if not any(p in grads for p in found.values()):
        touched = ", ".join(f"{path} {p.shape}" for path, p in named(grads).items()) or "none"
        given = ", ".join(f"{path} {p.shape}" for path, p in found.items())
        raise ValueError(
            f"update: these are gradients of other params. To be updated: {given}; the gradients are for: {touched}. "
            "Pass the params, or the model, that the loss uses"
        )
    for path, p in found.items():
        if p not in grads and p.uid not in opt.warned:
            warn(
                f"update: {name_of(p, path)} was not touched by the call that gave these gradients; it is left as it is"
            )
            opt.warned.add(p.uid)


def named(grads: Mapping) -> dict[str, Param]:
    """The Params that gradients are for, by name."""
    return grads.named() if isinstance(grads, Gradients) else {f"param[{n}]": p for n, p in enumerate(grads)}


def by_structure(params: Any, grads: Any, opt: Optimizer) -> tuple[Pairs, Paths]:
    """The leaves of two containers of the same structure, paired."""
    if children(params) is None and not is_array(params):
        raise TypeError(
            f"update: to change the params of {described(params)} takes what grad(loss)(x, y) returned, "
            f"got {described(grads)}"
        )
    pairs: Pairs = []
    try:
        tree_map(lambda w, g: pairs.append((w, None if getattr(w, "frozen", False) else g)), params, grads)
    except TypeError as mismatch:
        raise TypeError(f"update: the gradients do not have the structure of the params: {mismatch}") from None
    return pairs, lambda: [path for path, _ in leaves(params)]


def once(pairs: Pairs, paths: Paths) -> Pairs:
    """`pairs` with a gradient, and without repetitions of the same array with it; with another gradient it raises."""
    kept: dict[Any, tuple[int, Any, Any]] = {}
    for n, (w, g) in enumerate(pairs):
        if g is not None:
            first, _, other = kept.setdefault(w.uid if w.__class__ is Param else identity(w)[0], (n, w, g))
            if other is not g:
                same, also = (name_of(w, paths()[place]) for place in (first, n))
                raise ValueError(
                    f"update: {same} and {also} are the same array and have two gradients; pass it once, with their sum"
                )
    return [(w, g) for _, w, g in kept.values()]


def apart(pairs: Pairs) -> Pairs:
    """`pairs` with a copy of each gradient that is a view of other memory, which one of the steps may change."""
    arrays = [w.value if isinstance(w, Param) else w for w, _ in pairs]

    def lasting(g: Any) -> Any:
        alone = not isinstance(g, np.ndarray) and (not on_gpu(g) or g.base is None)
        shared = not alone and any([np.may_share_memory(g, w) for w in arrays if on_gpu(w) == on_gpu(g)])
        return g.copy() if shared else g

    return [(w, lasting(g)) for w, g in pairs]


# ---------------------------------------------------------------------------------------------------- checks


def check_roles(params: Any, grads: Any) -> None:
    """Raise if the first argument cannot be params, or the second cannot be gradients."""
    if isinstance(grads, Gradients) and (isinstance(params, (list, Param)) or params is grads):
        return
    if isinstance(params, (Gradients, Optimizer)) or isinstance(grads, Optimizer):
        raise TypeError(
            f"update: the arguments are (params, gradients, optimizer), got {described(params)} and {described(grads)}"
        )
    if callable(grads) and children(grads) is None and not is_array(grads) and not isinstance(grads, Mapping):
        raise TypeError(
            "update: the second argument is a function; gradients are what it returns: g = grad(loss)(x, y), then "
            "update(params, g, opt)"
        )
    if isinstance(grads, tuple) and any(isinstance(part, Mapping) and is_by_param(part) for part in grads):
        raise TypeError(
            "update: the second argument is the pair that value_and_grad returned; write value, g = "
            "value_and_grad(loss)(x, y), then update(params, g, opt)"
        )
    if is_number(grads) and not (isinstance(params, Param) and not params.shape):
        raise TypeError(f"update: the second argument is the number {grads}, a loss? Gradients are grad(loss)(x, y)")


def fits(w: Any, g: Any) -> bool:
    """Whether `check` would find nothing: the short way for a Param and its gradient."""
    if not isinstance(w, Param) or g.__class__ is not w.value.__class__:
        return False
    array = w.value
    same = g.shape == array.shape and g.dtype == array.dtype and g.dtype.kind == "f"
    return same and (array.base.flags.writeable if g.__class__ is np.ndarray else on_gpu(g))


def check(w: Any, g: Any, name: str, check_finite: bool) -> None:
    """Raise unless the gradient fits and the array can be written."""
    if isinstance(g, Param):
        raise TypeError(
            f"update: a Param is given as the gradient of {name}; the arguments are (params, gradients, optimizer)"
        )
    if not is_array(w):
        raise TypeError(f"update: {name} is {described(w)}, which cannot be written in place; make it an array")
    if w.dtype.kind not in "fc":
        raise DtypeError(f"update: {name} has dtype {w.dtype}, which has no gradient; write .astype(np.float32)")
    if not (isinstance(g, (np.ndarray, np.generic, RowSparse)) or on_gpu(g)):
        raise TypeError(f"update: the gradient of {name} must be an array, got {described(g)}")
    if g.shape != w.shape:
        raise ShapeError(f"update: {name} has a gradient of shape {g.shape}; a gradient has the shape of its param")
    if g.dtype not in (w.dtype, working_dtype(w)) or g.dtype.kind != w.dtype.kind:
        to = f"np.{w.dtype}" if w.dtype.isnative else repr(w.dtype.str)
        raise DtypeError(f"update: {name} has dtype {w.dtype}, its gradient {g.dtype}; write g.astype({to})")
    if on_gpu(bare(w)) != on_gpu(g.values if isinstance(g, RowSparse) else g):
        raise DeviceError(f"update: {name} and its gradient are on two devices; move one of them with kn.gpu or kn.cpu")
    check_writable(w, name)
    if check_finite:
        check_values(g, name)


def check_writable(w: Any, name: str, caller: str = "update") -> None:
    """Raise if the array cannot be written."""
    array = w.value.base if isinstance(w, Param) else w  # p.value is a read-only view of what is written
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise MutationError(
            f"{caller}: {name} is read-only: it is the .value of a Param (pass the Param), or a derivative still needs "
            "it, such as a pullback of kn.vjp (del it first), or its mean stands in its place (kn.optim.EMA.averaged), "
            "or it was made so"
        )


def check_values(g: Any, name: str) -> None:
    """Raise if there is a NaN or an Inf."""
    g = g.values if isinstance(g, RowSparse) else g
    finite = np.isfinite(g)
    if not finite.all():
        kind = "NaN" if np.isnan(g).any() else "Inf"
        raise NonFiniteError(
            f"update: the gradient of {name} has {int((~finite).sum())} of {g.size} elements not finite ({kind} among "
            "them); nothing was changed. kn.check_nonfinite() finds where it comes from"
        )


def begins_unfit(g: Any) -> bool:
    """Whether the first number of a gradient is NaN or Inf; a GPU is not waited for."""
    return g.__class__ is np.ndarray and g.size > 0 and not math.isfinite(abs(g.item(0)))


def warn_of_unfit(opt: Optimizer) -> None:
    """Say it, but of gradients of a scaled loss, which are left out if they overflow."""
    if loss_scaler(opt) is None:
        lr = getattr(opt, "lr", None)
        rate = f" than {lr:g}" if is_number(lr) else ""
        warn(
            "update: the gradients have NaN or Inf in them, and with this step so have the params: look for NaN in the "
            f"data, or take a smaller learning rate{rate}; check_finite=True refuses such a step, "
            "kn.check_nonfinite() finds where it comes from"
        )


def is_array(x: Any) -> bool:
    """Whether `x` is a Param or an array, of any device; NumPy's scalars are not."""
    is_one = isinstance(getattr(x, "dtype", None), np.dtype) and hasattr(x, "shape")
    return is_one and not isinstance(x, np.generic)


def described(x: Any) -> str:
    """What an argument is, in a few words."""
    if isinstance(x, Gradients):
        return "the gradients"
    if isinstance(x, Optimizer):
        return f"the optimizer {type(x).__name__}"
    if is_array(x):
        return f"an array of shape {x.shape}"
    if x is None or is_number(x):
        return f"the number {x}" if x is not None else "None"
    if callable(x):
        return f"the function {getattr(x, '__name__', type(x).__name__)}"
    return f"a {type(x).__name__}"
