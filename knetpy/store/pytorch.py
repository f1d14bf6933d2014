"""`load_torch`: the weights of a PyTorch module in a model of the same architecture."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..calls import told
from ..core.errors import MutationError, StoreError
from ..core.trace import active
from ..core.value import Param, Value, bare
from ..devices import beside, host
from ..files import file_named
from ..interrupts import uninterrupted
from ..nn.printing import brief
from ..nn.rebuilt import own_params
from ..tree import children
from . import npz
from .header import MAX_HEADER
from .layouts import Slot, slots
from .objects import dotted
from .save import load
from .state import listed


@told
def load_torch(model: Any, source: Any) -> None:
    """Write the weights of a PyTorch module into a model of the same architecture, in place.

    The layers of the two are matched in order: of the model that of its fields, of the module that of its state_dict.
    In a safetensors file names are sorted; there, a layer takes the first that fits by shape, or that has its name, and
    where several do that differ by more than a number, an error asks for the state_dict.
    Weights come in our layout: those of a Linear and of recurrent layers transposed, the two biases of an LSTM as their
    sum, the projections of a MultiheadAttention apart, of a TransformerEncoderLayer each to its place. Params of your
    own, which are not in a layer of `kn.nn`, take what comes next in the state_dict as it is.

    Parameters:
      model: layers, Chains, dataclasses of them; sized, see `kn.nn.init_from`.
      source: a state_dict, of tensors or arrays; or the path of a safetensors file, or of what torch.save wrote of one,
        which only PyTorch can read: pip install "knetpy[torch]".
    Returns: None. Dtypes stay as they are in the model.
    Raises: StoreError with all that does not fit; TypeError, ValueError for a model that is not sized, ImportError
      without PyTorch, MutationError in a transform. Nothing is changed then.

    >>> import numpy as np, knetpy as kn
    >>> model = kn.nn.Chain(kn.nn.Dense(3, 2, kn.relu), kn.nn.LayerNorm(2))
    >>> weights = {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2), "1.weight": np.ones(2), "1.bias": np.ones(2)}
    >>> kn.load_torch(model, weights)
    >>> model[1].bias.value
    array([1., 1.], dtype=float32)
    """
    if any(trace.derives for trace in active()):
        raise MutationError("load_torch writes in place, which cannot be while a transform runs; call it outside of it")
    own_params("load_torch", model, moments=True)
    reading = _Reading(*state_dict_of(source))
    reading.part(model, "")
    reading.misfits += [f"{name!r:.80} is left over" for name in reading.left] if not reading.lost else []
    if reading.misfits:
        raise StoreError(
            f"load_torch: the state_dict does not fit the model: {listed(reading.misfits)}. Nothing was changed"
        )
    with uninterrupted():
        for slot, array in reading.writes:
            if isinstance(slot.owner, Param):
                slot.owner[...] = beside(array, slot.owner.value)
            else:
                now = getattr(slot.owner, slot.attribute)
                setattr(slot.owner, slot.attribute, int(array) if slot.attribute == "count" else beside(array, now))


class _Reading:
    """Goes through a model and a state_dict side by side."""

    def __init__(self, arrays: dict[str, np.ndarray], ordered: bool):
        self.left, self.ordered, self.lost = arrays, ordered, False
        self.misfits: list[str] = []
        self.writes: list[tuple[Slot, np.ndarray]] = []

    def part(self, x: Any, path: str) -> None:
        found = [Slot(x, "", ("",), lambda a: a)] if isinstance(x, Param) else slots(x)
        if found is not None and not self.lost:
            self._layer(x, found, path.removeprefix("."))
        elif not self.lost and not isinstance(x, Value):
            for step, child in children(x) or []:
                self.part(child, path + step)

    def _layer(self, layer: Any, found: list[Slot], path: str) -> None:
        """Take what a layer needs from the first names that are left."""
        if not found:
            return
        first = next(iter(self.left), None)
        prefix = self._prefix(layer, found, path)
        if self.lost:
            return
        if prefix is None:
            there = "ends" if first is None else f"has {first!r:.80}"
            self.misfits.append(f"at {path or 'the model'}, {brief(layer):.80}, the state_dict {there}")
            self.lost = True  # what follows does not fit either, and would only hide this
            return
        for slot in found:
            self._slot(slot, prefix, path)
        for name in {prefix + name for slot in found for name in slot.names}:
            self.left.pop(name, None)
        if not isinstance(layer, Param):
            nested = any(["." in name for slot in found for name in slot.names])
            others = [n for n in self.left if n.startswith(prefix) and (nested or "." not in n[len(prefix) :])]
            for name in others:
                del self.left[name]
                self.misfits.append(f"{name!r:.80} has no place in {path or 'the model'}, {brief(layer):.80}")

    def _prefix(self, layer: Any, found: list[Slot], path: str) -> str | None:
        """What the names of a layer's module begin with: those of the first left, or of the first left that fit."""
        first = next(iter(self.left), None)
        if self.ordered:
            return first if isinstance(layer, Param) else prefix_of(first, found)
        all_of_them = [name if isinstance(layer, Param) else prefix_of(name, found) for name in self.left]
        fit = [p for p in dict.fromkeys(all_of_them) if p is not None and self._fits(p, found)]
        end, spelled = "." * (not isinstance(layer, Param)), dotted(path)
        for own in (re.sub(r"(?<![^.])layers\.", "", spelled) + end, spelled + end):  # of a Chain: layers.0 is 0
            if own in fit:
                return own
        if len({re.sub("[0-9]+", "", p) for p in fit}) > 1:
            names = " and ".join([repr(p.removesuffix(".")) for p in fit[:3]])
            self.misfits.append(
                f"{path or 'the model'}, {brief(layer):.80}, could be {names}: in a file names are sorted; pass the "
                "module's state_dict(), whose order tells"
            )
            self.lost = True
        return min(fit, key=_natural, default=None if isinstance(layer, Param) else prefix_of(first, found))

    def _fits(self, prefix: str, found: list[Slot]) -> bool:
        before = self.misfits, self.writes
        self.misfits, self.writes = [], []
        for slot in found:
            self._slot(slot, prefix, "")
        fits = not self.misfits
        self.misfits, self.writes = before
        return fits

    def _slot(self, slot: Slot, prefix: str, path: str) -> None:
        missing = [prefix + name for name in slot.names if prefix + name not in self.left]
        if missing:
            self.misfits += (
                [] if slot.optional else [f"{name!r:.80} is missing, for {path or 'the model'}" for name in missing]
            )
            return
        given = [self.left[prefix + name] for name in slot.names]
        names = " and ".join([f"{prefix + name!r:.80} {a.shape}" for name, a in zip(slot.names, given)])
        try:
            array = slot.make(*given)
        except ValueError:
            array = None
        now = slot.owner.value if isinstance(slot.owner, Param) else getattr(slot.owner, slot.attribute)
        wanted = given[0].shape[:1] if now is None else np.shape(now)
        if array is None or array.shape != wanted or array.dtype.kind not in "fiu":
            kind = f" of {given[0].dtype}" if given[0].dtype.kind not in "fiu" else ""
            gives = "" if array is None or kind else f", which gives {array.shape},"
            self.misfits.append(f"{names}{kind}{gives} does not fit {path or 'the model'}, where {wanted} is needed")
        else:
            dtype = np.promote_types(array.dtype, np.float32) if now is None else getattr(now, "dtype", np.int64)
            self.writes.append((slot, np.array(array, dtype)))


