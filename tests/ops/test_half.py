"""float16: what sums many numbers does so in float32, and rounds once."""

import numpy as np
import pytest

import knetpy as kn

SUMS = {
    "conv": (lambda x, w: kn.conv(x, w), (1, 1, 60, 60), (1, 1, 60, 60)),
    "conv groups": (lambda x, w: kn.conv(x, w, groups=2), (1, 2, 5000), (2, 1, 5000)),
    "conv_transpose": (lambda x, w: kn.conv_transpose(x, w, stride=1), (1, 1, 3000), (1, 1, 3000)),
    "pool mean": (lambda x: kn.pool(x, 64, mode="mean"), (1, 2, 64, 128)),
    "pool mean_valid": (lambda x: kn.pool(x, 64, mode="mean_valid", padding=1), (1, 1, 64, 64)),
    "pool lp": (lambda x: kn.pool(x * 100, 9, mode="lp"), (1, 1, 9, 9)),
    "global_pool lp": (lambda x: kn.global_pool(x * 100, "lp", p=3), (1, 1, 3000)),
    "adaptive_pool": (lambda x: kn.adaptive_pool(x, 1), (1, 1, 64, 64)),
    "adaptive_pool uneven": (lambda x: kn.adaptive_pool(x, 2), (1, 1, 9001)),
    "upsample": (lambda x: kn.upsample(x, size=2, mode="linear", antialias=True), (1, 1, 9001)),
    "fold": (lambda x: kn.fold(x, (2999,), 3000, padding=1500), (1, 3000, 3000)),
    "unpool": (lambda x: kn.unpool(x, 3000, stride=1), (1, 1, 3000)),
    "embedding_bag": (lambda t: kn.embedding_bag(t, np.zeros(5000, int), [0], mode="sum"), (1, 2)),
    "scatter": (lambda x: kn.scatter(x, np.zeros(5000, int)), (5000,)),
    "repeat": (lambda x: np.repeat(x, 5000, axis=0), (2,)),
    "cosine_similarity": (lambda a, b: kn.cosine_similarity(a * 10, b * 10), (1, 5000), (1, 5000)),
    "pairwise_distance": (lambda a, b: kn.pairwise_distance(a * 20, b), (1, 300), (1, 300)),
    "dice": (lambda a, b: kn.dice(a, b), (70000,), (70000,)),
    "tversky": (lambda a, b: kn.tversky(a, b), (70000,), (70000,)),
    "logsumexp": (lambda x: kn.logsumexp(x), (70000,)),
    "logsoftmax": (lambda x: kn.logsoftmax(x)[:1], (70000,)),
    "softmax": (lambda x: kn.softmax(x)[:9], (3000,)),
    "nll": (lambda x: kn.nll(x, [0]), (1, 70000)),
    "mean": (lambda x: np.mean(x), (70000,)),
    "grid_sample": (lambda x, g: kn.grid_sample(x, g * 0.01), (1, 1, 9, 9), (1, 1, 3000, 2)),
}


@pytest.mark.parametrize("name", SUMS)
def test_half_precision_sums_in_single(name):
    f, *shapes = SUMS[name]
    rng = np.random.default_rng(0)
    halves = [rng.uniform(0.5, 1.5, shape).astype("f2") for shape in shapes]
    doubles = [a.astype("f8") for a in halves]
    places = tuple(range(len(shapes)))

    def loss(*args):
        return np.mean(f(*args).astype("f8"))

    y, g = f(*halves), kn.grad(loss, places)(*halves)
    assert y.dtype == "f2" and all(a.dtype == "f2" for a in g)
    wanted = f(*doubles)
    keep = wanted < 65000
    assert keep.any()
    np.testing.assert_allclose(y[keep], wanted[keep], rtol=2e-3)
    for a, b in zip(g, kn.grad(loss, places)(*doubles)):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2 * np.abs(b).max())
