"""Models with other arrays in the place of their params: `destructure` and `cast`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import Param, Value
from ..devices import asarray, on_gpu
from ..ops.batchnorm import Moments
from ..parameters.search import named_params
from ..random import as_dtype
from ..tree import children, rebuild
from .layer import check_sized


def rebuilt(model: Any, make: Callable) -> Any:
    """A model with make(leaf) for each Param and array, Moments and whatever else has no parts.

    What stands in it twice, a layer or a leaf, stands twice in the new one.
    """
    made: dict[int, Any] = {}

    def new(x: Any) -> Any:
        if id(x) not in made:
            nodes = None if isinstance(x, Value) else children(x)
            made[id(x)] = make(x) if nodes is None else rebuild(x, [new(part) for _, part in nodes])
        return made[id(x)]

    return new(model)


def own_params(name: str, model: Any, moments: bool = False) -> dict[str, Param]:
    """The Params of a model by path, all of which `rebuilt` reaches; there must be one, or, if these do, moments."""
    check_sized(name, model)
    reached: set[Any] = set()
    rebuilt(model, lambda x: reached.add(getattr(x, "uid", type(x))))
    found = named_params(model)
    for path, p in found.items():
        if p.uid not in reached:
            raise TypeError(
                f"{name}: the model uses {path} in a function or an object, of which no other can be made; make that a "
                "dataclass with the Param as a field and __call__"
            )
    if not found and not (moments and Moments in reached):
        raise ValueError(f"{name}: there is no Param in the model, {model!r:.80}")
    return found


def destructure(model: Any) -> tuple[np.ndarray, Callable]:
    """All params of a model in one vector, and the function that makes a model of a vector.

    For methods that know vectors only: optimizers of SciPy, Hessians, networks whose weights another network gives.

    Parameters:
      model: a layer, Chain, dataclass or container; sized, see `init_from`.
    Returns: (vector, rebuild). vector has the params in the order of `kn.params`, in a common dtype. rebuild(vector)
      gives a model of the same structure whose weights are pieces of the vector, each in the dtype of its param; it is
      differentiable by it. Running moments are those of the model itself.
    Raises: TypeError if a function in the model uses Params of its own, ValueError if there is no Param or a layer is
      not sized; rebuild raises ShapeError, DtypeError.

    >>> import numpy as np, knetpy as kn
    >>> model = kn.nn.Chain(kn.nn.Dense(3, 4, kn.relu), kn.nn.Dense(4, 2))
    >>> x, labels = np.ones((5, 3), np.float32), np.array([0, 1, 1, 0, 1])
    >>> vector, rebuild = kn.nn.destructure(model)
    >>> kn.grad(lambda v: kn.nll(rebuild(v)(x), labels), 0)(vector).shape
    (26,)
    """
    found = list(own_params("destructure", model).values())
    places = np.cumsum([p.size for p in found]).tolist()

    def rebuild(vector: Any) -> Any:
        try:
            vector = vector if isinstance(vector, Value) else asarray(vector)
        except (TypeError, ValueError, RuntimeError) as failure:
            raise TypeError(f"rebuild: the vector must be an array of numbers: {failure!s:.200}") from None
        if vector.shape != (places[-1],):
            raise ShapeError(f"rebuild: the vector must have shape ({places[-1]},), got {vector.shape}")
        if vector.dtype.kind not in "fc":
            raise DtypeError(f"rebuild: the vector must be a floating array, got dtype {vector.dtype}")
        pieces = np.split(vector, places[:-1])
        new = {p.uid: _like(piece, p) for p, piece in zip(found, pieces)}
        return rebuilt(model, lambda x: new[x.uid] if isinstance(x, Param) else x)

    return np.concatenate([p.value.reshape(-1) for p in found]), rebuild


def _like(piece: Any, p: Param) -> Any:
    piece = np.reshape(piece, p.shape)
    return piece if piece.dtype == p.dtype or piece.dtype.kind != p.dtype.kind else piece.astype(p.dtype)


def cast(model: Any, dtype: Any) -> Any:
    """A model of the same structure with params of another floating dtype.

    Parameters:
      model: as for `destructure`.
      dtype: np.float16, np.float32 or np.float64. Floating arrays that are no params get it, too; running moments of
        float16 are float32.
    Returns: a new model, with Params and running moments of its own.
    Raises: as `destructure`; DtypeError for a dtype that is not floating.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.cast(kn.nn.Dense(3, 2), np.float64).weight.dtype
    dtype('float64')
    """
    dtype = as_dtype("cast", dtype)
    if dtype.kind != "f":
        raise DtypeError(f"cast: dtype must be floating, such as np.float16, got {dtype}")
    own_params("cast", model, moments=True)

    def make(x: Any) -> Any:
        if isinstance(x, Param):
            return Param(x.value.astype(dtype) if x.dtype.kind == "f" else x.value.copy(), x.frozen)
        if isinstance(x, Moments):
            new = copy.copy(x)
            for name in ("mean", "var") if x.mean is not None else ():
                setattr(new, name, getattr(x, name).astype(np.promote_types(dtype, np.float32)))
            return new
        floating = (isinstance(x, np.ndarray) or on_gpu(x)) and x.dtype.kind == "f"
        return x.astype(dtype) if floating else x

    return rebuilt(model, make)