def _natural(name: str) -> list[Any]:
    """By what names are sorted so that 2 comes before 10."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split("([0-9]+)", name)]


def prefix_of(name: str | None, found: list[Slot]) -> str | None:
    """What stands in a name before one of those that a layer has; None if it is none of them."""
    for own in sorted({n for slot in found for n in slot.names}, key=len, reverse=True):
        if name is not None and re.fullmatch(rf"(.*\.)?{re.escape(own)}", name):
            return name[: len(name) - len(own)]
    return None


# -------------------------------------------------------------------------------------------------- the source


def state_dict_of(source: Any) -> tuple[dict[str, np.ndarray], bool]:
    """(the arrays by name of a state_dict, or of a file with one, whether in the order of the module)."""
    ordered = True
    if isinstance(source, (str, bytes, os.PathLike)):
        path = file_named("load_torch", source)
        ordered = _of_torch_save(path)
        source = _saved(path) if ordered else load(path)
    if hasattr(source, "state_dict"):
        source = source.state_dict()
    if isinstance(source, Mapping):  # what training scripts save beside the weights
        inside = [source[k] for k in ("state_dict", "model_state_dict", "model") if isinstance(source.get(k), Mapping)]
        source = inside[0] if inside else source
    if not isinstance(source, Mapping) or not all(isinstance(name, str) for name in source):
        raise TypeError(
            f"load_torch: source must be a state_dict or the path of a file with one, got {type(source).__name__}"
        )
    names = list(source)  # in a sorted dict, as safetensors gives it, a bias comes before its weight
    ordered = ordered and not any([b.endswith("bias") and w == b[:-4] + "weight" for b, w in zip(names, names[1:])])
    found = {re.sub(r"weight_([gv])$", _as_parametrized, name): as_array(name, x) for name, x in source.items()}
    return found, ordered


def _as_parametrized(match: Any) -> str:
    """The newer name of what torch.nn.utils.weight_norm has made."""
    return f"parametrizations.weight.original{'gv'.index(match[1])}"


def as_array(name: str, x: Any) -> np.ndarray:
    """A tensor or array as NumPy's."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    x = host(bare(x))
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        raise TypeError(f"load_torch: {name!r:.80} in source must be a tensor or an array, got {type(x).__name__}")
    return np.asarray(x)


def _saved(path: str) -> Any:
    """What torch.save wrote."""
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"load_torch: {path!r} is what torch.save wrote, which only PyTorch can read: pip install 'knetpy[torch]'; "
            "or write it with safetensors.torch.save_file instead"
        ) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as failure:  # of many kinds
        raise StoreError(
            f"load_torch: {path!r} holds more than arrays by name, which could run code; write it with "
            "torch.save(module.state_dict(), path)"
        ) from failure


def _of_torch_save(path: str) -> bool:
    """Whether torch.save wrote a file, in its earlier or its later format."""
    with open(path, "rb") as file:
        first = file.read(8)
    if first[:4] in npz.MAGIC and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any([name.endswith("data.pkl") for name in archive.namelist()])
    return first[:1] == b"\x80" and int.from_bytes(first, "little") > MAX_HEADER
