"""Knet's optimizers, with the defaults of its version 1.4."""

import numpy as np

from ..graphs import capture
from ..optim import SGD as _SGD
from ..optim import Adadelta as _Adadelta
from ..optim import Adam as _Adam
from ..optim import ClipNorm, Optimizer
from ..optim.settings import AMOUNT, SHARE


class _Clipping(Optimizer):
    """A rule that first scales down each array's gradient whose norm is above gclip, if that is not 0."""

    kinds = {"gclip": AMOUNT}
    gclip: float

    def plan(self, pairs, path_of):
        now = self._at(1 + max([self.state(target).t for target, _ in pairs], default=0))
        if capture():
            gclip = self.gclip
            capture().fixed.append(lambda: self.gclip == gclip)
        return super().plan(ClipNorm(now.gclip).change(pairs) if now.gclip else pairs, path_of)


class SGD(_Clipping, _SGD):
    """Stochastic gradient descent: w = w - lr * g.

    Parameters:
      lr=0.1: the learning rate.
      gclip=0: above 0, the gradient of an array whose norm is larger is scaled down to this norm; each by itself.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([0.0, 0.0])
    >>> kn.knet.update(w, np.array([3, 4], "f4"), kn.knet.SGD(lr=1.0, gclip=1.0))
    >>> w.value
    array([-0.6, -0.8], dtype=float32)
    """

    def __init__(self, lr=0.1, gclip=0):
        self.lr, self.gclip = lr, gclip


class Momentum(_Clipping):
    """Gradient descent with momentum: v = gamma * v - lr * g, w = w + v; lr is inside of v, unlike in `kn.Momentum`.

    Parameters:
      lr=0.05: the learning rate.
      gamma=0.95: how much of the last step goes on, at least 0, less than 1.
      gclip=0: as for `SGD`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0]), kn.knet.Momentum(lr=0.5, gamma=0.5)
    >>> for _ in range(2):
    ...     kn.knet.update(w, np.ones(1, "f4"), opt)
    >>> w.value  # 1 - 0.5 - 0.75
    array([-0.25], dtype=float32)
    """

    kinds = {"gamma": SHARE}

    def __init__(self, lr=0.05, gamma=0.95, gclip=0):
        self.lr, self.gamma, self.gclip = lr, gamma, gclip

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, v, lr, gamma):
        v = gamma * v - lr * g
        return w + v, v

    def numbers(self, t):
        return self.lr, self.gamma


class Nesterov(Momentum):
    """Momentum with a look ahead: w = w - gamma * v, v = gamma * v - lr * g, w = w + (1 + gamma) * v.

    Parameters:
      lr=0.05, gamma=0.95, gclip=0: as for `Momentum`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    Bengio, Boulanger-Lewandowski and Pascanu, "Advances in optimizing recurrent networks", 2013, equation 7.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0])
    >>> kn.knet.update(w, np.ones(1, "f4"), kn.knet.Nesterov(lr=0.5, gamma=0.5))
    >>> w.value
    array([0.25], dtype=float32)
    """

    def __init__(self, lr=0.05, gamma=0.95, gclip=0):
        super().__init__(lr, gamma, gclip)

    @staticmethod
    def formula(w, g, v, lr, gamma):
        new = gamma * v - lr * g
        return w - gamma * v + (1 + gamma) * new, new


class Adagrad(_Clipping):
    """Adaptive gradients: G = G + g * g, w = w - lr * g / sqrt(G + eps), with eps inside of the root.

    Parameters:
      lr=0.05: the learning rate.
      eps=1e-6: a number of at least 0.
      gclip=0: as for `SGD`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.knet.update(w, np.array([0.5, -10], "f4"), kn.knet.Adagrad(lr=0.5))
    >>> w.value
    array([0.500001, 2.5     ], dtype=float32)
    """

    idle = True

    def __init__(self, lr=0.05, eps=1e-6, gclip=0):
        self.lr, self.eps, self.gclip = lr, eps, gclip

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, G, lr, eps):
        G = G + g * g
        return w - lr * g / np.sqrt(G + eps), G

    def numbers(self, t):
        return self.lr, self.eps


class Rmsprop(_Clipping):
    """A running mean: G = rho * G + (1 - rho) * g * g, w = w - lr * g / sqrt(G + eps), with eps inside of the root.

    Parameters:
      lr=0.01: the learning rate.
      rho=0.9: the weight of the old mean, at least 0, less than 1.
      eps=1e-6: a number of at least 0.
      gclip=0: as for `SGD`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.knet.update(w, np.array([1, -10], "f4"), kn.knet.Rmsprop(lr=0.5, rho=0.75))
    >>> w.value.round(3)  # 0.5 / sqrt(1 - 0.75) in every direction
    array([0., 3.], dtype=float32)
    """

    kinds = {"rho": SHARE}

    def __init__(self, lr=0.01, rho=0.9, eps=1e-6, gclip=0):
        self.lr, self.rho, self.eps, self.gclip = lr, rho, eps, gclip

    def init(self, w):
        return (np.zeros_like(w),)

    @staticmethod
    def formula(w, g, G, lr, rho, new, eps):
        G = rho * G + new * (g * g)
        return w - lr * g / np.sqrt(G + eps), G

    def numbers(self, t):
        return self.lr, self.rho, 1 - self.rho, self.eps


class Adadelta(_Clipping, _Adadelta):
    """Steps of the size of the steps so far: `kn.Adadelta`, with gclip.

    Parameters:
      lr=1.0, rho=0.9, eps=1e-6: as for `kn.Adadelta`.
      gclip=0: as for `SGD`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0])
    >>> kn.knet.update(w, np.ones(1, "f4"), kn.knet.Adadelta(rho=0.75, eps=0.25))
    >>> w.value
    array([0.29289323], dtype=float32)
    """

    def __init__(self, lr=1.0, rho=0.9, eps=1e-6, gclip=0):
        self.lr, self.rho, self.eps, self.gclip = lr, rho, eps, gclip


class Adam(_Clipping, _Adam):
    """Adaptive moments: `kn.Adam`, with gclip.

    Parameters:
      lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8: as for `kn.Adam`.
      gclip=0: as for `SGD`.
    Raises: TypeError for what is no number, ValueError for one out of range.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.knet.update(w, np.array([1, -10], "f4"), kn.knet.Adam(lr=0.5))  # the first step is lr in every direction
    >>> w.value
    array([0.5, 2.5], dtype=float32)
    """

    lazy = False

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, gclip=0):
        self.lr, self.beta1, self.beta2, self.eps, self.gclip = lr, beta1, beta2, eps, gclip
