"""Loading into what the user has: everything is compared first, then written in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import StoreError
from ..core.value import Param, Value, bare
from ..devices import beside, on_gpu
from ..interrupts import uninterrupted
from ..tree import children, rebuild
from .objects import Stored, dotted, kind_of, named, names_of, stored
from .rebuild import PLAIN, Rebuilder, fields, keyed, kind_and_content, listed, object_of, opened

Make = Callable[[], Any]  # what shall stand in the place of an old value: that itself, if it is written in place
Parts = dict[Any, Any]

MISFITS = ("missing in the file", "extra in the file", "mis-shaped", "mis-typed", "refused")
MISSING, EXTRA, SHAPE, TYPE, REFUSED = MISFITS
SHOWN = 20  # of each kind of misfit


class Fit:
    """Compares a file with what it is loaded into. `misfits` tells what differs; `write` writes what does not."""

    def __init__(self, arrays: dict[str, np.ndarray], objects: Any, into: Any):
        self.arrays, self.objects, self.into = arrays, objects, into
        self.reader = Rebuilder(arrays, objects)
        self.names = names_of(into)
        self.misfits: dict[str, list[str]] = {kind: [] for kind in MISFITS}
        self.writes: dict[int, tuple[Any, np.ndarray, str]] = {}  # id of a Param or array -> what comes into it
        self.restores: dict[int, tuple[Stored, Any, str]] = {}  # id of an object -> how, its node, where it stands
        self.installs: list[Callable[[], None]] = []  # what writes into lists, dicts and dataclasses
        self.readings: list[Make] = []  # what is read anew, when it is known which Params stand for which names

    def compare(self, node: Any, old: Any, path: str = "") -> Make:
        """What shall stand in the place of `old`. Takes down what to write, and what does not fit."""
        if isinstance(old, (Value, np.ndarray)) or on_gpu(old):
            return self._array(node, old, path)
        if old is None or isinstance(old, (*PLAIN, complex, np.generic)):
            return self._plain(node, old, path)
        how = stored(old)
        if how is not None:
            return self._object(node, old, how, path)
        if is_data(old):
            return self._data(node, old, path)
        if children(old) is not None:
            return self._container(node, old, path)
        found = named(old)
        if found or (callable(old) and isinstance(node, dict) and "object" in node):  # a model may have made none yet
            return self._holder(node, old, found, path)
        if not (isinstance(node, dict) and "code" in node):
            self._misfit(TYPE, path, f"is a {type(old).__name__}, in the file {told(node, self.objects)}")
        return lambda: old

    def _array(self, node, old, path):
        name = self.names.get(old.uid, path) if isinstance(old, Param) else path
        kind, content = opened(node)
        if kind not in ("param", "array"):
            return self._misfit(TYPE, name, f"is an array, in the file {told(node, self.objects)}", old)
        self.take(self.reader.array(content), old, name)
        self.reader.bound.setdefault(content, old)
        return lambda: old

    def take(self, new: np.ndarray, old: Any, name: str) -> None:
        """Take down that the values of `new` come into the Param or array `old`, if they fit."""
        array = bare(old)
        if isinstance(old, Param) and not on_gpu(array):
            array = array.base  # p.value is a read-only view of what is written
        first = self.writes.setdefault(id(old), (old, new, name))
        if new.shape != old.shape:
            way = " (x.T of it would fit: change=)" if new.shape[::-1] == old.shape and self.objects is None else ""
            self._misfit(SHAPE, name, f"is {old.shape}, in the file {new.shape}{way}")
        elif new.dtype != old.dtype.newbyteorder("="):
            self._misfit(TYPE, name, f"is {old.dtype}, in the file {new.dtype}")
        elif not on_gpu(array) and (not isinstance(array, np.ndarray) or not array.flags.writeable):
            self._misfit(TYPE, name, "cannot be written (a derivative still needs it, or it was made so)")
        elif first[1] is not new and first[1].tobytes() != new.tobytes():
            self._misfit(TYPE, name, f"is the same as {first[2]}, and in the file another")
        else:
            return
        if first[1] is new:
            del self.writes[id(old)]

    def _plain(self, node, old, path):
        """A number, a text or None: any number takes the place of a number, and anything that of None."""
        if old is None:
            return self._anew(node)
        if isinstance(node, PLAIN) or isinstance(node, dict) and not {"float", "complex", "scalar"}.isdisjoint(node):
            new = self.reader.tree(node)
            if new is None or type(new) is type(old) or is_number(new) and is_number(old):
                return lambda: new
        return self._misfit(TYPE, path, f"is a {type(old).__name__}, in the file {told(node, self.objects)}", old)

    def _anew(self, node) -> Make:
        """What the file has, whatever it is."""
        made: list = []
        self.readings.append(lambda: made.append(self.reader.tree(node)))
        return lambda: made[0]

    def _object(self, node, old, how, path):
        kind, n = opened(node)
        if kind != "object":
            return self._misfit(TYPE, path, f"is a {kind_of(old)}, in the file {told(node, self.objects)}", old)
        saved, state = object_of(self.objects, n)
        if saved != kind_of(old):
            return self._misfit(TYPE, path, f"is a {kind_of(old)}, in the file a {saved:.80}", old)
        self.restores[id(old)] = how, state, path
        return lambda: old

    def _holder(self, node, old, found, path):
        kind, n = opened(node)
        saved, state = object_of(self.objects, n) if kind == "object" else ("", None)
        kind, pairs = opened(state)
        if kind != "dict":
            return self._misfit(TYPE, path, f"is a {kind_of(old)}, in the file {told(node, self.objects)}", old)
        parts = dict(keyed(pairs))
        self._matched(parts, found, {name: name for name in (*found, *parts)})
        return lambda: old

    def _container(self, node, old, path):
        new = self._parts_of(node, old)
        if new is None:
            return self._misfit(TYPE, path, f"is a {type(old).__name__}, in the file {told(node, self.objects)}", old)
        parts = children(old)
        keys = list(old) if isinstance(old, dict) else [step for step, _ in parts]
        steps = {
            **{key: f"[{key!r}]" if isinstance(old, dict) else key for key in new},
            **dict(zip(keys, [step for step, _ in parts])),
        }
        paths = {key: path + step if path else step.removeprefix(".") for key, step in steps.items()}
        makes = self._matched(new, {key: part for key, (_, part) in zip(keys, parts)}, paths)
        if isinstance(old, tuple):
            return lambda: replaced(old, [makes[key]() for key in keys])
        self.installs.append(lambda: install(old, [makes[key]() for key in keys]))
        return lambda: old

    def _data(self, node, old, path):
        """An empty container, or a list that nothing but plain values are in: the file's takes its place, whole."""
        kinds = {list: {"numbers", "scalars"}, tuple: {"tuple"}, dict: {"dict"}}
        allowed = next(kinds[kind] for kind in kinds if isinstance(old, kind))
        if not (isinstance(node, list) and isinstance(old, list)) and opened(node)[0] not in allowed:
            return self._misfit(TYPE, path, f"is a {type(old).__name__}, in the file {told(node, self.objects)}", old)
        new = self._anew(node)
        if isinstance(old, tuple):
            return new

        def write():
            old.clear()
            (old.extend if isinstance(old, list) else old.update)(new())

        self.installs.append(write)
        return lambda: old

    def _parts_of(self, node, old):
        """{key, or step of the path: node} of a container's node; None if it is no container like `old`."""
        if isinstance(node, list):
            return {f"[{n}]": part for n, part in enumerate(node)} if isinstance(old, list) else None
        kind, content = opened(node)
        if isinstance(old, dict):
            return dict(keyed(content)) if kind == "dict" else None
        if isinstance(old, list):
            return None
        if isinstance(old, tuple) and not hasattr(old, "_fields"):
            return {f"[{n}]": part for n, part in enumerate(listed(content))} if kind == "tuple" else None
        return {f".{name}": part for name, part in fields(content)} if kind == "fields" else None

    def _matched(self, new: Parts, old: Parts, paths: dict) -> dict[Any, Make]:
        """Compare what has the same key; the rest is missing or extra."""
        makes = {}
        for key, part in old.items():
            if key in new:
                makes[key] = self.compare(new[key], part, paths[key])
            else:
                makes[key] = self._kept(part)
                self.misfits[MISSING] += self._leaves(part, paths[key])
        for key, node in new.items():
            if key not in old:
                self.misfits[EXTRA] += arrays_of(node, paths[key]) or [paths[key]]
        return makes

    @staticmethod
    def _kept(part) -> Make:
        return lambda: part

    def _leaves(self, tree, path):
        if isinstance(tree, Param):
            return [self.names.get(tree.uid, path)]
        nodes = children(tree) if stored(tree) is None else None
        return [name for step, child in nodes for name in self._leaves(child, path + step)] if nodes else [path]

    def _misfit(self, kind: str, path: str, what: str, old: Any = None) -> Make:
        self.misfits[kind].append(f"{path or 'the tree'} {what}")
        return lambda: old

    def differences(self) -> str:
        """What does not fit, as a message says it; nothing if all does."""
        shown = []
        for kind, found in self.misfits.items():
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            shown += [f"{kind}: {', '.join([f'{one:.200}' for one in found[:SHOWN]])}{more}"] if found else []
        return "; ".join(shown)

    def write(self, make: Make, strict: bool) -> Any:
        """Write all that fits. Objects come first: they may refuse, and then no other keeps what it took."""
        trees = [(how, self.reader.tree(state), path) for how, state, path in self.restores.values()]
        for read in self.readings:
            read()
        result = make()
        with uninterrupted():
            self._restore(trees, strict)
            for target, array, _ in self.writes.values():
                target[...] = beside(array, target)
            for step in self.installs:
                step()
        return result

    def _restore(self, trees: list, strict: bool) -> None:
        ours = {id(target) for target, _, _ in self.writes.values()}
        undo: list[Callable[[], None]] = []
        for how, tree, path in trees:
            before = len(undo)
            try:
                undo.append(how.undoing())
                left = how.restore(tree, lambda target: id(target) in ours)
                if left and strict:
                    raise ValueError("; ".join(left))
                self.misfits[REFUSED] += [f"{path or 'the tree'} ({kind_of(how.x)}): {one}" for one in left]
            except Exception as refusal:  # whatever an object of the user's may raise
                message = f"{path or 'the tree'} ({kind_of(how.x)}): {refusal}"
                for step in reversed(undo if strict else undo[before:]):
                    step()
                if strict:
                    raise StoreError(f"an object refused its state, and nothing was changed: {message}") from refusal
                self.misfits[REFUSED].append(message)


