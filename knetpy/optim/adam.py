"""Adam and the rules that came of it: running means of the gradient and of its size."""

from __future__ import annotations

import math

import numpy as np

from .optimizer import Optimizer
from .settings import AMOUNT, FLAG


class _Means(Optimizer):
    """What they have in common: two means that start from zero, which is undone at update number t."""

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w)

    def numbers(self, t):
        lr, root = self.lr / (1 - self.beta1**t), 1 / math.sqrt(1 - self.beta2**t)
        return 1 - self.beta1, 1 - self.beta2, lr, root, self.eps


class Adam(_Means):
    """Adaptive moments: m and v are running means of g and g*g, and w -= lr * m' / (sqrt(v') + eps).

    m' = m / (1 - beta1**t) and v' = v / (1 - beta2**t) undo the start from zero, at update number t of that param.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean, 0.9 for m and 0.999 for v; at least 0, less than 1.
      eps=1e-8: 1e-8, outside the root; at least 0.
      lazy=False: of an embedding's table, update only the rows that were looked up, and their moments; by default all
        rows, as if the gradient had been dense. On a GPU the number of these rows is waited for.
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

    kinds = {"lazy": FLAG}

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, lazy=False):
        super().__init__(lr, beta1, beta2, eps)
        self.lazy = lazy

    @staticmethod
    def formula(w, g, m, v, fresh1, fresh2, lr, root, eps):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        return w - lr * m / (np.sqrt(v) * root + eps), m, v


class AdamW(Adam):
    """Adam with decoupled weight decay: w *= 1 - lr * weight_decay, then the step of `Adam`.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
      weight_decay=0.01: the part of lr * w that is taken off at each step, at least 0.
      lazy=False: of an embedding's table, update only the rows that were looked up.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, with the decay times lr as in PyTorch.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.zeros(2, "f4"), kn.AdamW(lr=0.5, weight_decay=0.5))
    >>> w.value
    array([0.75, 1.5 ], dtype=float32)
    """

    kinds = {"weight_decay": AMOUNT}

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, lazy=False):
        super().__init__(lr, beta1, beta2, eps, lazy)
        self.weight_decay = weight_decay

    @staticmethod
    def formula(w, g, m, v, fresh1, fresh2, lr, root, eps, keep):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        return w * keep - lr * m / (np.sqrt(v) * root + eps), m, v

    def numbers(self, t):
        return *super().numbers(t), 1 - self.lr * self.weight_decay


class AMSGrad(_Means):
    """Adam that divides by the largest v so far, so that no step size ever grows again.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018; like PyTorch's it undoes the start from
    zero as Adam does.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.AMSGrad(lr=0.5))
    >>> w.value
    array([0.5, 2.5], dtype=float32)
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(lr, beta1, beta2, eps)

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)

    @staticmethod
    def formula(w, g, m, v, most, fresh1, fresh2, lr, root, eps):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        most = np.maximum(most, v)
        return w - lr * m / (np.sqrt(most) * root + eps), m, v, most


class Adamax(_Means):
    """Adam by the largest gradient: u = max(beta2 * u, abs(g) + eps) and w -= lr / (1 - beta1**t) * m / u.

    Parameters:
      lr=0.002: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of the old u; at least 0, less than 1.
      eps=1e-8: keeps u from zero, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2; eps as in PyTorch.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.Adamax(lr=0.5))
    >>> w.value
    array([0.5, 2.5], dtype=float32)
    """

    def __init__(self, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(lr, beta1, beta2, eps)

    @staticmethod
    def formula(w, g, m, u, fresh, beta2, lr, eps):
        m = m + fresh * (g - m)
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        return w - lr * m / u, m, u

    def numbers(self, t):
        return 1 - self.beta1, self.beta2, self.lr / (1 - self.beta1**t), self.eps


class NAdam(_Means):
    """Adam with Nesterov's look ahead, and a beta1 that grows towards its value.

    Parameters:
      lr=0.002: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
      momentum_decay=0.004: at update t, beta1 * (1 - 0.5 * 0.96**(t * momentum_decay)) takes part; at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016; as PyTorch's.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.NAdam(lr=0.5))
    >>> w.value.round(3)
    array([0.472, 2.528], dtype=float32)
    """

    kinds = {"momentum_decay": AMOUNT}

    def __init__(self, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=0.004):
        super().__init__(lr, beta1, beta2, eps)
        self.momentum_decay = momentum_decay

    @staticmethod
    def formula(w, g, m, v, fresh1, fresh2, along_g, along_m, root, eps):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        return w - (along_g * g + along_m * m) / (np.sqrt(v) * root + eps), m, v

    def numbers(self, t):
        now, ahead, product, i = self._mu(t), self._mu(t + 1), 1.0, 0
        while i < t and product > 1e-20:  # beyond, 1 - product is 1
            i += 1
            product *= self._mu(i)
        along_g, along_m = self.lr * (1 - now) / (1 - product), self.lr * ahead / (1 - product * ahead)
        return 1 - self.beta1, 1 - self.beta2, along_g, along_m, 1 / math.sqrt(1 - self.beta2**t), self.eps

    def _mu(self, t):
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))


