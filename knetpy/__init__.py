"""knetpy: define-by-run deep learning for people who think in NumPy.

The public names stand in `__init__.pyi`, for type checkers, editors and this file, which loads each when it is first
used. Importing knetpy loads what makes NumPy's functions differentiable, and the displays of a notebook.
"""

import ast
import sys
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from . import ops, show

__version__ = "0.1.0"

# Names that users of other libraries type, where the nearest of ours would mislead them; NumPy's lead to NumPy.
_ELSEWHERE = {
    "swish": "kn.silu", "sigm": "kn.sigmoid", "logp": "kn.logsoftmax", "invx": "1 / x",
    "conv4": "kn.conv(x, w, flip=True)", "deconv4": "kn.conv_transpose", "max_pool2d": "kn.pool", "maxpool": "kn.pool",
    "avg_pool2d": 'kn.pool(x, mode="mean")', "meanpool": 'kn.pool(x, mode="mean")', "interpolate": "kn.upsample",
    "mse_loss": "kn.mse", "l1_loss": "kn.mae", "embedding": "kn.embed", "one_hot": "kn.onehot",
    "scaled_dot_product_attention": "kn.attention", "dot_product_attention": "kn.attention", "tensor": "np.array",
    "Tensor": "np.array", "Linear": "kn.nn.Dense", "Conv2d": "kn.nn.Conv", "Sequential": "kn.nn.Chain",
    "Variable": "kn.param", "Parameter": "kn.param", "manual_seed": "kn.seed",
    "no_grad": "kn.stop_gradient(x) inside kn.grad; outside of it nothing is recorded",
    "vmap": "np.stack([f(x) for x in batch])",
    "sgd": "kn.minimize(loss, data, kn.SGD())", "adam": "kn.minimize(loss, data, kn.Adam())", "setseed": "kn.seed",
    "Descent": "kn.SGD", "Sgd": "kn.SGD", "Rmsprop": "kn.RMSprop", "OptimiserChain": "kn.chain",
    "splitobs": "kn.data.split",
    "leavepout": "kn.data.kfolds(data, N // p)", "timeseries_kfolds": "kn.data.timefolds",
    "slidingwindow": "kn.data.windows", "make_moons": "kn.data.moons", "make_spiral": "kn.data.spirals",
}  # fmt: skip


@cache
def _public() -> dict[str, tuple[str, str]]:
    """Each public name with the module that has it and its name there."""
    stub = ast.parse(__spec__.loader.get_data(__file__.rpartition(".")[0] + ".pyi"))  # out of a zip file too
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {
        a.asname or a.name: ("." * node.level + (node.module or ""), a.name) for node in imports for a in node.names
    }


def _in_subpackage(name: str) -> str:
    """How to write a name that a subpackage has, as EMA is kn.optim.EMA."""
    for room in ("data", "nn", "optim", "train"):
        if callable(found := vars(import_module("." + room, __name__)).get(name)) and name[0] != "_":
            return f"kn.{room}.{found.__name__}"
    return ""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_public(), key=str.lower)
    if name.startswith("__") or name not in _public():
        hint = _ELSEWHERE.get(name) or (f"np.{name}" if name in np.__all__ else _in_subpackage(name))
        if hint:
            raise AttributeError(f"module 'knetpy' has no attribute {name!r}: write {hint}")
        raise AttributeError(f"module 'knetpy' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    module, attribute = _public()[name]
    if module == ".":
        return import_module("." + attribute, __name__)  # which also makes it an attribute of this module
    found = globals()[name] = getattr(import_module(module, __name__), attribute)
    return found


def load_ipython_extension(shell: Any) -> None:
    """What IPython's `%load_ext knetpy` calls: it brings `%%tape` and `%grad`."""
    from .show import magics

    magics.load(shell)


def __dir__() -> list[str]:
    return sorted(["__version__", *_public()])
