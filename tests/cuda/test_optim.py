"""Steps of optimizers on the GPU: the same bits as on the CPU, several arrays in one launch."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import optim
from knetpy.kernels.formula import KNOWN
from knetpy.optim.optimizer import Optimizer
from knetpy.tree import leaves

SHAPES = [(3, 5), (1,), (2000,), (0, 4), (), (7, 3, 2), (1025,), (31,), (64,), (5,), (6,)]
RULES = [name for name in dir(kn.optim) if isinstance(getattr(kn.optim, name), type)]
RULES = [r for r in RULES if issubclass(getattr(kn.optim, r), Optimizer) and getattr(kn.optim, r).formula]
RULES = [r for r in RULES if getattr(kn.optim, r).moves]


step = kernel("optim", "step")


def trained(name, device, dtype, steps=4, shapes=SHAPES):
    """Params after some steps of a rule's formula, some of them one step behind, and what it remembers."""
    rng, rule = np.random.default_rng(0), getattr(kn.optim, name)()
    params = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    params = [np.asarray(w) for w in params]
    states = [rule.init(w) for w in params]
    if device == "gpu":
        params, states = kn.gpu(params), kn.gpu(states)
    for t in range(1, steps + 1):
        grads = [np.asarray(rng.standard_normal(w.shape).astype(dtype)) for w in params]
        rows = [(w, kn.gpu(g) if device == "gpu" else g, *state) for w, g, state in zip(params, grads, states)]
        step(params[0], rows, [rule.numbers(t + n % 2) for n in range(len(rows))], rule.formula)
    return kn.cpu(params), kn.cpu(states)


@pytest.mark.parametrize("name, dtype", [*[(name, "f4") for name in RULES], ("Adam", "f8")])
def test_every_rule_gives_the_bits_of_the_cpu(name, dtype):
    here, there = (leaves(trained(name, device, dtype)) for device in ("cpu", "gpu"))
    for (where, x), (_, y) in zip(here, there, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=where)


def test_every_instruction_has_an_expression():
    assert set(optim.EXPRESSIONS) == KNOWN


def test_arrays_are_updated_together():
    launches = []

    class Counted(optim.Module):
        def __call__(self, *args, **options):
            launches.append(args[1])
            super().__call__(*args, **options)

    optim._kernel.cache_clear()
    before, optim.Module = optim.Module, Counted
    try:
        trained("Adam", "gpu", "f4", steps=1)
    finally:
        optim.Module = before
        optim._kernel.cache_clear()
    assert launches == [1 + 2 + 1 + 2 + 1 + 1, 1 + 1 + 1 + 1]  # one launch for each step number; none for no elements


def test_more_arrays_than_one_launch_takes():
    shapes = [(n,) for n in range(1, 3 * optim.ROWS)]
    for (_, x), (_, y) in zip(*[leaves(trained("Adam", d, "f4", 2, shapes)) for d in ("cpu", "gpu")], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", RULES)
def test_nan_and_infinity(name):
    w, g = np.array([1, 2, 3, 4, np.nan], "f4"), np.array([np.nan, np.inf, -np.inf, 0, 1], "f4")
    rule, results = getattr(kn.optim, name)(), []
    for move in (kn.cpu, kn.gpu):
        row = move([w.copy(), g, *rule.init(w)])
        with np.errstate(all="ignore"):
            step(row[0], [tuple(row)], [rule.numbers(1)], rule.formula)
        results.append(kn.cpu(row[0]))
    np.testing.assert_array_equal(*results)


def test_what_the_kernel_does_not_take_goes_to_the_reference():
    w, g = np.ones((4, 6), "f4"), np.full((4, 6), 0.5, "f4")
    rows = kn.gpu([w, g])
    turned = rows[0].T
    step(turned, [(turned, rows[1].T)], [(0.5,)], kn.SGD.formula)
    assert (kn.cpu(rows[0]) == 0.75).all()
    half = kn.gpu(w.astype("f2"))
    step(half, [(half, rows[1])], [(0.5,)], kn.SGD.formula)
    assert half.dtype == np.float16 and (kn.cpu(half) == 0.75).all()
