"""Complex params: every rule takes them as pairs of real numbers, as PyTorch does."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.optim import Optimizer

RNG = np.random.default_rng(0)
Z, A = [RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4)) for _ in range(2)]
RULES = [
    rule
    for rule in vars(kn.optim).values()
    if isinstance(rule, type) and issubclass(rule, Optimizer) and rule.moves is True and not rule.real
]
RULES = [rule for rule in RULES if rule not in (Optimizer, kn.chain, kn.optim.MixedPrecision)]


def loss(w):
    return np.sum(np.abs(w - A.astype(w.dtype)) ** 2) + np.sum(np.real(w * w * w))


def pairs_of(z):
    return kn.Param(np.stack([z.real, z.imag], -1))


def trained(opt, w, f, steps=4):
    for _ in range(steps):
        kn.update(w, kn.grad(lambda: f(w))(), opt)
    return w.value


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_as_pairs_of_real_numbers(rule, dtype):
    for z in (Z, np.asfortranarray(Z)):
        w = kn.Param(z.astype(dtype))
        found = trained(rule(), w, loss)
        wanted = trained(rule(), pairs_of(z.astype(dtype)), lambda r: loss(r[..., 0] + 1j * r[..., 1]))
        assert found.dtype == dtype and not np.array_equal(found, z)
        np.testing.assert_allclose(found.real, wanted[..., 0], rtol=2e-5 if dtype == "c8" else 1e-12)
        np.testing.assert_allclose(found.imag, wanted[..., 1], rtol=2e-5 if dtype == "c8" else 1e-12)


def test_chains_and_means():
    def chained():
        ema = kn.optim.EMA(0.5)
        before = kn.optim.ClipGlobalNorm(1.0), kn.optim.ClipValue(0.5), kn.optim.WeightDecay(0.1)
        return kn.chain(*before, kn.Adam(0.1), ema, kn.optim.Lookahead(2)), ema

    (opt, ema), (other, mean) = chained(), chained()
    w, r = kn.Param(Z.copy()), pairs_of(Z)
    found, wanted = trained(opt, w, loss), trained(other, r, lambda r: loss(r[..., 0] + 1j * r[..., 1]))
    np.testing.assert_allclose(found, wanted[..., 0] + 1j * wanted[..., 1], rtol=1e-12)
    np.testing.assert_allclose(ema.mean(w), mean.mean(r)[..., 0] + 1j * mean.mean(r)[..., 1], rtol=1e-12)
    with ema.averaged(w):
        assert np.array_equal(w.value, ema.mean(w))
    assert np.array_equal(w.value, found)


def test_shapes_and_plain_arrays():
    for z in (np.array(1 + 2j), np.zeros((0, 3), complex), np.zeros((3, 8), "c8")[:, ::2]):
        before = z.copy()
        kn.update(z, np.full(z.shape, 1 - 2j, z.dtype), kn.SGD(0.5))
        np.testing.assert_array_equal(z, before - (0.5 - 1j))


@pytest.mark.parametrize("rule", [kn.Muon, kn.Adafactor])
def test_rules_of_rows_and_columns_refuse_by_name(rule):
    w = kn.Param(Z.copy())
    with pytest.raises(kn.DtypeError, match=f"{rule.__name__}: .*complex128.*kn.Adam"):
        trained(rule(), w, loss)
    assert np.array_equal(w.value, Z)


def test_states_are_saved(tmp_path):
    w, opt = kn.Param(Z.astype("c8")), kn.Adam(0.1)
    trained(opt, w, loss)
    kn.save(tmp_path / "s", {"w": w, "opt": opt})
    again, other = kn.Param(A.astype("c8")), kn.Adam(0.1)
    kn.load(tmp_path / "s", into={"w": again, "opt": other})
    np.testing.assert_array_equal(trained(other, again, loss), trained(opt, w, loss))


def test_a_failure_changes_nothing():
    class Broken(kn.SGD):
        def step(self, w, g, state, t):
            w -= g
            raise RuntimeError("broken")

    w = kn.Param(Z.copy())
    with pytest.raises(RuntimeError):
        trained(Broken(), w, loss)
    assert np.array_equal(w.value, Z)
