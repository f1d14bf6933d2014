"""Rules that follow the gradient, with or without momentum, and those that only follow its sign."""

from __future__ import annotations

import math

import numpy as np

from .optimizer import Optimizer
from .settings import AMOUNT, FACTOR, SHARE


class SGD(Optimizer):
    """Stochastic gradient descent: w -= lr * g.

    Parameters:
      lr=0.1: the learning rate, a number of at least 0.
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


class Momentum(Optimizer):
    """Gradient descent with momentum: v = momentum * v + g and w -= lr * v.

    Parameters:
      lr=0.01: the learning rate, a number of at least 0.
      momentum=0.9: how much of the last step goes on, at least 0, less than 1.
    Raises: TypeError for what is no number, ValueError for one out of range.

    As in PyTorch the learning rate is outside of v, so that a new one acts at once.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0]), kn.Momentum(lr=0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     kn.update(w, np.ones(1, "f4"), opt)
    >>> w.value  # 1 - 0.5 * 1 - 0.5 * 1.5
    array([-0.25], dtype=float32)
    """

    kinds = {"momentum": SHARE}

    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, v, lr, momentum):
        v = momentum * v + g
        return w - lr * v, v

    def numbers(self, t):
        return self.lr, self.momentum


class Nesterov(Momentum):
    """Momentum with a look ahead: v = momentum * v + g and w -= lr * (g + momentum * v).

    Parameters:
      lr=0.01: the learning rate, a number of at least 0.
      momentum=0.9: how much of the last step goes on, at least 0, less than 1.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in the form of
    Bengio, Boulanger-Lewandowski and Pascanu, which PyTorch has too.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0])
    >>> kn.update(w, np.ones(1, "f4"), kn.Nesterov(lr=0.5, momentum=0.5))
    >>> w.value
    array([0.25], dtype=float32)
    """

    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum

    @staticmethod
    def formula(w, g, v, lr, momentum):
        v = momentum * v + g
        return w - lr * (g + momentum * v), v


class Rprop(Optimizer):
    """Resilient backpropagation: each element has a step size, and goes against the sign of its gradient by it.

    The size grows while the sign stays, and shrinks when it changes; then the element waits for one step. It is for
    gradients of all data, as noise changes signs.

    Parameters:
      lr=0.01: the first step size, and the measure of all: a new lr scales them at the next step; at least 0.
      shrink=0.5, grow=1.2: what the size is multiplied by; shrink less than 1, grow at least 1.
      smallest=1e-6, largest=50.0: bounds of the step sizes, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning", ICNN 1993, in PyTorch's form.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0, 1.0]), kn.Rprop(lr=0.5)
    >>> for g in ([3.0, 3.0], [0.1, -0.1]):
    ...     kn.update(w, np.array(g, "f4"), opt)
    >>> w.value.round(3)  # 1 - 0.5 - 0.6, and 1 - 0.5
    array([-0.1,  0.5], dtype=float32)
    """

    kinds = {"shrink": SHARE, "grow": FACTOR, "smallest": AMOUNT, "largest": AMOUNT}

    def __init__(self, lr=0.01, shrink=0.5, grow=1.2, smallest=1e-6, largest=50.0):
        self.lr, self.shrink, self.grow, self.smallest, self.largest = lr, shrink, grow, smallest, largest

    def init(self, w):
        return np.zeros_like(w), np.ones_like(w)

    @staticmethod
    def formula(w, g, before, size, lr, shrink, grow, low, high):
        turn = np.sign(g) * before  # 1 where the sign is that of the step before, -1 where it is another
        same, other = np.maximum(turn, 0.0), np.maximum(-turn, 0.0)
        size = size * ((1 - same - other) + same * grow + other * shrink)
        size = np.minimum(np.maximum(size, low), high)
        before = np.sign(g) * (1 - other)
        return w - before * (lr * size), before, size

    def numbers(self, t):
        low, high = (self.smallest / self.lr, self.largest / self.lr) if self.lr else (0.0, math.inf)
        return self.lr, self.shrink, self.grow, low, high


class Lion(Optimizer):
    """Evolved sign momentum: w -= lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w).

    After the step, m = beta2 * m + (1 - beta2) * g. Every element moves by lr, which wants to be 3 to 10 times smaller
    than Adam's, and weight_decay as much larger.

    Parameters:
      lr=1e-4: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.99: the weight of the old mean in the step and in m; at least 0, less than 1.
      weight_decay=0.0: decoupled: the part of lr * w that is taken off at each step, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, program 1 and algorithm 2.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.01, -100], "f4"), kn.Lion(lr=0.5))
    >>> w.value
    array([0.5, 2.5], dtype=float32)
    """

    kinds = {"weight_decay": AMOUNT}

    def __init__(self, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0):
        self.lr, self.beta1, self.beta2, self.weight_decay = lr, beta1, beta2, weight_decay

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, m, lr, keep, new1, new2):
        return w * keep - lr * np.sign(m + new1 * (g - m)), m + new2 * (g - m)

    def numbers(self, t):
        return self.lr, 1 - self.lr * self.weight_decay, 1 - self.beta1, 1 - self.beta2
