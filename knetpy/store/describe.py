"""A tree as a description in JSON and the arrays that it names.

None, booleans, numbers, texts and lists stand for themselves; everything else is an object with one name, its kind:

    {"param": NAME}, {"array": NAME}    an array of the file; the same name is the same Param or array
    {"numbers": NAME}, {"scalars": NAME}    a long list of Python's numbers, or of NumPy's, as an array
    {"float": TEXT}, {"complex": [RE, IM]}, {"scalar": [DTYPE, HEX]}    numbers that JSON does not have
    {"tuple": [...]}, {"dict": [[KEY, VALUE], ...]}
    {"fields": [CLASS, [[NAME, VALUE], ...]]}    a named tuple or a dataclass; "schedules.Cosine" is one of knetpy's own
    {"object": N}    number N of the objects, each [CLASS, its state]; the same number is the same object
    {"code": NAME}    a function or class
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import numpy as np

from ..core.errors import DtypeError
from ..core.value import Param, Value
from ..devices import host, on_gpu
from ..optim.state import State, identity
from ..tree import children
from .header import CODES, METADATA
from .objects import Stored, StoredOptimizer, dotted, is_code, is_schedule, kind_of, named, names_of, remembers, stored

DEPTH = 60  # levels of nesting; JSON's reader in Python gives up at some 300
LONG = 50  # from so many numbers on a list is kept as an array


def describe(tree: Any) -> tuple[dict[str, np.ndarray], str]:
    """The arrays to write, by name, and the description of the tree."""
    work = _Description(tree)
    root = work.node(tree, "", 0)
    while work.waiting:  # the states of objects; those of optimizers last, which refer to arrays of the whole tree
        first = min(work.waiting, key=lambda waiting: isinstance(waiting[1], StoredOptimizer))
        work.waiting.remove(first)
        n, how, path = first
        work.objects[n][1] = work.node(how.state(lambda state, how=how: work.target_of(state, how.x)), path, 1)
    text = json.dumps({"tree": root, "objects": work.objects}, separators=(",", ":"), allow_nan=False)
    return work.arrays, text


class _Description:
    """One walk over a tree. Names are those of `kn.named_params`, or the paths that led there, with dots."""

    def __init__(self, tree):
        self.names = names_of(tree)
        self.arrays, self.objects, self.waiting = {}, [], []
        self.known = {}  # identity of a Param or array, or id of an object -> its name or number
        self.targets = {}  # what optimizers may remember something of
        self.kept = []  # an id may not be used again while the walk goes on

    def node(self, x, path, depth):
        if depth > DEPTH:
            raise ValueError(
                f"save: the tree is nested deeper than {DEPTH} levels, or contains itself, at {path[:200]}"
            )
        if x is None or isinstance(x, (bool, str, int, float, complex, np.generic)):
            return scalar(x, path)
        if isinstance(x, (Value, np.ndarray)) or on_gpu(x):
            return self._array(x, path)
        how = stored(x)
        if how is not None:
            return self._object(x, how, path)
        if isinstance(x, list) and len(x) >= LONG and (kind := kind_of_numbers(x)):
            return {kind: self._add(np.array(x), path)}
        nodes = children(x)
        if nodes is None:
            return self._other(x, path)
        check_fields(x, path)
        parts = [self.node(child, path + step if path else step.removeprefix("."), depth + 1) for step, child in nodes]
        if isinstance(x, list):
            return parts
        if isinstance(x, dict):
            return {"dict": [[self._key(key, path), part] for key, part in zip(x, parts)]}
        if isinstance(x, tuple) and not hasattr(x, "_fields"):
            return {"tuple": parts}
        kind = type(x).__name__
        return {
            "fields": [
                f"schedules.{kind}" if is_schedule(x) else kind,
                [[step[1:], part] for (step, _), part in zip(nodes, parts)],
            ]
        }

    def _key(self, key, path):
        """A key of a dict: a number, a text or None, or a tuple of these."""
        if type(key) is tuple:
            return {"tuple": [self._key(part, path) for part in key]}
        if key is None or isinstance(key, (bool, str, int, float, np.generic)):
            return scalar(key, path)
        raise TypeError(f"save: the key {key!r:.80} of {path or 'the tree'} is a {type(key).__name__}; make it a text")

    def _array(self, x, path):
        kind = "param" if isinstance(x, Param) else "array"
        same = x.uid if kind == "param" else -id(x)  # serial numbers are positive
        if same not in self.known:
            array = host(x.value if kind == "param" else x)
            check_array(array, path)
            self.known[same] = self._add(array, self.names.get(x.uid, path) if kind == "param" else path)
            self.targets[identity(x)[0]] = x
            self.kept.append(x)
        return {kind: self.known[same]}

    def _add(self, array, path):
        path = dotted(path)
        names = itertools.chain([path or "array"], (f"{path}#{n}" for n in itertools.count(2)))
        name = next(name for name in names if name not in self.arrays and name != METADATA)
        self.arrays[name] = array
        return name

    def _object(self, x, how, path):
        same = "object", id(x)
        if same not in self.known:
            self.known[same] = len(self.objects)
            self.waiting.append((len(self.objects), how, path))
            self.objects.append([kind_of(x), None])
            self.kept.append(x)
        return {"object": self.known[same]}

    def _other(self, x, path):
        """A function or a model of a class of its own: the Params and Moments that it holds or uses."""
        found = named(x)
        if found:
            return self._object(x, _Holder(found), path)
        if is_code(x) and not remembers(x):
            return {"code": str(getattr(x, "__name__", type(x).__name__))}
        raise TypeError(
            f"save: {path or 'the tree'} is a {type(x).__name__}, which holds no Params and does not offer state() and "
            "restore(state); give it these, or save what it is made of"
        )

    def target_of(self, state: State, opt: Any) -> Any:
        if state.key not in self.targets:
            raise ValueError(
                f"save: {type(opt).__name__} has updated an array that is not in the tree, and its state goes with it; "
                'save them together: kn.save(path, {"params": kn.params(model), "opt": opt})'
            )
        return self.targets[state.key]


class _Holder(Stored):
    """How to save an object of which only the Params and Moments are kept."""

    def __init__(self, found):
        self.x, self.found = None, found

    def state(self, target_of):
        return self.found


def scalar(x: Any, path: str) -> Any:
    """A number, a text, None."""
    if isinstance(x, np.generic):
        check_array(np.asarray(x), path)
        return {"scalar": [x.dtype.newbyteorder("<").str, np.asarray(x, x.dtype.newbyteorder("<")).tobytes().hex()]}
    if isinstance(x, complex):
        return {"complex": [scalar(x.real, path), scalar(x.imag, path)]}
    if isinstance(x, float):
        return float(x) if math.isfinite(x) else {"float": str(float(x))}
    if isinstance(x, int) and not isinstance(x, bool):
        if x.bit_length() > 10_000:  # Python reads longer ones only when told to
            raise ValueError(
                f"save: {path or 'the tree'} is an integer of {x.bit_length()} bits; at most 10,000 are kept"
            )
        return int(x)
    return str(x) if isinstance(x, str) else x


def kind_of_numbers(x: list) -> str:
    """How a list of numbers that are all alike is kept as an array; nothing if it is another list."""
    kind = type(x[0])
    if any(type(part) is not kind for part in x):
        return ""
    if kind is float or kind is int and all(-(2**63) <= part < 2**63 for part in x):
        return "numbers"
    return "scalars" if kind in (np.float32, np.float64, np.int32, np.int64) else ""


def check_fields(x: Any, path: str) -> None:
    """Raise if a dataclass has more than its fields: what would be lost without a word."""
    if dataclasses.is_dataclass(x):
        known = {field.name for field in dataclasses.fields(x)}
        others = [name for name in getattr(x, "__dict__", {}) if name not in known and not hasattr(type(x), name)]
        if others:
            raise TypeError(
                f"save: {path or 'the tree'} is a {type(x).__name__}, a dataclass with attributes that are no fields "
                f"of it ({', '.join(others)}); make them fields, or give it state() and restore(state)"
            )


def check_array(x: Any, path: str) -> None:
    """Raise unless the file can hold `x` as it is."""
    where = path or "the tree"
    if not isinstance(x, np.ndarray) or type(x) not in (np.ndarray, np.memmap):
        raise TypeError(f"save: {where} is a {type(x).__name__}; make it a plain array with np.asarray")
    if x.dtype.newbyteorder("<") not in CODES:
        way = "; save np.real(x) and np.imag(x), or x.astype(np.complex64)" if x.dtype.kind == "c" else ""
        raise DtypeError(
            f"save: {where} has dtype {x.dtype}, which safetensors files do not have; they have bool, integers, "
            f"float16, float32, float64 and complex64{way}"
        )
