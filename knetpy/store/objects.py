"""What is saved of objects: a tree of plain values, arrays and Params, which the object later takes back.

Objects offer that themselves with two methods, `state()`, which returns the tree, and `restore(tree)`. For those of
knetpy and NumPy that have other methods, it stands here.
"""

from __future__ import annotations

import copy
import functools
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.errors import label_of
from ..ops.batchnorm import Moments
from ..optim import schedules
from ..optim.chain import Choose
from ..optim.optimizer import Optimizer
from ..optim.state import State, as_reals, identity
from ..parameters.search import Search, named_params
from ..tree import leaves, tree_map

SCHEDULES = {f"schedules.{name}": vars(schedules)[name] for name in schedules.__all__ if name != "Plateau"}


class Stored:
    """How an object gives its state and takes it back; `undo` takes back the taking."""

    def __init__(self, x: Any):
        self.x = x

    def state(self, target_of: Callable[[State], Any]) -> Any:
        """The tree to save; `target_of` finds the Param or array in the saved tree that a State belongs to."""
        return self.x.state()

    def restore(self, tree: Any, ours: Callable[[Any], bool]) -> list[str]:
        """Take back a tree, and tell what of it does not fit and was left out.

        `ours` says of a Param or array in it whether it stands in what is loaded into.
        """
        self.x.restore(tree)
        return []

    def undoing(self) -> Callable[[], None]:
        """What makes the object again as it is now."""
        before = tree_map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, self.x.state())
        return lambda: self.x.restore(before)


class StoredMoments(Stored):
    """The running moments of a batchnorm."""

    names = ("momentum", "count", "mean", "var")

    def state(self, target_of):
        return {name: getattr(self.x, name) for name in self.names}

    def restore(self, tree, ours):
        Moments(tree["momentum"], **{k: tree[k] for k in ("mean", "var") if tree[k] is not None})  # checks them
        now = self.x.mean
        if now is not None and tree["mean"] is not None and now.shape != tree["mean"].shape:
            raise ValueError(f"its mean has shape {now.shape}, in the file {tree['mean'].shape}")
        vars(self.x).update({name: tree[name] for name in self.names})
        return []

    def undoing(self):
        before = dict(vars(self.x))  # updates make new arrays
        return lambda: vars(self.x).update(before)


class StoredGenerator(Stored):
    """One of NumPy's random generators."""

    def state(self, target_of):
        return self.x.bit_generator.state

    def restore(self, tree, ours):
        self.x.bit_generator.state = tree
        return []

    def undoing(self):
        before = copy.deepcopy(self.x.bit_generator.state)
        return lambda: self.restore(before, lambda target: True)


class StoredOptimizer(Stored):
    """An optimizer: its settings, and what it remembers of each Param or array."""

    slots = [name for name in State.__slots__ if name not in ("key", "owner", "__weakref__")]

    def state(self, target_of):
        settings = {name: self._written(vars(self.x)[name]) for name in self.x.settings if name in vars(self.x)}
        states = [{"of": target_of(s), **{k: getattr(s, k) for k in self.slots}} for s in self.x.states.values()]
        return {"rule": type(self.x).__name__, "settings": settings, "states": states}

    def _written(self, setting):
        """A setting as it is saved: parts that have names with them, the user's own functions by their names."""
        if isinstance(self.x, Choose) and setting is self.x.parts:
            return self.x.named
        return setting if stored(setting) or is_schedule(setting) or not is_code(setting) else label_of(setting)

    def restore(self, tree, ours):
        if tree["rule"] != type(self.x).__name__:  # one in a chain, which is compared here first
            raise ValueError(f"it is a {type(self.x).__name__}, in the file a {tree['rule']}")
        left: list[str] = []
        for name, setting in tree["settings"].items():
            now = getattr(self.x, name)
            new = self._taken(name, now, setting, ours, left)
            if new is not now and (type(new) is not type(now) or new != now):
                setattr(self.x, name, new)
        states = [self._state(told) for told in tree["states"] if ours(told["of"])]
        self.x.states.clear()
        self.x.states.update({state.key: state for state in states})
        return left

    def _taken(self, name, now, setting, ours, left):
        """A setting as it shall be: the file's, but optimizers take back their states, and code stays the user's own.

        What does not fit for that is told in `left`.
        """
        if (how := stored(now)) is not None:  # `setting` is what it was read as without the object
            left += how.restore(setting, ours)
            return now
        if isinstance(now, tuple) and any(map(stored, now)):
            self._parts(now, setting, ours, left)
            return now
        if is_code(now) and not is_schedule(now):
            if not isinstance(setting, (str, dict)):  # a dict was one of a class of the user's
                left.append(f"{name} is a function of your own, which stays; in the file {setting!r:.80}")
            return now
        if name in self.x.kinds and isinstance(setting, (str, dict)):
            what = f"the function {setting!r:.80}" if isinstance(setting, str) else "a schedule that cannot be read"
            left.append(f"{name} is {now!r}, which stays; in the file {what}, whose code is not in it")
            return now
        return setting

    def _parts(self, now, setting, ours, left):
        """Let the optimizers that this one consists of take back their states, by name if they have names."""
        if isinstance(self.x, Choose) and isinstance(setting, dict):
            named = self.x.named
            left += [f"its part {name!r} is missing in the file" for name in named if name not in setting]
            left += [f"its part {name!r:.80} is extra in the file" for name in setting if name not in named]
            pairs = [(part, setting[name]) for name, part in named.items() if name in setting]
        elif isinstance(setting, tuple) and len(setting) == len(now):
            pairs = list(zip(now, setting))
        else:
            raise ValueError("it is made of other parts than the one in the file")
        for n, (part, state) in enumerate(pairs):
            self._taken(f"parts[{n}]", part, state, ours, left)

    def _state(self, told):
        key, owner = identity(told["of"])
        fresh = self.x.init(as_reals(np.zeros(told["of"].shape, np.promote_types(told["of"].dtype, np.float32))))
        arrays = told["arrays"]
        if type(arrays) is not type(fresh) or [_form(a) for a in arrays] != [_form(a) for a in fresh]:
            raise ValueError("it remembers other arrays than those in the file")
        state = State(self.x, key, owner, arrays)
        for name in self.slots:
            setattr(state, name, told[name])
        return state

    def undoing(self):
        before = {name: dict(v) if isinstance(v, dict) else v for name, v in vars(self.x).items()}
        parts = [stored(leaf) for _, leaf in leaves([before[name] for name in self.x.settings if name in before])]
        steps = [part.undoing() for part in parts if part]

        def undo():
            for name, v in before.items():
                if isinstance(v, dict):
                    vars(self.x)[name].clear()
                    vars(self.x)[name].update(v)
                else:
                    object.__setattr__(self.x, name, v)
            for step in steps:
                step()

        return undo


