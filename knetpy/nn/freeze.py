"""`freeze` and `thaw`: which params of a model are trained."""

from __future__ import annotations

from typing import Any

from ..core.errors import MutationError
from ..core.trace import active
from ..parameters.search import params
from .layer import check_sized


def freeze(*models: Any) -> None:
    """Let params be constants for gradients by params, so that training leaves them as they are.

    Nothing is computed for them, `g[p]` raises KeyError, and what an optimizer remembers of them stays for a later
    `thaw`. Copies of a frozen Param are frozen; `kn.save` does not keep it. By arguments, as `kn.grad(f, 0)`, they are
    differentiated as ever.

    Parameters:
      *models: layers, Params, containers of them, functions: all `kn.params` of them.
    Returns: None.
    Raises: ValueError where there is no Param, or a layer is sized only at its first call; MutationError in a
      transform. Nothing is frozen then.

    >>> import numpy as np, knetpy as kn
    >>> model = kn.nn.Chain(kn.nn.Dense(3, 4, kn.relu), kn.nn.Dense(4, 2))
    >>> kn.nn.freeze(model[:1])
    >>> list(kn.grad(lambda x: kn.nll(model(x), [0]))(np.ones((1, 3), np.float32)).named())
    ['model.layers[1].weight', 'model.layers[1].bias']
    """
    _set("freeze", models, True)


def thaw(*models: Any) -> None:
    """Let params be trained again, after `freeze`.

    Parameters:
      *models: as for `freeze`.
    Returns: None.
    Raises: as `freeze`.

    >>> import knetpy as kn
    >>> layer = kn.nn.Dense(3, 2)
    >>> kn.nn.freeze(layer)
    >>> kn.nn.thaw(layer.bias)
    >>> layer.weight.frozen, layer.bias.frozen
    (True, False)
    """
    _set("thaw", models, False)


def _set(name: str, models: tuple, frozen: bool) -> None:
    if any(trace.derives for trace in active()):
        raise MutationError(f"{name} was called while a transform runs; call it before the gradient is taken")
    found = []
    for n, model in enumerate(models):
        check_sized(name, model)
        own = params(model)
        if not own:
            raise ValueError(f"{name}: there is no Param in model {n}, {model!r:.80}; pass a layer, a Param or a list")
        found += own
    if not found:
        raise TypeError(f"{name} takes a model, or several: {name}(model)")
    for p in found:
        p.frozen = frozen