def install(old: Any, parts: list) -> None:
    """Put new parts where the old ones stand in a list, dict or dataclass."""
    for key, (step, part), new in zip(old if isinstance(old, dict) else range(len(parts)), children(old), parts):
        if new is part:
            continue
        if isinstance(old, (dict, list)):
            old[key] = new
        else:
            object.__setattr__(old, step[1:], new)  # frozen ones too: to be loaded into is what they are here for


def replaced(old: tuple, parts: list) -> tuple:
    """`old` itself if its parts are still the same."""
    return old if all(new is part for new, part in zip(parts, old)) else rebuild(old, parts)


def is_data(x: Any) -> bool:
    """Whether `x` is an empty container, or a list of numbers and texts: its length is no property of a model."""
    if isinstance(x, list):
        return set(PLAIN).issuperset(map(type, x)) or all(isinstance(y, (*PLAIN, complex, np.generic)) for y in x)
    return isinstance(x, (dict, tuple)) and not x


def is_number(x: Any) -> bool:
    """Whether `x` is a number, of Python's or NumPy's, that another may replace."""
    return isinstance(x, (int, float, complex, np.generic)) and not isinstance(x, bool)


def arrays_of(node: Any, path: str) -> list[str]:
    """The paths of the arrays in a node that stands at `path`."""
    kind, content = opened(node)
    if isinstance(node, list) or kind == "tuple":
        parts = [(f"[{n}]", part) for n, part in enumerate(node if isinstance(node, list) else listed(content))]
    elif kind == "dict":
        parts = [(f"[{key!r}]", part) for key, part in keyed(content)]
    elif kind == "fields":
        parts = [(f".{name}", part) for name, part in fields(content)]
    else:
        return [path] if kind in ("param", "array") else []
    return [found for step, part in parts for found in arrays_of(part, path + step)]


