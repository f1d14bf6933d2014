"""Knet.jl's names, orders of arguments, defaults and conventions, for programs that are translated line by line.

`from knetpy.knet import *` stands for `using Knet`. What differs is the layout: our arrays are row-major, with the
batch first. An array of Julia's has its axes here from the last to the first: images (W, H, C, N) are (N, C, H, W),
windows (W1, W2, C, O) are (O, C, W2, W1), and data (features, batch) are (batch, features), so that w * x becomes
x @ w with the transpose of w. The memory is the same. Only sequences are (B, T, I) for Knet's (I, B, T). Options that
count Julia's axes (dims=) do it from 1 at our last.

Labels are from 1, and 0 is passed over; indices are from 0, so that an embedding is w[x - 1] of them. Losses take raw
scores. @diff f(x) is diff(f, x), and a name with an exclamation mark has none here: update! is update, adam! is a loop
over adam that does nothing. What Knet keeps in Param.opt our optimizers remember themselves: one opt for all steps, or
`optimizers`.
"""

from ..core.value import Param, value
from ..ops.activation import elu, selu
from ..ops.piecewise import relu
from ..parameters.init import gaussian, xavier, xavier_normal, xavier_uniform
from ..parameters.search import params
from ..settings import training
from ..train import converge, cycle, goldensection, hyperband, minimize, repeat, take
from .batchnorm import batchnorm, bnmoments, bnparams
from .loops import adadelta, adagrad, adam, momentum, nesterov, progress, rmsprop, sgd
from .losses import accuracy, bce, logistic, nll, zeroone
from .models import (
    bilinear,
    cat1d,
    diff,
    gcheck,
    grad,
    gradloss,
    minibatch,
    optimizers,
    param,
    param0,
    setseed,
    update,
)
from .ops import bmm, conv4, deconv4, dropout, invx, logp, logsoftmax, logsumexp, mat, pool, sigm, softmax, tanh, unpool
from .optim import SGD, Adadelta, Adagrad, Adam, Momentum, Nesterov, Rmsprop
from .rnn import RNN, rnnforw, rnninit, rnnparam, rnnparams

Sgd = SGD

__all__ = [
    "Adadelta", "Adagrad", "Adam", "Momentum", "Nesterov", "Param", "RNN", "Rmsprop", "SGD", "Sgd", "accuracy",
    "adadelta", "adagrad", "adam", "batchnorm", "bce", "bilinear", "bmm", "bnmoments", "bnparams", "cat1d", "conv4",
    "converge", "cycle", "deconv4", "diff", "dropout", "elu", "gaussian", "gcheck", "goldensection", "grad", "gradloss",
    "hyperband", "invx", "logistic", "logp", "logsoftmax", "logsumexp", "mat", "minibatch", "minimize", "momentum",
    "nesterov", "nll", "optimizers", "param", "param0", "params", "pool", "progress", "relu", "repeat", "rmsprop",
    "rnnforw", "rnninit", "rnnparam", "rnnparams", "selu", "setseed", "sgd", "sigm", "softmax", "take", "tanh",
    "training", "unpool", "update", "value", "xavier", "xavier_normal", "xavier_uniform", "zeroone",
]  # fmt: skip

_WITHOUT = {  # names of Knet's that are not here, and what to write
    "KnetArray": "kn.gpu(x)", "CuArray": "kn.gpu(x)", "ka": "kn.gpu(x)", "gpucopy": "kn.gpu(tree)",
    "cpucopy": "kn.cpu(tree)", "gpu": "kn.has_gpu(), and kn.default_device(\"gpu\") for new params",
    "atype": "atype=np.float64 of param, param0 and RNN", "array_type": "atype=np.float64 of param, param0 and RNN",
    "knetgc": "nothing: memory is given back by itself", "gc": "nothing: memory is given back by itself",
    "save": "kn.save(path, tree)", "load": "kn.load(path)", "train": "a loop over adam(f, data), sgd(f, data) ...",
    "epochs": "repeat(data, epochs)", "updates": "take(cycle(data), updates)", "ncycle": "repeat(data, epochs)",
    "takenth": "a loop over enumerate(adam(f, data), 1) with if step % n == 0",
    "Data": "minibatch(x, y, 100), which is of kn.data.Minibatches", "rnntype": "RNN(..., rnnType=...)",
    "seed": "setseed(n)", "getval": "value(x)",
    "conv": "conv4, or kn.conv(x, w)", "linear": "x @ w + b, or kn.linear(x, w, b)", "sigmoid": "sigm",
    "gradcheck": "gcheck(f, x), or kn.gradcheck(f, x)", "recording": "training()", "full": "nothing: g[p] is dense",
    "clone": "copy.copy(opt)", "dir": "kn.data, which has the data sets", "mnist": "kn.data.mnist()",
}  # fmt: skip


def __getattr__(name):
    if name in _WITHOUT:
        raise AttributeError(f"kn.knet has no {name}: write {_WITHOUT[name]}")
    raise AttributeError(f"module 'knetpy.knet' has no attribute {name!r}")
