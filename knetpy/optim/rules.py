"""The rules: what each remembers of an array, and how it changes it."""

from __future__ import annotations

import math

import numpy as np

from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: w -= lr * g.

    Parameters:
      lr=0.1: the learning rate, 0.1 by default; a number of at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> g = kn.grad(lambda: (w * w).sum())()
    >>> kn.update(w, g, kn.SGD(lr=0.25))
    >>> w.value
    array([0.5, 1. ], dtype=float32)
    """

    idle = True

    def __init__(self, lr=0.1):
        self.lr = lr

    @staticmethod
    def formula(w, g, lr):
        return (w - lr * g,)

    def numbers(self, t):
        return (self.lr,)


class Adam(Optimizer):
    """Adaptive moments: m and v are running means of g and g*g, and w -= lr * m' / (sqrt(v') + eps).

    m' = m / (1 - beta1**t) and v' = v / (1 - beta2**t) undo the start from zero, at update number t of that param.

    Parameters:
      lr=0.001: the learning rate, 0.001 by default; a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean, 0.9 for m and 0.999 for v; at least 0, less than 1.
      eps=1e-8: 1e-8, outside the root; at least 0.
      lazy=False: of an embedding's table, update only the rows that were looked up, and their moments; by default all
        rows, as if the gradient had been dense.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    >>> import knetpy as kn
    >>> w, opt = kn.param([1.0, 2.0]), kn.Adam(lr=0.5)
    >>> g = kn.grad(lambda: (w * w).sum())()
    >>> kn.update(w, g, opt)  # the first step is lr in every direction
    >>> w.value
    array([0.5, 1.5], dtype=float32)
    >>> opt.lr = 0.1  # from the next step on
    >>> opt
    Adam(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-08, lazy=False)
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, lazy=False):
        self.lr, self.beta1, self.beta2, self.eps, self.lazy = lr, beta1, beta2, eps, lazy

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w)

    @staticmethod
    def formula(w, g, m, v, fresh1, fresh2, lr, root, eps):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        return w - lr * m / (np.sqrt(v) * root + eps), m, v

    def numbers(self, t):
        lr, root = self.lr / (1 - self.beta1**t), 1 / math.sqrt(1 - self.beta2**t)
        return 1 - self.beta1, 1 - self.beta2, lr, root, self.eps