def _form(x: Any) -> Any:
    return (x.shape, x.dtype) if isinstance(x, np.ndarray) else type(x)


def stored(x: Any) -> Stored | None:
    """How to save an object; None of what has no state of its own."""
    if isinstance(x, type):
        return None
    kinds = ((Optimizer, StoredOptimizer), (Moments, StoredMoments), (np.random.Generator, StoredGenerator))
    for kind, how in kinds:
        if isinstance(x, kind):
            return how(x)
    return Stored(x) if callable(getattr(x, "state", None)) and callable(getattr(x, "restore", None)) else None


def named(*objects: Any) -> dict[str, Any]:
    """The Params and Moments that objects hold and functions use, by the paths of `kn.named_params`."""
    return Search(Moments).over(objects, {})


def names_of(tree: Any) -> dict[int, str]:
    """The paths of the Params of a tree by their serial numbers."""
    return {p.uid: path for path, p in named_params(tree).items()}


def dotted(path: str) -> str:
    """A path as PyTorch and other programs spell it: layers.0.w for layers[0].w or ['layers'][0].w."""
    return re.sub(r"\[(?:'([^']*)'|([0-9]+))\]", r".\1\2", path).removeprefix(".")


def is_schedule(x: Any) -> bool:
    """Whether `x` is a schedule of knetpy's own, through and through: then a file can hold it."""
    if type(x) not in SCHEDULES.values():
        return False
    parts = [part for field in vars(x).values() for part in (field.values() if isinstance(field, Mapping) else [field])]
    return all(is_schedule(part) for part in parts if is_code(part))


def is_code(x: Any) -> bool:
    """Whether `x` is a function or a class, which stays what it is in the user's program."""
    return callable(x)


def remembers(x: Any) -> bool:
    """Whether a function or class may hold what its name does not tell: an instance with attributes, no plain function.

    What a function closes over stays with the user's program, as its code does.
    """
    if isinstance(x, functools.partial):
        return any(stored(part) or remembers(part) for part in (x.func, *x.args, *x.keywords.values()) if is_code(part))
    if type(x).__module__.partition(".")[0] in ("builtins", "functools", "numpy", "numba", "knetpy"):
        return stored(x) is not None
    if isinstance(x, type):
        return False
    slots = [np.atleast_1d(vars(kind).get("__slots__", ())).tolist() for kind in type(x).__mro__]
    names = [*getattr(x, "__dict__", {}), *[name for some in slots for name in some if hasattr(x, name)]]
    return any(not name.startswith("__") for name in names)


def kind_of(x: Any) -> str:
    """What the description calls the class of an object."""
    if isinstance(x, types.ModuleType):
        return x.__name__
    return "function" if hasattr(x, "__name__") and stored(x) is None else type(x).__name__