def told(node: Any, objects: Any) -> str:
    """What a message says that the file has."""
    if isinstance(node, (*PLAIN, list)):
        return f"a {type(node).__name__}" if node is not None else "None"
    kind, content = kind_and_content(node)
    if kind == "object":
        return f"a {object_of(objects, content)[0]:.80}"
    return {"array": "an array", "numbers": "a list", "scalars": "a list", "code": "a function"}.get(kind, f"a {kind}")


# -------------------------------------------------------------------------------- files that have no description


def compare_names(fit: Fit, into: Any) -> None:
    """Compare a file of somebody else's, which has names and no tree, with the Params and arrays of `into`.

    A name is the path as `kn.named_params` gives it, or `layers.0.w` for `layers[0].w`, as PyTorch writes it, or
    `layers/0/w`, as files of nested dicts do.
    """
    targets: dict[str, Any] = {path: x for path, x in named(into).items() if isinstance(x, Param)}
    known = {id(x) for x in targets.values()}
    targets.update({path: x for path, x in arrays_in(into, "") if id(x) not in known})
    used = set()
    for path, old in targets.items():
        name = next((name for name in spellings(path) if name in fit.arrays), None)
        if name is None:
            fit.misfits[MISSING].append(path)
        else:
            used.add(name)
            fit.take(fit.arrays[name], old, path)
    fit.misfits[EXTRA] += [name for name in fit.arrays if name not in used]


def arrays_in(tree: Any, path: str) -> list[tuple[str, np.ndarray]]:
    """The plain arrays of a tree with their paths."""
    if isinstance(tree, np.ndarray):
        return [(path or "array", tree)]
    nodes = children(tree) or ()
    return [p for step, child in nodes for p in arrays_in(child, path + step if path else step.removeprefix("."))]


def spellings(path: str) -> tuple[str, str, str]:
    """A path as it is, with dots and with slashes."""
    slashed = re.sub(r"\[(?:'([^']*)'|([0-9]+))\]|\.", r"/\1\2", path).removeprefix("/")
    return path, dotted(path), slashed
