"""JAX, autograd and MLX: the same layers, written in the part of NumPy that all three have.

Weights go into a step and come out of it, as these libraries want it; images have their channels last. Adam is written
out. Batchnorm keeps no running moments here.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from .sides import RATE, Side


class Functional(Side):
    """A library with NumPy's functions as `self.np` and a `value_and_grad` of functions."""

    compile = staticmethod(lambda f: f)
    wait = staticmethod(lambda results: None)

    def keep(self, start, kind):
        return self.array(start)

    def tanh(self, x):
        return self.np.tanh(x)

    def total(self, x):
        return self.np.sum(x)

    def relu(self, x):
        return self.np.maximum(x, 0)

    def sigmoid(self, x):
        return 0.5 * self.np.tanh(0.5 * x) + 0.5

    def linear(self, x, w, b, activation):
        y = x @ w + b
        return y if activation is None else getattr(self, activation)(y)

    def normalise(self, x, scale, bias, moments, relu, residual=None):
        y = self.standardised(x, (0, 1, 2)) * scale + bias
        y = y if residual is None else y + residual
        return self.relu(y) if relu else y

    def center(self, x, scale, bias):
        return self.standardised(x, -1) * scale + bias

    def standardised(self, x, axes):
        z = x - self.np.mean(x, axis=axes, keepdims=True)
        return z / self.np.sqrt(self.np.mean(z * z, axis=axes, keepdims=True) + 1e-5)

    def flat(self, x):
        return self.np.reshape(self.np.transpose(x, (0, 3, 1, 2)), (x.shape[0], -1))

    def places_mean(self, x):
        return self.np.mean(x, axis=(1, 2))

    def embed(self, table, x):
        return table[x]

    def recur(self, x, wx, wh, bx, bh):
        h = c = self.np.zeros((x.shape[0], wh.shape[0]), x.dtype)
        z, y = x @ wx + (bx + bh), []
        for t in range(x.shape[1]):
            h, c = self.cell(h, c, z[:, t], wh)
            y.append(h)
        return self.np.stack(y, axis=1)

    def cell(self, h, c, z, wh):
        i, f, g, o = self.np.split(z + h @ wh, 4, axis=-1)
        c = self.sigmoid(f) * c + self.sigmoid(i) * self.tanh(g)
        return self.sigmoid(o) * self.tanh(c), c

    def attention(self, qkv, heads):
        n, time, width = qkv.shape
        parts = [self.np.reshape(p, (n, time, heads, -1)) for p in self.np.split(qkv, 3, axis=-1)]
        q, k, v = [self.np.transpose(p, (0, 2, 1, 3)) for p in parts]
        y = self.attend(q, k, v, sqrt(heads / (width // 3)))
        return self.np.reshape(self.np.transpose(y, (0, 2, 1, 3)), (n, time, width // 3))

    def attend(self, q, k, v, scale):
        seen = self.array(np.tri(q.shape[2], dtype="?"))
        scores = self.np.where(seen, (q * scale) @ self.np.transpose(k, (0, 1, 3, 2)), -1e30)
        weights = self.np.exp(scores - self.np.max(scores, axis=-1, keepdims=True))
        return weights / self.np.sum(weights, axis=-1, keepdims=True) @ v

    def nll(self, scores, y):
        scores, y = self.np.reshape(scores, (-1, scores.shape[-1])), self.np.reshape(y, (-1,))
        top = self.np.max(scores, axis=1)
        total = top + self.np.log(self.np.sum(self.np.exp(scores - top[:, None]), axis=1))
        return self.np.mean(total - scores[self.np.arange(len(y)), y])

    def step(self, task):
        """A function that makes a step and returns its loss, or the scores."""
        x = task.x.transpose(0, 2, 3, 1) if task.x.ndim == 4 else task.x
        x, y = [None if a is None else self.array(a) for a in (x, task.y)]

        def loss(weights, x, y):
            self.weights = weights
            return self.loss(task, x, y)

        def forward(weights, x):
            self.weights = weights
            return task.forward(x)

        def update(weights, m, v, t, x, y):
            value, grads = self.value_and_grad(loss)(weights, x, y)
            m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
            v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
            rate, decay = RATE / (1 - 0.9**t), 1 / (1 - 0.999**t)
            weights = [w - rate * a / (self.np.sqrt(b * decay) + 1e-8) for w, a, b in zip(weights, m, v)]
            return value, (weights, m, v)

        weights, forward, update = self.weights, self.compile(forward), self.compile(update)
        if not task.train:
            return lambda: self.waited(forward(weights, x))
        state, t = (weights, *[[0 * w for w in weights] for _ in range(2)]), 0

        def step():
            nonlocal state, t
            t += 1
            value, state = self.waited(update(*state, self.array(np.float32(t)), x, y))
            return value

        return step

    def waited(self, results):
        self.wait(results)
        return results


class Autograd(Functional):
    """HIPS autograd; it has no convolution."""

    workloads = {"mlp", "charlstm", "gpt", "tinyops"}

    def __init__(self, threads=1):
        super().__init__()
        import autograd
        import autograd.numpy as anp
        from autograd.scipy.special import erf

        self.np, self.array, self.value_and_grad = anp, anp.array, autograd.value_and_grad
        self.gelu = lambda x: 0.5 * x * (1 + erf(x * sqrt(0.5)))


class Jax(Functional):
    """JAX with the whole step under `jit`."""

    def __init__(self, threads=1):
        super().__init__()
        import jax

        self.np, self.array, self.value_and_grad = jax.numpy, jax.numpy.asarray, jax.value_and_grad
        self.jax, self.compile, self.wait = jax, jax.jit, jax.block_until_ready
        self.gelu = lambda x: jax.nn.gelu(x, approximate=False)

    def keep(self, start, kind):
        return self.array(start.transpose(2, 3, 1, 0) if kind == "window" else start)

    def convolve(self, x, w, b, stride, padding, relu):
        y = self.jax.lax.conv_general_dilated(
            x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = y if b is None else y + b
        return self.relu(y) if relu else y

    def pool(self, x):
        lax = self.jax.lax
        return lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def recur(self, x, wx, wh, bx, bh):
        def cell(state, z):
            state = self.cell(*state, z, wh)
            return state, state[0]

        z = (x @ wx + (bx + bh)).swapaxes(0, 1)
        start = self.np.zeros((x.shape[0], wh.shape[0]), x.dtype)
        return self.jax.lax.scan(cell, (start, start), z)[1].swapaxes(0, 1)


class Mlx(Functional):
    """MLX on the CPU with the whole step under its `compile`."""

    def __init__(self, threads=1):
        super().__init__()
        import mlx.core as mx
        from mlx import nn

        mx.set_default_device(mx.cpu)
        self.np, self.array, self.value_and_grad = mx, mx.array, mx.value_and_grad
        self.compile, self.wait = mx.compile, mx.eval
        self.gelu, self.pool = nn.gelu, nn.MaxPool2d(2)

    def keep(self, start, kind):
        return self.array(start.transpose(0, 2, 3, 1) if kind == "window" else start)

    def convolve(self, x, w, b, stride, padding, relu):
        y = self.np.conv2d(x, w, stride, padding)
        y = y if b is None else y + b
        return self.relu(y) if relu else y

    def attend(self, q, k, v, scale):
        return self.np.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal")
