"""What knetpy and PyTorch call each layer of `workloads.py`, and how each makes a training step.

The other libraries are in `peers.py`.
A layer reads its weights from `side.weights` when it is called. Everything is float32.
"""

from __future__ import annotations

from itertools import repeat
from math import sqrt

import numpy as np

RATE = 1e-4  # of Adam: at 1e-3 rounding errors reach the fourth digit of the third loss


class Side:
    """Draws weights and data, the same on every side; a subclass names the operations and makes the step.

    It has `keep(start, kind)`, which returns a weight as its library wants it; `kind` is "matrix" for those that are
    multiplied with, (in, out), "window" for those of convolutions.
    """

    def __init__(self, threads=1):
        self.random, self.weights = np.random.default_rng(0), []

    # ---------------------------------------------------------------- what is drawn

    def normal(self, *shape, scale=1.0):
        return self.random.standard_normal(shape, "f4") * np.float32(scale)

    def integers(self, end, *shape):
        return self.random.integers(end, size=shape)

    def weight(self, start, kind=""):
        """Keep an initial array; returns its number in `weights`."""
        self.weights.append(self.keep(start, kind))
        return len(self.weights) - 1

    # ---------------------------------------------------------------- layers

    def bias(self, *shape, scale=0.0):
        k = self.weight(self.normal(*shape, scale=scale))
        return lambda: self.weights[k]

    def dense(self, i, n, activation=None):
        w, b = self.weight(self.normal(i, n, scale=sqrt(1 / (3 * i))), "matrix"), self.weight(np.zeros(n, "f4"))
        return lambda x: self.linear(x, self.weights[w], self.weights[b], activation)

    def conv(self, i, n, window, stride=1, padding=0, bias=True, relu=False):
        w = self.weight(self.normal(n, i, window, window, scale=sqrt(1 / (3 * i)) / window), "window")
        b = self.weight(np.zeros(n, "f4")) if bias else None
        return lambda x: self.convolve(
            x, self.weights[w], None if b is None else self.weights[b], stride, padding, relu
        )

    def batchnorm(self, n, relu=False):
        scale, bias, moments = self.weight(np.ones(n, "f4")), self.weight(np.zeros(n, "f4")), self.moments(n)
        return lambda x, residual=None: self.normalise(
            x, self.weights[scale], self.weights[bias], moments, relu, residual
        )

    def layernorm(self, n):
        scale, bias = self.weight(np.ones(n, "f4")), self.weight(np.zeros(n, "f4"))
        return lambda x: self.center(x, self.weights[scale], self.weights[bias])

    def embedding(self, rows, n):
        table = self.weight(self.normal(rows, n, scale=0.5))
        return lambda x: self.embed(self.weights[table], x)

    def lstm(self, i, n):
        wx, wh = [self.weight(self.normal(rows, 4 * n, scale=sqrt(1 / (3 * n))), "matrix") for rows in (i, n)]
        bx, bh = [self.weight(np.zeros(4 * n, "f4")) for _ in range(2)]
        return lambda x: self.recur(x, *[self.weights[k] for k in (wx, wh, bx, bh)])

    def moments(self, n):
        return None

    def loss(self, task, x, y):
        scores = task.forward(x)
        return self.total(scores) if y is None else self.nll(scores, y)


