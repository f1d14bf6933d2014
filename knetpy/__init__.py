"""knetpy: define-by-run deep learning for people who think in NumPy.

The public names stand in `__init__.pyi`, for type checkers, editors and this file, which loads each when it is first
used. Importing knetpy loads what makes NumPy's functions differentiable, and the displays of a notebook.
"""

import ast
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from . import ops, show
from .calls import no_attribute, spelled

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
    "backward": "kn.grad(loss)(x, y), which returns the gradients", "requires_grad": "kn.param",
    "gradient": "kn.grad, or np.gradient for differences", "withgradient": "kn.value_and_grad", "pullback": "kn.vjp",
    "diff": "kn.tape for Knet's @diff, or np.diff for differences", "GradientTape": "kn.tape", "autograd": "kn.grad",
    "enable_grad": "kn.grad(loss)(x, y); outside of it nothing is recorded", "detach": "kn.stop_gradient",
    "inference_mode": "model(x); outside of kn.grad nothing is recorded", "eval": "kn.training(False)",
    "testmode": "kn.training(False)", "trainmode": "kn.training(True)", "trainable": "kn.params",
    "state_dict": "kn.state", "load_state_dict": "kn.load_state",
    "fit": "kn.minimize(loss, data, kn.Adam())", "setup": "kn.Adam(); optimizers hold their state themselves",
    "compile": "kn.minimize(loss, data, kn.Adam()); nothing is built before", "jit": "kn.warmup, if at all",
    "functional": "kn.relu, kn.conv and so on", "F": "kn.relu, kn.conv and so on", "layers": "kn.nn.Dense and so on",
    "losses": "kn.nll, kn.mse and so on", "optimizers": "kn.Adam, kn.optim.EMA and so on",
    "metrics": "kn.train.Accuracy", "lr_scheduler": "kn.schedules.Cosine and so on",
    "clip_grad_norm_": "kn.optim.ClipGlobalNorm", "cuda": "kn.gpu(model), kn.has_gpu()", "is_available": "kn.has_gpu",
    "KnetArray": "kn.gpu", "view": "np.reshape",
    "from_numpy": "np.asarray; arrays are NumPy's", "cat": "np.concatenate", "mul": "np.multiply", "div": "np.divide",
    "unsqueeze": "np.expand_dims", "zero_grad": "g = kn.grad(loss)(x, y); each call gives new gradients",
    "step": "kn.update(params, gradients, optimizer)", "onehotbatch": "kn.onehot", "logitcrossentropy": "kn.nll",
    "sparse_categorical_crossentropy": "kn.nll", "categorical_crossentropy": "kn.cross_entropy",
    "binary_cross_entropy": "kn.bce(p, labels, logits=False)", "binary_crossentropy": "kn.bce(p, labels, logits=False)",
    "logitbinarycrossentropy": "kn.bce", "binary_cross_entropy_with_logits": "kn.bce", "kldivergence": "kn.kl",
    "export": "kn.save", "TensorDataset": "kn.minibatch(x, y, 50)", "Dataset": "kn.DataLoader((x, y), 50)",
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
    """How to write a name that a subpackage has, as EMA is kn.optim.EMA, or knows from another library."""
    for room in ("data", "nn", "optim", "train", "init", "random"):
        found = vars(_loaded(room)).get(name)
        if callable(found) and found.__module__.startswith(__name__):
            return f"kn.{room}.{found.__name__}"
    known = [_loaded(room)._ELSEWHERE.get(name, "") for room in ("nn", "optim", "data", "train")]
    return next(filter(None, known), "")


def _loaded(name: str) -> Any:
    """One of the public names, imported."""
    module, attribute = _public()[name]
    if module == ".":
        return import_module("." + attribute, __name__)  # which also makes it an attribute of this module
    return getattr(import_module(module, __name__), attribute)


def _spelled(name: str) -> str:
    """How to write a name of ours that another library spells in its own way, as leaky_relu."""
    found = spelled(name, _public())
    return f"kn.{found}" if found else ""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_public(), key=str.lower)
    if name in _public():
        found = globals()[name] = _loaded(name)
        return found
    if name.startswith("_"):
        raise AttributeError(f"module 'knetpy' has no attribute {name!r}")
    write = _ELSEWHERE.get(name) or (f"np.{name}" if name in np.__all__ else _in_subpackage(name) or _spelled(name))
    raise no_attribute("module 'knetpy'", name, write, _public())


def load_ipython_extension(shell: Any) -> None:
    """What IPython's `%load_ext knetpy` calls: it brings `%%tape` and `%grad`."""
    from .show import magics

    magics.load(shell)


def __dir__() -> list[str]:
    return sorted(["__version__", *_public()])
