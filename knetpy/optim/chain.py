"""Optimizers that consist of others."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

from .optimizer import Optimizer, Pairs, checked_optimizer, dropping, identity


class chain(Optimizer):  # noqa: N801  in lower case, as in itertools
    """An optimizer of several, in order: what is done to gradients, a rule, and what follows it.

    Each gets the Params or arrays of an update with the gradients as the one before it left them. All prepare their
    part before the first of them writes, so that an update still changes everything or nothing.

    Parameters:
      *parts: optimizers, of which one at least is a rule.
    Raises: TypeError for what is none, ValueError for one that is there twice.

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
            checked_optimizer(part, "chain")
        if not any(part.moves for part in parts):
            given = ", ".join(type(part).__name__ for part in parts) or "nothing"
            raise TypeError(f"chain: there must be a rule such as kn.Adam() in it, got {given}")
        if len({id(part) for part in parts}) < len(parts):
            raise ValueError("chain: one of the parts is there twice; make another, as each remembers its own")
        self.parts = parts

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        writes: list[Callable] = []
        for part in self.parts:
            pairs, more = part.plan(pairs, path_of)
            writes += more
        return pairs, writes

    def _with(self, name: str) -> Optimizer | None:
        """The part that has a setting, if it is the only one."""
        found = [part for part in vars(self).get("parts", ()) if name in part.settings or part._with(name)]
        return found[0] if len(found) == 1 else None

    def __getattr__(self, name: str) -> Any:
        part = None if name.startswith("__") else self._with(name)
        return super().__getattr__(name) if part is None else getattr(part, name)

    def __setattr__(self, name: str, value: Any) -> None:
        part = self._with(name)
        return super().__setattr__(name, value) if part is None else setattr(part, name, value)

    def __reduce__(self) -> tuple:
        return type(self), tuple(map(copy.copy, self.parts))

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.parts))})"


class Choose(Optimizer):
    """An optimizer for each param: what a function of its path says, None for one that is frozen.

    Parameters:
      choose: a function (path, w) -> optimizer or None, asked once for each Param or array `w`, at its first update.
        The path is as in `named_params`: "w[0]" or ".layer1.b" for a model, "[0]" for a list. The function returns
        optimizers that were made before.
    Raises: TypeError for what is no function; from the update, for what it returns.

    Params with the same optimizer are updated by it together, so that a global norm is that of all of them. The states
    belong to these optimizers: for another choice make another Choose of them.

    >>> import numpy as np, knetpy as kn
    >>> net = {"w": kn.param([[1.0]]), "b": kn.param([1.0]), "old": kn.param([1.0])}
    >>> slow, fast = kn.SGD(lr=0.25), kn.SGD(lr=0.5)
    >>> def choose(path, w):
    ...     if "old" in path:
    ...         return None
    ...     return slow if w.ndim == 1 else fast
    >>> kn.update(net, kn.grad(lambda: np.sum(net["w"] * net["b"] * net["old"]))(), kn.optim.Choose(choose))
    >>> [w.value.item() for w in net.values()]
    [0.5, 0.75, 1.0]
    """

    fixed = ("choose",)

    def __init__(self, choose):
        if not callable(choose) or isinstance(choose, (type, Optimizer)):
            raise TypeError(
                f"Choose: choose must be a function (path, w) -> optimizer or None, got {type(choose).__name__}"
            )
        self.choose = choose
        object.__setattr__(self, "chosen", {})

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        groups: dict[int, tuple[Optimizer, Pairs]] = {}
        for target, g in pairs:
            opt = self._choice(target, path_of)
            if opt is not None:
                groups.setdefault(id(opt), (opt, []))[1].append((target, g))
        plans = [opt.plan(group, path_of) for opt, group in groups.values()]
        return [pair for passed, _ in plans for pair in passed], [write for _, writes in plans for write in writes]

    def _choice(self, target: Any, path_of: Callable) -> Optimizer | None:
        key, owner = identity(target)
        known, opt = self.chosen.get(key, (None, None))
        if known is None or known() is not owner:
            path = path_of(target)
            opt = self.choose(path, target)
            if opt is not None:
                checked_optimizer(opt, f"Choose: for {path}")
            self.chosen[key] = weakref.ref(owner, dropping(self, "chosen", key)), opt
        return opt
