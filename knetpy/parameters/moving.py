"""Moving params and arrays between the CPU and a GPU: `gpu`, `cpu`, `device`, `has_gpu`, `default_device`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import settings
from ..arrays import read_only
from ..core.errors import DeviceError, explaining_gpu
from ..core.primitive import primitive
from ..core.value import Param, Value, bare
from ..devices import moved, on_gpu, why_not
from ..tree import children, tree_map
from .search import params


def gpu(x: Any) -> Any:
    """Move params to the GPU, and copy arrays there.

    Parameters:
      x: a Param, which is moved in place and stays the same Param (an optimizer's state follows at the next update); an
        array or NumPy number, of which a copy on the GPU (a `cupy.ndarray`) is returned; a container of such, nested as
        you like; or a function or model, whose `kn.params` are all moved. Everything else stays as it is.
    Returns: x with Params moved and arrays replaced by their copies; an array that is there already is returned itself.
      Inside a transform a value being differentiated goes through; its cotangent comes back.
    All operands of a call must be on one device. Only constants of knetpy's own functions (labels, masks, indices,
      lengths, weights) and the arrays of an index may come from the CPU: they are copied at every call. What is on a
      GPU is never waited for, so the values of arrays are not checked there: labels and indices out of range, negative
      weights or probabilities give undefined numbers, no errors.
    Raises: DeviceError if no GPU can be used, with the reason; MutationError for a Param inside a transform.

    >>> import knetpy as kn
    >>> w = kn.param(3, 2)
    >>> if kn.has_gpu():
    ...     w = kn.gpu(w)
    """
    if why_not():
        raise DeviceError(f"gpu: no GPU can be used: {why_not()}")
    return _move(x, "gpu")


def cpu(x: Any) -> Any:
    """Move params to the CPU's memory, and copy arrays there.

    Parameters, returns and errors: as for `gpu`, the other way round; arrays become `numpy.ndarray`.

    >>> import numpy as np, knetpy as kn
    >>> kn.cpu({"x": np.ones(2)})
    {'x': array([1., 1.])}
    """
    return _move(x, "cpu")


def device(x: Any) -> str:
    """Where a Param or array is, or all params and arrays of a container, function or model: "cpu" or "gpu".

    Parameters:
      x: what `gpu` takes.
    Returns: "cpu" or "gpu"; "cpu" where there is no array at all.
    Raises: DeviceError if some are here and some there.

    >>> import knetpy as kn
    >>> kn.device(kn.param(3, 2))
    'cpu'
    """
    found: set[str] = set()
    _each(x, lambda a: found.add("gpu" if on_gpu(bare(a)) else "cpu"))
    if len(found) > 1:
        raise DeviceError("device: some of these arrays are on the CPU and some on the GPU; kn.gpu(x) moves all")
    return found.pop() if found else "cpu"


class Availability:
    """Whether a GPU can be used, as a truth value that prints the reason if not."""

    def __init__(self, reason: str):
        self.reason = reason

    def __bool__(self) -> bool:
        return not self.reason

    def __repr__(self) -> str:
        return f"False: {self.reason}" if self.reason else "True"


def has_gpu() -> Availability:
    """Whether a GPU can be used; if not, what is returned is false and prints the reason.

    Returns: an object whose truth value says it; its attribute reason is "" if there is a GPU.

    >>> import knetpy as kn
    >>> bool(kn.has_gpu()) == (kn.has_gpu().reason == "")
    True
    """
    return Availability(why_not())


def default_device(name: str | None = None) -> str:
    """Set where new params are made, and return it; without an argument just return it.

    Parameters:
      name=None: "cpu" or "gpu".
    Returns: the default device from now on, at first "cpu".
    Raises: ValueError for another name, DeviceError if no GPU can be used.

    >>> import knetpy as kn
    >>> kn.default_device()
    'cpu'
    """
    if name is not None:
        settings.device = checked_device("default_device", "name", name)
    return settings.device


def checked_device(caller: str, option: str, name: Any) -> str:
    """The name of a device that can be used."""
    if not isinstance(name, str) or name not in ("cpu", "gpu"):
        raise ValueError(f'{caller}: {option} must be "cpu" or "gpu", got {name!r:.60}')
    if name == "gpu" and why_not():
        raise DeviceError(f'{caller}: {option}="gpu", but no GPU can be used: {why_not()}')
    return name


_to_device = primitive(
    lambda x, *, device: moved(x, device),
    name="to_device",
    x=lambda dy, device: _to_device(dy, device=_OTHER[device]),
)
_OTHER = {"cpu": "gpu", "gpu": "cpu"}


def _move(x: Any, to: str) -> Any:
    with explaining_gpu(to):
        return _each(x, lambda a: _moved(a, to))


def _moved(a: Any, to: str) -> Any:
    here = "gpu" if on_gpu(bare(a)) else "cpu"
    if here == to:
        return a
    if isinstance(a, Param):
        return _replaced(a, moved(a.value, to))
    return _to_device(a, device=to) if isinstance(a, Value) else moved(a, to)


def _replaced(p: Param, array: Any) -> Param:
    """The same Param with another array, which counts as a change."""
    p.writable()  # which raises inside a transform
    object.__setattr__(p, "_array", array)
    object.__setattr__(p, "value", read_only(array))
    return p


def _each(x: Any, do: Any) -> Any:
    """Call `do` on each Param and array; in containers what it returns takes the place of an array."""
    if isinstance(x, (Value, np.ndarray, np.generic)) or on_gpu(x):
        return do(x)
    if children(x) is not None:
        return tree_map(lambda leaf: _each(leaf, do), x)
    for p in params(x):
        do(p)
    return x
