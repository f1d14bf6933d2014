"""Rules that look at a whole array before they change an element of it; so they are steps, not formulas."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..devices import on_gpu, zeros
from .optimizer import Optimizer
from .settings import AMOUNT, COUNT, FLAG, SHARE


def norm(x: np.ndarray) -> Any:
    """The root of the sum of squares, which is taken in float64: squares of float32 may be too large for it.

    A number; of what is on a GPU, which is not waited for, an array without axes.
    """
    squares = np.sum(np.square(x, dtype=np.float64))
    return np.sqrt(squares) if on_gpu(squares) else math.sqrt(squares)


def norm_of_all(lengths: Iterable) -> Any:
    """The norm of everything from the norms of its parts."""
    lengths = list(lengths)
    on_host = math.hypot(*[length for length in lengths if not on_gpu(length)])
    there = [length * length for length in lengths if on_gpu(length)]
    return np.sqrt(sum(there) + on_host * on_host) if there else on_host


def at_least(least: float, x: Any) -> Any:
    """x, which is a norm, or the number if x is less."""
    return np.fmax(x, least) if on_gpu(x) else max(least, x)


def over(a: Any, b: Any, some: Any) -> Any:
    """The norm a over the norm b if `some` holds, else 1."""
    if not on_gpu(some):
        return a / b if some else 1.0
    return np.where(some, a / np.where(some, b, 1.0), 1.0)


class LAMB(Optimizer):
    """Adam for large batches: each array moves in proportion to its own norm.

    The step r = m' / (sqrt(v') + eps) + weight_decay * w is Adam's with decoupled decay; w -= lr * (|w| / |r|) * r, or
    lr * r where a norm is zero.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-6: outside the root, at least 0.
      weight_decay=0.01: the part of w in the step, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020, algorithm 2.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([3.0, 4.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.LAMB(lr=0.2, weight_decay=0))
    >>> w.value.round(4)  # a step of the length 0.2 * 5
    array([2.2929, 4.7071], dtype=float32)
    """

    kinds = {"weight_decay": AMOUNT}

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01):
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = lr, beta1, beta2, eps, weight_decay

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w)

    def step(self, w, g, state, t):
        m, v = state
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        r = m / (1 - self.beta1**t) / (np.sqrt(v / (1 - self.beta2**t)) + self.eps) + self.weight_decay * w
        length, height = norm(r), norm(w)
        way = over(height, length, (length != 0) & (height != 0))
        w -= (self.lr * way * r).astype(w.dtype, copy=False)


class Adafactor(Optimizer):
    """Adam without m, that remembers of a matrix's v only the means of rows and columns.

    v is their product over the mean of all, with weight 1 - t**-decay for the old means; of an array with more axes
    the last two are the matrix, and a vector's v is whole. The step g / sqrt(v) is cut to a root mean square of `clip`,
    and taken in proportion to the array's own root mean square.

    Parameters:
      lr=0.01: the largest share of that, lr or 1 / sqrt(t) if it is less; a number of at least 0.
      decay=0.8: how fast the old means gain weight, at least 0.
      eps=1e-15: the least sqrt(v), at least 0.
      floor=1e-3: what the array's root mean square is at least taken for, at least 0.
      clip=1.0: the largest root mean square of g / sqrt(v), at least 0.
      weight_decay=0.0: decoupled: the part of lr * w that is taken off at each step, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018, algorithm 5;
    other defaults and the place of eps as PyTorch's, whose eps is the precision of the dtype.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param(np.ones((300, 200), "f4")), kn.Adafactor(lr=0.5)
    >>> kn.update(w, np.ones((300, 200), "f4"), opt)
    >>> w.value[0, 0], [a.shape for a in opt.state(w).arrays]
    (np.float32(0.5), [(300, 1), (1, 200)])
    """

    real = True
    kinds = {"decay": AMOUNT, "floor": AMOUNT, "clip": AMOUNT, "weight_decay": AMOUNT}

    def __init__(self, lr=0.01, decay=0.8, eps=1e-15, floor=1e-3, clip=1.0, weight_decay=0.0):
        self.lr, self.decay, self.eps, self.floor, self.clip = lr, decay, eps, floor, clip
        self.weight_decay = weight_decay

    def init(self, w):
        if w.ndim < 2:
            return (np.zeros_like(w),)
        return zeros((*w.shape[:-1], 1), w), zeros((*w.shape[:-2], 1, w.shape[-1]), w)

    def step(self, w, g, state, t):
        if not w.size:
            return  # there is no mean of nothing
        least = self.eps**2
        share = at_least(self.floor, norm(w) / math.sqrt(w.size)) * min(self.lr, 1 / math.sqrt(t))
        for axis, mean in zip((-1, -2) if len(state) == 2 else ((),), state):
            mean += t**-self.decay * (np.mean(g * g, axis, keepdims=True) - mean)
        v = state[0]
        if len(state) == 2:
            v = v * (state[1] / np.maximum(np.mean(v, -2, keepdims=True), least))
        r = g / np.sqrt(np.maximum(v, least))
        size = norm(r) / math.sqrt(r.size)
        r *= share * over(self.clip, size, size > self.clip)
        w -= (self.lr * self.weight_decay * w + r).astype(w.dtype, copy=False)


class Muon(Optimizer):
    """Momentum for matrices, made orthogonal: what the step would stretch more than other directions it does not.

    m = momentum * m + (1 - momentum) * g, the step is near U @ V.T of the singular values U @ S @ V.T of m, and
    w -= lr * (weight_decay * w + sqrt(max(1, rows / columns)) * step). For the weights of hidden layers; the others
    take another optimizer, and an update of their own. The axes after the first count as one.

    Parameters:
      lr=1e-3: the learning rate, a number of at least 0.
      momentum=0.95: the weight of the old mean, at least 0, less than 1.
      weight_decay=0.1: decoupled: the part of lr * w that is taken off at each step, at least 0.
      nesterov=True: make orthogonal what m would be if g came again.
      steps=5: the number of Newton-Schulz iterations, an integer of at least 1.
    Raises: TypeError for what is no number, ValueError for one out of range, ShapeError for an array of less than two
      axes.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, as in PyTorch, where the iterations
    are in bfloat16; here they are in the dtype of the moments.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param(np.zeros((2, 2), "f4"))
    >>> kn.update(w, np.array([[100, 0], [0, 0.1]], "f4"), kn.Muon(lr=1.0, steps=20))
    >>> bool((abs(w.value[[0, 1], [0, 1]]) > 0.6).all())  # singular values of 0.7 to 1.2
    True
    """

    real = True
    kinds = {"momentum": SHARE, "weight_decay": AMOUNT, "nesterov": FLAG, "steps": COUNT}

    def __init__(self, lr=1e-3, momentum=0.95, weight_decay=0.1, nesterov=True, steps=5):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.nesterov, self.steps = nesterov, steps

    def init(self, w):
        if w.ndim < 2:
            raise ShapeError(
                f"Muon: it is for matrices, and an array of shape {w.shape} is none; update biases and such by "
                "another optimizer: kn.update(biases, grads, kn.Adam())"
            )
        return (np.zeros_like(w),)

    def step(self, w, g, state, t):
        (m,) = state
        m += (1 - self.momentum) * (g - m)
        r = g + self.momentum * (m - g) if self.nesterov else m
        r = orthogonal(r.reshape(len(r), -1), self.steps) if r.size else r
        scale = self.lr * math.sqrt(max(1.0, r.shape[0] / r.shape[1])) if r.size else 0.0
        w -= (self.lr * self.weight_decay * w + scale * r.reshape(w.shape)).astype(w.dtype, copy=False)


def orthogonal(x: np.ndarray, steps: int) -> np.ndarray:
    """Newton-Schulz iterations, which take the singular values of a matrix to between 0.7 and 1.2.

    Their polynomial is as steep at zero as it can be rather than one that converges to 1.
    """
    if len(x) > x.shape[1]:
        return orthogonal(x.T, steps).T
    x = (x / at_least(1e-7, norm(x))).astype(x.dtype, copy=False)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * (a @ a)) @ x
    return x
