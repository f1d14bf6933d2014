"""Rules that divide the gradient by its own size so far, without momentum."""

from __future__ import annotations

import numpy as np

from .optimizer import Optimizer
from .settings import FLAG, SHARE


class Adagrad(Optimizer):
    """Adaptive gradients: s += g * g and w -= lr * g / (sqrt(s) + eps).

    Parameters:
      lr=0.01: the learning rate, a number of at least 0.
      eps=1e-10: outside the root, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011;
    defaults as PyTorch's.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.Adagrad(lr=0.5))
    >>> w.value
    array([0.5, 2.5], dtype=float32)
    """

    idle = True

    def __init__(self, lr=0.01, eps=1e-10):
        self.lr, self.eps = lr, eps

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, s, lr, eps):
        s = s + g * g
        return w - lr * g / (np.sqrt(s) + eps), s

    def numbers(self, t):
        return self.lr, self.eps


class RMSprop(Optimizer):
    """Divide by the root of a running mean: s = rho * s + (1 - rho) * g * g and w -= lr * g / (sqrt(s) + eps).

    Parameters:
      lr=0.01: the learning rate, a number of at least 0.
      rho=0.99: the weight of the old mean, at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
      centered=False: divide by an estimate of the gradient's deviation, sqrt(s - m * m), where m is the running mean
        of g; decided when the optimizer is made.
    Raises: TypeError for what is no number, ValueError for one out of range, AttributeError for a later change of
      centered.

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centered as in Graves,
    "Generating sequences with recurrent neural networks", 2013, but for its momentum; defaults as PyTorch's.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.RMSprop(lr=0.5, rho=0.75))
    >>> w.value.round(3)  # 0.5 / sqrt(1 - 0.75) in every direction
    array([0., 3.], dtype=float32)
    """

    idle = False  # s shrinks along zeros
    fixed = ("centered",)

    kinds = {"rho": SHARE, "centered": FLAG}

    def __init__(self, lr=0.01, rho=0.99, eps=1e-8, centered=False):
        self.lr, self.rho, self.eps, self.centered = lr, rho, eps, centered

    def init(self, w):
        return (np.zeros_like(w), np.zeros_like(w)) if self.centered else (np.zeros_like(w),)

    @property
    def formula(self):
        """The formula of a step, as `centered` says."""
        return _rmsprop_centered if self.centered else _rmsprop

    def numbers(self, t):
        return self.lr, 1 - self.rho, self.eps


def _rmsprop(w, g, s, lr, new, eps):
    s = s + new * (g * g - s)
    return w - lr * g / (np.sqrt(s) + eps), s


def _rmsprop_centered(w, g, s, m, lr, new, eps):
    s = s + new * (g * g - s)
    m = m + new * (g - m)
    return w - lr * g / (np.sqrt(np.maximum(s - m * m, 0.0)) + eps), s, m  # rounding may take it below 0


class Adadelta(Optimizer):
    """Steps of the size of the steps so far: w -= lr * d, where d = g * sqrt(u + eps) / sqrt(s + eps).

    s is the running mean of g * g, and u that of d * d up to the step before.

    Parameters:
      lr=1.0: the learning rate, a number of at least 0; the paper has none.
      rho=0.9: the weight of the old means, at least 0, less than 1.
      eps=1e-6: inside the roots; the first steps are of its size; at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Zeiler, "Adadelta: an adaptive learning rate method", 2012, algorithm 1; defaults as PyTorch's.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0])
    >>> kn.update(w, np.ones(1, "f4"), kn.Adadelta(rho=0.75, eps=0.25))
    >>> w.value  # 1 - sqrt(0.25) / sqrt(0.25 + 0.25)
    array([0.29289323], dtype=float32)
    """

    kinds = {"rho": SHARE}

    def __init__(self, lr=1.0, rho=0.9, eps=1e-6):
        self.lr, self.rho, self.eps = lr, rho, eps

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w)

    @staticmethod
    def formula(w, g, s, u, lr, new, eps):
        s = s + new * (g * g - s)
        d = g * (np.sqrt(u + eps) / np.sqrt(s + eps))
        return w - lr * d, s, u + new * (d * d - u)

    def numbers(self, t):
        return self.lr, 1 - self.rho, self.eps
