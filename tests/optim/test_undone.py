"""An update that fails half-way, for want of memory or in a rule of the user's, is taken back as a whole."""

import numpy as np
import pytest

import knetpy as kn
from knetpy import optim
from knetpy.optim import layerwise


def everything(opt, params):
    """All that an update may change, as bytes."""
    rules = [opt]
    for rule in rules:
        rules += rule.inside()
    states = [{k: (s.t, *[a.tobytes() for a in s.arrays]) for k, s in rule.states.items()} for rule in rules]
    return [p.value.tobytes() for p in params], states, [repr(rule) for rule in rules]


class Fails(optim.Optimizer):
    """A rule whose step fails at one of the arrays, after it has written."""

    def __init__(self, lr=0.1, at=2):
        self.lr, self.at = lr, at

    def init(self, w):
        return (np.zeros_like(w),)

    def step(self, w, g, state, t):
        state[0][...] += g
        w -= self.lr * g
        if w.flat[0] < -50 and w.size == self.at:
            raise MemoryError


RULES = {
    "LAMB": lambda: kn.LAMB(0.1),
    "Adafactor": lambda: kn.Adafactor(0.1),
    "Muon": lambda: kn.Muon(0.1),
    "chain": lambda: kn.chain(optim.ClipValue(1.0), kn.Adam(), kn.LAMB(0.1), optim.EMA(), optim.Lookahead(2)),
    "accumulated": lambda: kn.chain(optim.Accumulate(2), kn.LAMB(0.1), optim.DecoupledDecay(0.1)),
    "chosen": lambda: optim.Choose(lambda path, w: "a" if len(w) == 2 else "b", a=kn.SGD(), b=kn.Muon()),
    "mixed": lambda: optim.MixedPrecision(kn.chain(kn.LAMB(0.1), optim.EMA()), every=2),
}


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", RULES)
def test_out_of_memory_anywhere(name, dtype, steps, monkeypatch):
    params = [kn.param(np.linspace(-1, 1, 2 * n).reshape(n, 2).astype(dtype)) for n in (2, 3, 4)]
    grads = [np.cos(np.arange(2 * n)).reshape(n, 2).astype(dtype) for n in (2, 3, 4)]
    opt, norm = RULES[name](), layerwise.norm
    for _ in range(steps):
        kn.update(params, grads, opt)
    before, number, failed = everything(opt, params), 0, True
    while failed:
        left = [number]

        def fail(x):
            left[0] -= 1  # noqa: B023
            if left[0] < 0:  # noqa: B023
                raise MemoryError
            return norm(x)

        with monkeypatch.context() as patched:
            patched.setattr(layerwise, "norm", fail)
            try:
                kn.update(params, grads, opt)
                failed = False
            except MemoryError:
                assert everything(opt, params) == before, number
        number += 1
    assert number > 1 or (name == "accumulated" and not steps)
    assert everything(opt, params) != before


def test_a_step_of_the_users_that_fails():
    params = [kn.param(np.zeros(n)) for n in (3, 2)]
    opt = kn.chain(kn.Momentum(0.1), Fails(), optim.EMA())
    kn.update(params, [np.ones(n) for n in (3, 2)], opt)
    before = everything(opt, params)
    with pytest.raises(MemoryError):
        kn.update(params, [np.full(n, 1e4) for n in (3, 2)], opt)
    assert everything(opt, params) == before
    kn.update(params, [np.ones(n) for n in (3, 2)], opt)
    assert opt.parts[1].state(params[0]).t == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_formula_of_the_users_that_fails(dtype):
    class Odd(optim.Optimizer):
        def __init__(self, lr=0.1):
            self.lr = lr

        @staticmethod
        def formula(w, g, lr):
            return (np.sinh(w) - lr * g if np.size(w) < 4 else {}[1],)  # no instruction is known for it

        def numbers(self, t):
            return (self.lr,)

    params, opt = [kn.param(np.ones(n, dtype)) for n in (2, 4)], Odd()
    before = everything(opt, params)
    with pytest.raises(KeyError):
        kn.update(params, [np.ones(n, dtype) for n in (2, 4)], opt)
    assert everything(opt, params) == before


def test_a_formula_may_remember_what_was():
    class Remembers(optim.Optimizer):
        def __init__(self, lr=1.0):
            self.lr = lr

        def init(self, w):
            return (np.zeros_like(w),)

        @staticmethod
        def formula(w, g, old, lr):
            return w - lr * g, w

        def numbers(self, t):
            return (self.lr,)

    for w in (np.ones(3), np.ones(3, "f2"), np.ones(6)[::2]):
        opt = Remembers()
        kn.update(w, np.ones_like(w), opt)
        assert not w.any() and (opt.state(w).arrays[0] == 1).all()