class Knetpy(Side):
    """knetpy as its documentation writes it."""

    def __init__(self, threads=1):
        super().__init__()
        import knetpy as kn

        kn.set_threads(threads)
        self.kn, self.tanh, self.relu, self.gelu = kn, np.tanh, kn.relu, kn.gelu
        self.pool, self.flat, self.embed, self.center = kn.pool, kn.mat, kn.embed, kn.layernorm
        self.nll, self.total = kn.nll, np.sum

    def keep(self, start, kind):
        return self.kn.param(start)

    def linear(self, x, w, b, activation):
        return self.kn.linear(x, w, b, activation=activation and getattr(self, activation))

    def convolve(self, x, w, b, stride, padding, relu):
        return self.kn.conv(x, w, b, stride=stride, padding=padding, activation=self.relu if relu else None)

    def moments(self, n):
        return self.kn.Moments()

    def normalise(self, x, scale, bias, moments, relu, residual=None):
        activation = self.relu if relu else None
        return self.kn.batchnorm(x, moments, scale, bias, residual=residual, activation=activation)

    def places_mean(self, x):
        return np.mean(x, axis=(2, 3))

    def recur(self, x, *weights):
        return self.kn.lstm(x, [weights])[0]

    def attention(self, qkv, heads):
        q, k, v = np.split(qkv, 3, axis=-1)
        return self.kn.attention(q, k, v, heads=heads, causal=True)

    def step(self, task):
        """A function that makes a step and returns its loss, or the scores."""
        if not task.train:
            return lambda: task.forward(task.x)
        batches = repeat((task.x, task.y))
        return iter(self.kn.minimize(lambda x, y: self.loss(task, x, y), batches, self.kn.Adam(RATE))).__next__


class Torch(Side):
    """PyTorch eager, on the functions under its modules."""

    compiled = False

    def __init__(self, threads=1):
        super().__init__()
        import torch
        from torch.nn import functional as F

        torch.set_num_threads(threads)
        self.torch, self.F, self.tanh, self.relu, self.gelu = torch, F, torch.tanh, torch.relu, F.gelu
        self.linear, self.total = self._linear, torch.sum

    def keep(self, start, kind):
        return self.torch.tensor(start.T.copy() if kind == "matrix" else start, requires_grad=True)

    def _linear(self, x, w, b, activation):
        y = self.F.linear(x, w, b)
        return y if activation is None else getattr(self, activation)(y)

    def convolve(self, x, w, b, stride, padding, relu):
        y = self.F.conv2d(x, w, b, stride, padding)
        return self.relu(y) if relu else y

    def pool(self, x):
        return self.F.max_pool2d(x, 2)

    def flat(self, x):
        return x.flatten(1)

    def moments(self, n):
        return self.torch.zeros(n), self.torch.ones(n)

    def normalise(self, x, scale, bias, moments, relu, residual=None):
        y = self.F.batch_norm(x, *moments, scale, bias, training=True)
        y = y if residual is None else y + residual
        return self.relu(y) if relu else y

    def places_mean(self, x):
        return x.mean((2, 3))

    def center(self, x, scale, bias):
        return self.F.layer_norm(x, scale.shape, scale, bias)

    def embed(self, table, x):
        return self.F.embedding(x, table)

    def recur(self, x, *weights):
        start = self.torch.zeros(1, x.shape[0], weights[1].shape[1])
        return self.torch.lstm(x, (start, start), weights, True, 1, 0.0, True, False, True)[0]  # what nn.LSTM calls

    def attention(self, qkv, heads):
        parts = [p.unflatten(-1, (heads, -1)).transpose(1, 2) for p in qkv.chunk(3, dim=-1)]
        return self.F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)

    def nll(self, scores, y):
        return self.F.cross_entropy(scores.flatten(0, -2), y.flatten())

    def step(self, task):
        torch = self.torch
        x, y = [None if a is None else torch.from_numpy(a) for a in (task.x, task.y)]
        loss, forward = lambda x, y: self.loss(task, x, y), task.forward
        if self.compiled:
            loss, forward = torch.compile(loss), torch.compile(forward)
        if not task.train:
            return torch.inference_mode()(lambda: forward(x))
        optimizer = torch.optim.Adam(self.weights, RATE)

        def step():
            optimizer.zero_grad()
            value = loss(x, y)
            value.backward()
            optimizer.step()
            return value.detach()

        return step


class Compiled(Torch):
    """PyTorch with forward and backward under `torch.compile`."""

    workloads = {"mlp", "lenet", "vgg", "resnet20", "gpt", "tinyops", "infer1"}  # an LSTM it compiles for minutes
    compiled = True

    def __init__(self, threads=1):
        super().__init__(threads)
        self.torch.compiler.reset()  # else it gives up at the eighth model