class RAdam(_Means):
    """Adam that follows m alone until v has seen enough gradients to be divided by, and then a rectified share of it.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2; as in PyTorch the
    division begins when the length of the average is above 5.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.5, -1], "f4"), kn.RAdam(lr=0.5))
    >>> w.value  # the first steps are lr * g
    array([0.75, 2.5 ], dtype=float32)
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(lr, beta1, beta2, eps)

    @staticmethod
    def formula(w, g, m, v, fresh1, fresh2, lr, root, eps, one):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        return w - lr * m / (np.sqrt(v) * root + eps + one), m, v

    def numbers(self, t):
        lr, decayed = self.lr / (1 - self.beta1**t), self.beta2**t
        most = 2 / (1 - self.beta2) - 1
        length = most - 2 * t * decayed / (1 - decayed)
        if length <= 5:  # divided by 1
            return 1 - self.beta1, 1 - self.beta2, lr, 0.0, 0.0, 1.0
        share = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        return 1 - self.beta1, 1 - self.beta2, lr * math.sqrt(share * (1 - decayed)), 1.0, self.eps, 0.0


class AdaBelief(_Means):
    """Adam by how far the gradient is from its mean: s is the running mean of (g - m)**2, plus eps.

    w -= lr * m' / (sqrt(s') + eps), where m' and s' undo the start from zero as in `Adam`.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.9, beta2=0.999: the weight of the old mean of g and of the old s; at least 0, less than 1.
      eps=1e-16: added to s at each step, and outside the root; at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", NeurIPS 2020,
    algorithm 2, with the default eps of the authors' code.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.array([0.1, -10], "f4"), kn.AdaBelief(lr=0.5, beta1=0.5))
    >>> w.value  # g is twice as large as g - m
    array([0., 3.], dtype=float32)
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-16):
        super().__init__(lr, beta1, beta2, eps)

    @staticmethod
    def formula(w, g, m, s, fresh1, fresh2, lr, root, eps):
        m = m + fresh1 * (g - m)
        s = s + fresh2 * ((g - m) * (g - m) - s) + eps
        return w - lr * m / (np.sqrt(s) * root + eps), m, s


class OAdam(_Means):
    """Optimistic Adam, for games such as GANs: w -= 2 * step - the step before, where step is that of `Adam`.

    Parameters:
      lr=0.001: the learning rate, a number of at least 0.
      beta1=0.5, beta2=0.9: the weight of the old mean of g and of g * g; at least 0, less than 1.
      eps=1e-8: outside the root, at least 0.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Daskalakis, Ilyas, Syrgkanis and Zeng, "Training GANs with optimism", ICLR 2018, algorithm 1; defaults as Flux's.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0]), kn.OAdam(lr=0.25)
    >>> for _ in range(2):
    ...     kn.update(w, np.ones(1, "f4"), opt)
    >>> w.value  # 1 - 2 * 0.25 - (2 * 0.25 - 0.25)
    array([0.25], dtype=float32)
    """

    def __init__(self, lr=0.001, beta1=0.5, beta2=0.9, eps=1e-8):
        super().__init__(lr, beta1, beta2, eps)

    def init(self, w):
        return np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)

    @staticmethod
    def formula(w, g, m, v, last, fresh1, fresh2, lr, root, eps):
        m = m + fresh1 * (g - m)
        v = v + fresh2 * (g * g - v)
        step = lr * m / (np.sqrt(v) * root + eps)
        return w - (2.0 * step - last), m, v, step
