"""What does recording cost? 150 chained ops on 16 elements, forward and backward, against eager PyTorch and autograd.

    python bench/overhead.py [--rounds 400]

The two sides alternate in one process on one thread; the bar is on the median of the ratios. Then what a call of ours
on a
plain array costs beyond the NumPy function that it wraps. Needs the `bench` extra.
"""

import argparse
import statistics
import timeit
from time import perf_counter

import numpy as np

import knetpy as kn

STEPS = 50
FAMILIES = [
    getattr(kn.ops, m)
    for m in ("elementwise", "reduce", "shape", "join", "matmul", "einsum", "index", "pad", "cumulative")
]


def ours(x, start):
    w = kn.param(start)

    def loss():
        h = x
        for _ in range(STEPS):
            h = np.tanh(h * w + x)
        return np.sum(h)

    gradient = kn.grad(loss)
    return lambda: gradient()[w]


def torch_side(x, start):
    import torch

    torch.set_num_threads(1)
    x, w = torch.from_numpy(x), torch.from_numpy(start.copy()).requires_grad_()

    def gradient():
        h = x
        for _ in range(STEPS):
            h = torch.tanh(h * w + x)
        h.sum().backward()
        found, w.grad = w.grad, None
        return found.numpy()

    return gradient


def autograd_side(x, start):
    import autograd
    import autograd.numpy as anp

    def loss(w):
        h = x
        for _ in range(STEPS):
            h = anp.tanh(h * w + x)
        return anp.sum(h)

    gradient = autograd.grad(loss)
    return lambda: gradient(start)


def plain_calls():
    """NumPy functions of each family with small plain arrays."""
    x = np.ones((4, 4), "f4")
    for f in (np.tanh, np.add, np.sum, np.max, np.var, np.cumsum, np.transpose, np.matmul, np.dot):
        yield f, (x, x)[: 2 if f in (np.add, np.matmul, np.dot) else 1]
    yield from ((np.reshape, (x, (2, 8))), (np.broadcast_to, (x, (2, 4, 4))), (np.expand_dims, (x, 0)))
    yield from ((np.stack, ([x, x],)), (np.concatenate, ([x, x],)), (np.take, (x, [0, 1])), (np.where, (x > 0, x, x)))
    yield from ((np.einsum, ("ij,jk->ik", x, x)), (np.clip, (x, 0, 1)), (np.pad, (x, 1)), (np.roll, (x, 1)))


def quickest(f, arguments):
    """Microseconds of one call, the least of nine rounds."""
    return min(timeit.repeat(lambda: f(*arguments), number=500, repeat=9)) / 500 * 1e6


def seconds(f):
    begin = perf_counter()
    f()
    return perf_counter() - begin


def main(rounds=400):
    """Print the ratios; returns them by peer."""
    random = np.random.default_rng(0)
    x, start = random.standard_normal(16).astype("f4"), (random.standard_normal(16) * 0.5).astype("f4")
    mine, medians = ours(x, start), {}
    for name, bar, side in (("PyTorch", 0.7, torch_side), ("autograd", 0.35, autograd_side)):
        try:
            peer = side(x, start)
        except ImportError:
            print(f"{name} is not installed: pip install 'knetpy[bench]'")
            continue
        assert np.allclose(mine(), peer(), atol=1e-4)
        pairs = [(seconds(mine), seconds(peer)) for _ in range(rounds)]
        medians[name] = statistics.median(a / b for a, b in pairs)
        per_op = statistics.median(a for a, _ in pairs) / (3 * STEPS + 1) * 1e6
        print(f"per op and gradient {per_op:.2f} us; of {name}'s time {medians[name]:.3f} (bar {bar})")
    for f, arguments in plain_calls():
        family = next(m for m in FAMILIES if hasattr(m, f.__name__))
        extra = quickest(getattr(family, f.__name__), arguments) - quickest(f, arguments)
        print(f"untracked {f.__name__}: {extra:+.2f} us beyond NumPy's (bar 0.6)")
    return medians


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=400)
    main(options.parse_args().rounds)
