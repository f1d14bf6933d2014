"""knetpy: define-by-run deep learning for people who think in NumPy."""

from . import check, data, kernels, ops, optim, random, show, train
from .check.nonfinite import check_nonfinite
from .core import init
from .core.checkpoint import checkpoint
from .core.errors import (
    DerivativeError,
    DtypeError,
    EscapeError,
    KnetpyError,
    MutationError,
    NonFiniteError,
    ShapeError,
)
from .core.gradients import Gradients, Record
from .core.init import xavier
from .core.jacobian import hessian, hvp, jacobian, jvp, vjp
from .core.model import model
from .core.params import named_params, param, param0, params
from .core.primitive import constant, primitive
from .core.transforms import defer, grad, stop_gradient, tape, value_and_grad
from .core.value import Param, Result, value
from .data.minibatch import minibatch
from .ops.activation import relu, sigmoid
from .ops.conv import conv
from .ops.dropout import dropout
from .ops.linear import mat
from .ops.nll import accuracy, nll
from .ops.pool import pool
from .ops.softmax import logsoftmax, logsumexp, softmax
from .optim import SGD, Adam, update
from .random import seed
from .settings import set_threads, threads, training
from .train import minimize, progress

__version__ = "0.1.0"
__all__ = [
    "accuracy",
    "Adam",
    "check",
    "check_nonfinite",
    "checkpoint",
    "constant",
    "conv",
    "data",
    "defer",
    "DerivativeError",
    "dropout",
    "DtypeError",
    "EscapeError",
    "grad",
    "Gradients",
    "hessian",
    "hvp",
    "init",
    "jacobian",
    "jvp",
    "kernels",
    "KnetpyError",
    "logsoftmax",
    "logsumexp",
    "mat",
    "minibatch",
    "minimize",
    "model",
    "MutationError",
    "named_params",
    "nll",
    "NonFiniteError",
    "ops",
    "optim",
    "Param",
    "param",
    "param0",
    "params",
    "pool",
    "primitive",
    "progress",
    "random",
    "Record",
    "relu",
    "Result",
    "seed",
    "set_threads",
    "SGD",
    "ShapeError",
    "show",
    "sigmoid",
    "softmax",
    "stop_gradient",
    "tape",
    "threads",
    "train",
    "training",
    "update",
    "value",
    "value_and_grad",
    "vjp",
    "xavier",
]
