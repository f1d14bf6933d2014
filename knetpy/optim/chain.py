"""Optimizers that consist of others."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from .optimizer import Optimizer, checked_optimizer
from .state import Master, Pairs, dropping, identity


class Several(Optimizer):
    """The base of what has others inside. A setting that only one of them has is a setting of the whole: `opt.lr`."""

    def inside(self) -> tuple[Optimizer, ...]:
        """Those that are inside; none before there are any."""
        return vars(self).get("parts", ())

    def known_settings(self) -> tuple[str, ...]:
        """Its own, and those of the parts."""
        inner = [name for part in self.inside() for name in part.known_settings()]
        return tuple(dict.fromkeys([*self.settings, *inner]))

    def named_inside(self) -> dict[str, Optimizer]:
        """The same by what the user writes after the optimizer."""
        return {f"parts[{n}]": part for n, part in enumerate(self.inside())}

    def _owner(self, name: str) -> Optimizer | None:
        """The part that has a setting, if it is the only one; AttributeError if there are more."""
        if name.startswith("__") or name in type(self).settings:
            return None
        found = self._owners(name)
        if len(found) > 1:
            ways = " or ".join(f"opt.{path}.{name}" for path in found)
            raise AttributeError(
                f"{type(self).__name__}: {len(found)} of its parts have a setting {name!r}; write {ways}"
            )
        return next(iter(found.values()), None)

    def _owners(self, name: str) -> dict[str, Optimizer]:
        found = {}
        for path, part in self.named_inside().items():
            if name in type(part).settings:
                found[path] = part
            elif isinstance(part, Several):
                found.update({f"{path}.{further}": owner for further, owner in part._owners(name).items()})
        return found

    def now(self, name: str) -> Any:
        """The value of a setting at the newest update, as for one optimizer."""
        part = self._owner(name) if isinstance(name, str) else None
        return super().now(name) if part is None else part.now(name)

    def __getattr__(self, name: str) -> Any:
        part = self._owner(name)
        return super().__getattr__(name) if part is None else getattr(part, name)

    def __setattr__(self, name: str, value: Any) -> None:
        part = self._owner(name)
        return super().__setattr__(name, value) if part is None else setattr(part, name, value)


def all_inside(parts: tuple[Optimizer, ...]) -> list[Optimizer]:
    """The optimizers and those that they consist of."""
    return [x for part in parts for x in (part, *all_inside(part.inside()))]


def loss_scaler(opt: Optimizer) -> Any:
    """The one of `opt` and those inside that takes the gradients of the loss times its `scale`; None if none does."""
    if opt.rescales:
        return opt
    return next(filter(None, map(loss_scaler, opt.inside())), None) if isinstance(opt, Several) else None


class chain(Several):  # in lower case, as in itertools
    """An optimizer of several, in order: what is done to gradients, a rule, and what follows it.

    Each gets the Params or arrays of an update with the gradients as the one before it left them. All prepare their
    part before the first of them writes, so that an update still changes everything or nothing.

    Parameters:
      *parts: optimizers, of which one at least is a rule.
    Raises: TypeError for what is none, ValueError for one that is there twice, or on the wrong side of the rules.

    Attributes:
      parts: a tuple of them; a copy has copies.

    A setting that only one of the parts has is a setting of the chain: `opt.lr`.

    >>> import numpy as np, knetpy as kn
    >>> opt = kn.chain(kn.optim.ClipGlobalNorm(1.0), kn.optim.WeightDecay(0.01), kn.Momentum(lr=0.1), kn.optim.EMA())
    >>> w = kn.param([1.0])
    >>> kn.update(w, np.array([100], "f4"), opt)
    >>> w.value  # 1 - 0.1 * (1 + 0.01)
    array([0.899], dtype=float32)
    >>> opt.lr = 0.01
    >>> opt.parts[2]
    Momentum(lr=0.01, momentum=0.9)
    """

    fixed = ("parts",)

    def __init__(self, *parts):
        for part in parts:
            if isinstance(part, (list, tuple)):
                raise TypeError(
                    f"chain: its parts are arguments of their own, not in a {type(part).__name__}: kn.chain(*parts)"
                )
            checked_optimizer(part, "chain")
        if not any(part.moves for part in parts):
            given = ", ".join(type(part).__name__ for part in parts) or "nothing"
            raise TypeError(f"chain: there must be a rule such as kn.Adam() in it, got {given}")
        moving = [n for n, part in enumerate(parts) if part.moves]
        for n, part in enumerate(parts):
            misplaced = n > moving[-1] if part.place == "before" else n < moving[0] if part.place == "after" else False
            if misplaced:
                rule = type(parts[moving[0]]).__name__
                raise ValueError(
                    f"chain: {type(part).__name__} must stand {part.place} {rule}, or it has no effect on it"
                )
        if any(loss_scaler(part) for part in parts[1:]):
            raise ValueError(
                "chain: MixedPrecision undoes the scale of the loss for its inside only: MixedPrecision(chain(...))"
            )
        if len(set(map(id, rules := all_inside(parts)))) < len(rules):
            raise ValueError("chain: one of the parts is there twice; make another, as each remembers its own")
        self.parts = parts

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        writes: list[Callable] = []
        for part in self.parts:
            pairs, more = part.plan(pairs, path_of)
            writes += more
        return pairs, writes

    def __reduce__(self) -> tuple:
        return type(self), tuple(map(copy.copy, self.parts))

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.parts))})"


class Choose(Several):
    """An optimizer for each param: the one that a function of its path names, none for a param that is frozen.

    Parameters:
      choose: a function (path, w) -> name of a part, or None. It is asked once for each Param or array `w`, at its
        first update. The path is as in `named_params`: "w[0]" or "model.w" for a function or model, "[0]" for a list.
      **parts: the optimizers by their names, of which each is an attribute.
    Raises: TypeError for what is no function, or no optimizer; from the update, ValueError for another name.

    Params with the same optimizer are updated by it together, so that a global norm is that of all of them. With
    another function, `Choose(other, **opt.named)` goes on with the same states.

    Attributes:
      names, parts, named: the names, the optimizers, and the dict of both.

    >>> import numpy as np, knetpy as kn
    >>> net = {"w": kn.param([[1.0]]), "b": kn.param([1.0]), "old": kn.param([1.0])}
    >>> def choose(path, w):
    ...     if "old" in path:
    ...         return None
    ...     return "slow" if w.ndim == 1 else "fast"
    >>> opt = kn.optim.Choose(choose, slow=kn.SGD(lr=0.25), fast=kn.SGD(lr=0.5))
    >>> kn.update(net, kn.grad(lambda: np.sum(net["w"] * net["b"] * net["old"]))(), opt)
    >>> [w.value.item() for w in net.values()]
    [0.5, 0.75, 1.0]
    >>> opt.slow.lr = 0.125
    """

    __slots__ = ("_chosen",)  # {key: (weak reference, name)} of each Param or array; not among the settings
    fixed = ("choose", "parts")

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """Whether it can be an update by itself: whether each of its parts can."""
        return all(part.moves for part in self.inside())

    def __new__(cls, *choose, **parts):
        if len(choose) + ("choose" in parts) != 1:
            raise TypeError(
                "Choose takes one function (path, w) -> name, and optimizers by name: Choose(f, slow=kn.SGD())"
            )
        return super().__new__(cls)

    def __init__(self, choose, **parts):
        if not callable(choose) or isinstance(choose, (type, Optimizer)):
            raise TypeError(f"Choose: choose must be a function (path, w) -> name, got {type(choose).__name__}")
        for name, part in parts.items():
            checked_optimizer(part, f"Choose: {name}")
            if loss_scaler(part):
                raise ValueError(
                    "Choose: MixedPrecision must know all gradients of a loss: MixedPrecision(Choose(...))"
                )
            if hasattr(Choose, name):
                raise ValueError(f"Choose: {name!r} is a name that every optimizer has; give the part another")
        object.__setattr__(self, "_chosen", {})
        object.__setattr__(self, "names", tuple(parts))
        self.choose, self.parts = choose, tuple(parts.values())

    @property
    def named(self) -> dict[str, Optimizer]:
        return dict(zip(self.names, self.parts))

    def named_inside(self) -> dict[str, Optimizer]:
        """The parts by their names."""
        return dict(zip(vars(self).get("names", ()), self.inside()))

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        groups: dict[str, Pairs] = {}
        for target, g in pairs:
            name = self._choice(target.target if isinstance(target, Master) else target, path_of)
            if name is not None:
                groups.setdefault(name, []).append((target, g))
        plans = [self.named[name].plan(group, path_of) for name, group in groups.items()]
        return [pair for passed, _ in plans for pair in passed], [write for _, writes in plans for write in writes]

    def _choice(self, target: Any, path_of: Callable) -> str | None:
        key, owner = identity(target)
        known, name = self._chosen.get(key, (None, None))
        if known is None or known() is not owner:
            path = path_of(target)
            name = self.choose(path, target)
            if name is not None and name not in self.names:
                raise ValueError(
                    f"Choose: for {path or 'the array'} the function gave {name!r}; it must be one of "
                    f"{', '.join(self.names)}, or None"
                )
            self._chosen[key] = weakref.ref(owner, dropping(self, "_chosen", key)), name
        return name

    def __getattr__(self, name: str) -> Any:
        return self.named[name] if name in vars(self).get("names", ()) else super().__getattr__(name)

    def __reduce__(self) -> tuple:
        return partial(Choose, **{name: copy.copy(part) for name, part in self.named.items()}), (self.choose,)

    def __repr__(self) -> str:
        return f"Choose({self.choose!r}, {', '.join(f'{name}={part!r}' for name, part in self.named.items())})"
