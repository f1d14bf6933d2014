"""The tree that a description tells of. Whatever is wrong in one is a StoreError; nothing is imported or called."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import StoreError
from ..core.value import Param
from ..ops.batchnorm import Moments
from .describe import DEPTH
from .header import CODES
from .objects import SCHEDULES, StoredMoments

PLAIN = (type(None), bool, int, float, str)


class Rebuilder:
    """Makes trees of nodes. `bound` are the user's own Params and arrays that stand for names of the file."""

    def __init__(self, arrays: dict[str, np.ndarray], objects: Any, bound: dict[str, Any] | None = None):
        self.arrays, self.objects = arrays, objects
        self.bound: dict = dict(bound or {})
        self.made: dict = {}  # number of an object -> what was made of it
        self.spent: set = set()  # arrays that became lists, which take more memory; each may once

    def tree(self, node: Any, depth: int = 0) -> Any:
        if depth > DEPTH:
            raise StoreError(f"its tree is nested deeper than {DEPTH} levels")
        if isinstance(node, PLAIN):
            return node
        if isinstance(node, list):
            return [self.tree(part, depth + 1) for part in node]
        kind, content = kind_and_content(node)
        return getattr(self, "_" + kind)(content, depth + 1)

    def array(self, name: Any) -> np.ndarray:
        """The array of the file that a node names."""
        if not isinstance(name, str) or name not in self.arrays:
            raise StoreError(f"its tree names an array {name!r:.80} that it does not hold")
        return self.arrays[name]

    def _array(self, name, depth):
        array = self.array(name)
        return self.bound.get(name, array)

    def _param(self, name, depth):
        array = self.array(name)
        if array.dtype.kind not in "fc":
            raise StoreError(f"its tree has the Param {name!r:.80} of dtype {array.dtype}, which has no gradient")
        if name not in self.bound:
            self.bound[name] = Param(array)
        return self.bound[name]

    def _numbers(self, name, depth):
        array = self._list(name)
        if array.dtype not in (np.float64, np.int64):
            raise StoreError("its tree has a list of no numbers of Python's")
        return array.tolist()

    def _scalars(self, name, depth):
        return list(self._list(name))

    def _list(self, name):
        array = self.array(name)
        if name in self.spent or array.ndim != 1 or array.dtype.itemsize < 4:
            raise StoreError("its tree has a list of numbers that save does not write")
        self.spent.add(name)
        return array

    def _float(self, text, depth):
        if text not in ("nan", "inf", "-inf"):
            raise StoreError("its tree has a number that is none")
        return float(text)

    def _complex(self, parts, depth):
        pair = [self.tree(part, depth) for part in listed(parts, 2)]
        if not all(isinstance(part, float) for part in pair):
            raise StoreError("its tree has a complex number that is none")
        return complex(*pair)

    def _scalar(self, told, depth):
        dtype, text = listed(told, 2)
        known = {d.str: d for d in CODES}
        if not (isinstance(dtype, str) and dtype in known and isinstance(text, str)):
            raise StoreError("its tree has a scalar of no known dtype")
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b""
        if len(data) != known[dtype].itemsize or (dtype == "|b1" and data > b"\1"):
            raise StoreError("its tree has a scalar that is none")
        return np.frombuffer(data, known[dtype]).astype(known[dtype].newbyteorder("="))[0]

    def _tuple(self, parts, depth):
        return tuple([self.tree(part, depth) for part in listed(parts)])

    def _dict(self, pairs, depth):
        return dict(self.items(pairs, depth))

    def items(self, pairs: Any, depth: int = 0) -> list[tuple[Any, Any]]:
        """The keys and values of a dict's node."""
        return [(key, self.tree(part, depth)) for key, part in keyed(pairs)]

    def _fields(self, content, depth):
        found = {name: self.tree(part, depth) for name, part in fields(content)}
        kind = SCHEDULES.get(content[0]) if isinstance(content[0], str) else None
        if kind is None:
            return found
        try:
            return kind(**found)
        except (TypeError, ValueError) as failure:
            raise StoreError(f"its tree has a schedule that is none: {failure!s:.200}") from None

    def _object(self, n, depth):
        kind, state = object_of(self.objects, n)
        if n not in self.made:
            self.made[n] = Rebuilder  # while it is being made
            tree = self.tree(state, depth)
            self.made[n] = moments(tree) if kind == "Moments" else tree
        if self.made[n] is Rebuilder:
            raise StoreError("its tree has an object that contains itself")
        return self.made[n]

    def _code(self, name, depth):
        if not isinstance(name, str):
            raise StoreError("its tree has a function without name")
        return name


KINDS = {name[1:] for name in vars(Rebuilder) if name.startswith("_") and not name.startswith("__")} - {"list"}


def kind_and_content(node: Any) -> tuple[str, Any]:
    """The kind of a node that is no plain value and no list, and what it says."""
    if not isinstance(node, dict) or len(node) != 1 or not KINDS >= set(node):
        raise StoreError("its tree has a part of a kind that this knetpy does not know")
    return next(iter(node.items()))


def opened(node: Any) -> tuple[str, Any]:
    """The same of any node; a plain value and a list have no kind."""
    return kind_and_content(node) if isinstance(node, dict) else ("", None)


def listed(parts: Any, n: int | None = None) -> list:
    """The parts of a node, of which there must be `n`."""
    if not isinstance(parts, list) or n not in (None, len(parts)):
        raise StoreError("its tree has a part that is not as save writes it")
    return parts


def keyed(pairs: Any) -> list[tuple[Any, Any]]:
    """The keys of a dict's node, made, and the nodes of its values."""
    found = [(_key(key), part) for key, part in [listed(pair, 2) for pair in listed(pairs)]]
    if len({key for key, _ in found}) < len(found):
        raise StoreError("its tree has a dict with a key that stands there twice")
    return found


def _key(node: Any) -> Any:
    if isinstance(node, PLAIN):
        return node
    kind, content = kind_and_content(node)
    if kind == "tuple":
        return tuple([_key(part) for part in listed(content)])
    if kind in ("float", "scalar"):
        return Rebuilder({}, []).tree(node)
    raise StoreError("its tree has a dict with a key that is none")


def fields(content: Any) -> list[tuple[str, Any]]:
    """The names of fields and their nodes."""
    pairs = [listed(pair, 2) for pair in listed(listed(content, 2)[1])]
    if not all(isinstance(name, str) for name, _ in pairs) or len({name for name, _ in pairs}) < len(pairs):
        raise StoreError("its tree has fields without names")
    return [(name, part) for name, part in pairs]


def object_of(objects: Any, n: Any) -> tuple[str, Any]:
    """Class and state of an object by its number."""
    if type(n) is not int or not 0 <= n < len(objects):
        raise StoreError("its tree names an object that it does not hold")
    kind, state = listed(objects[n], 2)
    if not isinstance(kind, str):
        raise StoreError("its tree has an object without class")
    return kind, state


def moments(tree: Any) -> Moments:
    """Running moments as they were saved."""
    new = Moments()
    try:
        if set(tree) != set(StoredMoments.names) or type(tree["count"]) is not int or tree["count"] < 0:
            raise ValueError("not the state of Moments")
        StoredMoments(new).restore(tree, lambda target: True)
    except (TypeError, ValueError, AttributeError) as failure:
        raise StoreError(f"its tree has moments that are none: {failure!s:.200}") from None
    return new
