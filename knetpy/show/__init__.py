"""How knetpy's values show themselves in a notebook, and pictures of training.

Importing this registers the displays; the classes ask for them when a notebook asks for their html. What draws a
display is imported with the first one.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..core.value import DISPLAYS
from . import plot as plot
from . import tables as tables
from .callgraph import graph as graph
from .live import history as history
from .pictures import attention as attention
from .pictures import confusion as confusion
from .pictures import filters as filters
from .pictures import images as images
from .tables import params as params


def _display(module: str, function: str) -> Callable[[Any], str]:
    return lambda shown: getattr(import_module(f"{__name__}.{module}"), function)(shown)


for _kind, _module, _function in (
    ("core.value.Param", "tables", "param"),
    ("transforms.gradients.Gradients", "tables", "gradients"),
    ("transforms.gradients.Record", "tables", "record"),
    ("parameters.model.model", "tables", "model"),
    ("nn.printing", "tables", "layer"),
    ("data.minibatch.Minibatches", "batches", "minibatches"),
    ("data.loader.DataLoader", "batches", "loader"),
):
    DISPLAYS[f"{__name__.partition('.')[0]}.{_kind}"] = _display(_module, _function)
