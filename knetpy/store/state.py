"""`state` and `load_state`: the numbers of a model by name, as arrays in a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..calls import told
from ..core.errors import MutationError, StoreError, warn
from ..core.trace import active
from ..core.value import Param, bare
from ..devices import beside, host
from ..interrupts import uninterrupted
from ..nn.layer import check_sized
from ..ops.arguments import flag
from ..ops.batchnorm import Moments
from .objects import dotted, named


@told
def state(model: Any) -> dict[str, np.ndarray]:
    """The numbers of a model: its params and running moments, copied, by name.

    Parameters:
      model: a layer, Chain, container, function or whatever `kn.params` looks into; sized, see `kn.nn.init_from`.
    Returns: a dict of NumPy arrays, `{"layers.0.weight": ...}`, with the names that the arrays have in a file of
      `save`; of running moments mean and var, once there was a batch, and count.
    Raises: ValueError for a layer that is sized only at its first call.

    >>> import knetpy as kn
    >>> model = kn.nn.Chain(kn.nn.Dense(3, 2), kn.nn.BatchNorm(2))
    >>> list(kn.state(model))
    ['layers.0.weight', 'layers.0.bias', 'layers.1.scale', 'layers.1.bias', 'layers.1.moments.count']
    """
    check_sized("state", model)
    found: dict[str, Any] = {}
    for path, x in named(model).items():
        name = dotted(path)
        found |= {f"{name}.{k}": getattr(x, k) for k in NUMBERS} if isinstance(x, Moments) else {name: x.value}
    return {name: np.array(host(x)) for name, x in found.items() if x is not None}


NUMBERS = ("mean", "var", "count")  # of Moments; the first two are None before the first batch


@told
def load_state(model: Any, state: Mapping[str, Any], *, strict: bool = True) -> None:
    """Write what `state` returned, in place, into a model with params of the same names and shapes.

    Parameters:
      model: as for `state`.
      state: a dict of arrays by name, each of the shape and dtype that the model has; `kn.load` reads one from a file.
      strict=True: raise where a name is missing or extra, or a shape or dtype differs. With False what fits is loaded,
        and a warning tells the rest.
    Returns: None.
    Raises: StoreError with all that does not fit, TypeError, MutationError in a transform. Nothing is changed then.

    >>> import knetpy as kn
    >>> first, second = kn.nn.Dense(3, 2), kn.nn.Dense(3, 2)
    >>> kn.load_state(second, kn.state(first))
    >>> bool((first.weight == second.weight).all())
    True
    """
    strict = flag("load_state", "strict", strict)
    if not isinstance(state, Mapping):
        raise TypeError(
            f"load_state: state must be a dict of arrays by name, got {type(state).__name__}; the model comes first: "
            "load_state(model, state)"
        )
    if any(trace.derives for trace in active()):
        raise MutationError("load_state writes in place, which cannot be while a transform runs; call it outside of it")
    check_sized("load_state", model)
    found = _Comparison(model, state)
    differences = found.differences()
    if differences and strict:
        raise StoreError(
            f"load_state: the state does not fit the model. {differences}. Nothing was changed; with strict=False what "
            "fits is loaded"
        )
    with uninterrupted():
        for p, array in found.arrays:
            p[...] = beside(array, p.value)
        for m, numbers in found.numbers:
            vars(m).update(numbers)
    if differences:
        warn(f"load_state: not all of it fits the model. {differences}. The rest was loaded")


class _Comparison:
    """What comes where of a state, and what does not fit."""

    def __init__(self, model: Any, state: Mapping[str, Any]):
        self.state, self.arrays, self.numbers = state, [], []  # type: ignore[var-annotated]
        self.missing: list[str] = []
        self.others: list[str] = []
        self.known: set[str] = set()
        for path, x in named(model).items():
            (self._moments if isinstance(x, Moments) else self._param)(dotted(path), x)
        self.extra = [
            f"{name:.80}" if isinstance(name, str) else repr(name) for name in state if name not in self.known
        ]

    def differences(self) -> str:
        """What does not fit, as a message says it; nothing if all does."""
        kinds = {"missing": self.missing, "extra": self.extra, "of another kind": self.others}
        return "; ".join([f"{kind}: {listed(names)}" for kind, names in kinds.items() if names])

    def _taken(self, name: str, shape: tuple | None, kind: Any) -> np.ndarray | None:
        """The array of a name, if it fits; shape None allows any vector."""
        self.known.add(name)
        if name not in self.state:
            self.missing.append(name)
            return None
        array = host(bare(self.state[name]))
        if not isinstance(array, (np.ndarray, np.generic, int)) or isinstance(array, bool):
            self.others.append(f"{name}, which must be an array, is a {type(array).__name__}")
            return None
        array = np.asarray(array)
        if array.shape != shape and not (shape is None and array.ndim == 1):
            wanted = "(C,)" if shape is None else shape
            self.others.append(f"{name} is {wanted}, in the state {array.shape}")
        elif not np.issubdtype(array.dtype, kind):
            self.others.append(f"{name} is {getattr(kind, '__name__', kind)}, in the state {array.dtype}")
        else:
            return array
        return None

    def _param(self, name: str, p: Param) -> None:
        array = self._taken(name, p.shape, p.dtype)
        if array is not None:
            self.arrays.append((p, array))

    def _moments(self, name: str, m: Moments) -> None:
        count = self._taken(f"{name}.count", (), np.integer)
        if count == 0 and not {f"{name}.mean", f"{name}.var"} & set(self.state):
            self.numbers.append((m, {"mean": None, "var": None, "count": 0}))
            self.known |= {f"{name}.mean", f"{name}.var"}
            return
        shape, kind = (None, np.floating) if m.mean is None else (m.mean.shape, m.mean.dtype)
        mean = self._taken(f"{name}.mean", shape, kind)
        var = self._taken(f"{name}.var", shape if mean is None else mean.shape, kind)
        if mean is None or var is None or count is None:
            return
        like = mean if m.mean is None else m.mean
        numbers = {"mean": beside(mean.copy(), like), "var": beside(var.copy(), like), "count": int(count)}
        self.numbers.append((m, numbers))


def listed(names: list[str], most: int = 20) -> str:
    """Some names, and how many there are more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
