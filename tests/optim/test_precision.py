"""Half precision: a float32 master behind each param, and a scale of the loss."""

import copy
import pickle

import numpy as np
import pytest

import knetpy as kn
from knetpy import optim


def test_small_steps_add_up():
    w, opt = kn.param(np.ones(4, "f2")), optim.MixedPrecision(kn.SGD(1e-4))
    for _ in range(20):
        kn.update(w, np.full(4, opt.scale, "f2"), opt)
    assert w.dtype == np.float16 and w.value.tolist() == [np.float16(0.998)] * 4


@pytest.mark.parametrize("make", [kn.Adam, kn.LAMB, lambda: kn.chain(optim.ClipGlobalNorm(0.5), kn.AdamW())])
def test_the_master_goes_as_in_float32(make):
    start = np.linspace(-1, 1, 6).astype("f2").reshape(2, 3)
    half, whole = kn.param(start), kn.param(start.astype("f4"))
    mixed, plain = optim.MixedPrecision(make(), scale=256.0), make()
    for step in range(10):
        g = np.cos(start * step).astype("f2")
        kn.update(half, g * np.float16(256), mixed)
        kn.update(whole, g.astype("f4"), plain)
        np.testing.assert_array_equal(mixed.state(half).arrays[0], whole.value)
        np.testing.assert_array_equal(half.value, whole.value.astype("f2"))


def test_a_gradient_that_is_not_finite_halves_the_scale_and_changes_nothing_else():
    w, v = kn.param(np.ones(2, "f2")), kn.param(np.ones(2, "f4"))
    ema, adam = optim.EMA(0.5), kn.Adam(0.1)
    mixed = optim.MixedPrecision(adam, scale=8.0, every=2)
    opt = kn.chain(mixed, ema)
    good, bad = [np.ones(2, "f2"), np.ones(2, "f4")], [np.array([1, np.inf], "f2"), np.ones(2, "f4")]
    kn.update([w, v], good, opt)
    before = w.value.copy(), v.value.copy(), mixed.state(w).arrays[0].copy()
    kn.update([w, v], bad, opt)
    assert (opt.scale, mixed.good) == (4.0, 0)
    for a, b in zip(before, (w.value, v.value, mixed.state(w).arrays[0])):
        np.testing.assert_array_equal(a, b)
    assert adam.state(v).t == ema.state(v).t == 1
    scales = []
    for _ in range(4):
        kn.update([w, v], good, opt)
        scales.append(opt.scale)
    assert scales == [4, 8, 8, 16]


def test_what_is_remembered_inside_is_found_by_the_param():
    w, ema = kn.param(np.ones(1, "f2")), optim.EMA(0.5)
    opt = optim.MixedPrecision(kn.chain(optim.WeightDecay(0.5), kn.SGD(1e-4), ema), scale=1)
    kn.update(w, np.ones(1, "f2"), opt)
    np.testing.assert_allclose(ema.state(w).arrays[0], 1 - 0.75e-4, rtol=1e-7)
    with ema.averaged(w):
        assert w.value.item() == 1


def test_other_dtypes_have_no_master():
    w, opt = kn.param(np.ones(2)), optim.MixedPrecision(kn.SGD(0.5), scale=4)
    kn.update(w, np.ones(2), opt)
    assert w.value.tolist() == [0.875, 0.875] and not opt.states and len(opt.opt.states) == 1


def test_the_master_follows_what_others_write():
    w, opt = kn.param(np.ones(2, "f2")), optim.MixedPrecision(kn.SGD(1e-4), scale=1)
    kn.update(w, np.ones(2, "f2"), opt)
    w[1] = 5
    kn.update(w, np.ones(2, "f2"), opt)
    np.testing.assert_allclose(opt.state(w).arrays[0], [1 - 2e-4, 5 - 1e-4], rtol=1e-7)


def test_states_go_with_the_param():
    opt = optim.MixedPrecision(kn.Adam())
    w = kn.param(np.ones(2, "f2"))
    kn.update(w, np.ones(2, "f2"), opt)
    assert len(opt.states) == len(opt.opt.states) == 1
    del w
    assert not opt.states and not opt.opt.states


def test_training_by_the_scaled_loss():
    w = kn.param(np.zeros((3, 2), "f2"))
    x, y = np.eye(3, dtype="f2"), np.array([0, 1, 0])
    opt = optim.MixedPrecision(kn.Adam(0.1), scale=2.0**16)

    def loss():
        return kn.nll(x @ w, y)

    with np.errstate(all="ignore"):
        for _ in range(40):
            kn.update(w, kn.grad(lambda: loss() * opt.scale)(), opt)
    assert loss() < 0.1 and opt.scale < 2**16


def test_a_table_of_half_precision():
    p = kn.param(np.ones((4, 2), "f2"))
    opt = optim.MixedPrecision(kn.SGD(0.5), scale=2)
    kn.update(p, kn.grad(lambda: kn.embed(p, [1, 1]).sum() * opt.scale)(), opt)
    assert p.value[:, 0].tolist() == [1, 0, 1, 1]


def test_paths_settings_copies_and_mistakes():
    paths = []
    inside = optim.Choose(lambda path, w: paths.append(path) or "sgd", sgd=kn.SGD())
    kn.update({"w": np.ones(1, "f2")}, {"w": np.ones(1, "f2")}, optim.MixedPrecision(inside))
    assert paths == ["['w']"]
    opt = optim.MixedPrecision(kn.Adam())
    opt.lr = 0.5
    assert opt.opt.lr == 0.5 and repr(opt) == f"MixedPrecision(opt={opt.opt!r}, scale=1024.0, every=2000, good=0)"
    for copied in (copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        assert repr(copied(opt)) == repr(opt) and copied(opt).opt is not opt.opt
    with pytest.raises(TypeError, match="MixedPrecision: opt is the class Adam"):
        optim.MixedPrecision(kn.Adam)
    for scale, error in ((0, ValueError), (-1, ValueError), ("1", TypeError), (lambda step: 1, TypeError)):
        with pytest.raises(error, match="MixedPrecision: scale"):
            optim.MixedPrecision(kn.SGD(), scale=scale)


# --------------------------------------------------------------------------------------------- in minimize

X = np.linspace(-1, 1, 24, dtype="f2").reshape(8, 3)
Y = np.arange(8) % 2


def trained(opt, dtype, **options):
    """The losses and the last weights, of a few steps."""
    w = kn.param(np.array([[0.5, -0.25], [0.125, 0.5], [-0.5, 0.25]], dtype))
    loops = kn.minimize(lambda x, y: kn.nll((x.astype(dtype) @ w).astype("f4"), y), [(X, Y)] * 5, opt, **options)
    return list(loops), w.value, loops.skipped


def test_minimize_scales_by_itself():
    seen = {}

    def before(loss, g):
        (p,) = g
        seen.setdefault(p.dtype.char, []).append((loss, g[p].copy()))

    losses, w, _ = trained(kn.SGD(0.5), "f4", before=before)
    scaled, half, _ = trained(optim.MixedPrecision(kn.SGD(0.5)), "f2", before=before, check_finite=True)
    np.testing.assert_allclose(scaled, losses, rtol=1e-3)
    np.testing.assert_allclose(half, w, atol=1e-3)
    for (loss, g), (other, true) in zip(seen["f"], seen["e"]):
        np.testing.assert_allclose(true, g, atol=1e-3)
        assert abs(loss - other) < 1e-3 and true.dtype == np.float32


def test_what_before_changes_counts():
    def halve(_, g):
        for p in g:
            g[p] *= 0.5

    mixed = optim.MixedPrecision(kn.chain(optim.ClipValue(10.0), kn.SGD(0.5)))
    np.testing.assert_array_equal(
        trained(mixed, "f2", before=halve)[1], trained(optim.MixedPrecision(kn.SGD(0.25)), "f2")[1]
    )


def test_a_scale_that_is_too_much_leaves_steps_out():
    opt, moments, called = optim.MixedPrecision(kn.SGD(0.5), scale=2.0**20), kn.Moments(), []
    w = kn.param(np.ones((3, 2), "f2"))

    def loss(x):
        return kn.batchnorm((x @ w).astype("f4"), moments)[:2].sum() + (x @ w).sum()

    loops = kn.minimize(loss, [X] * 30, opt, before=lambda *_: called.append(1), check_finite=True)
    losses = list(loops)
    assert 0 < loops.skipped < 30 and len(losses) == len(called) == moments.count == 30 - loops.skipped
    assert np.isfinite(w.value).all() and opt.scale == 2.0 ** (20 - loops.skipped)


def test_a_loss_that_is_never_finite_is_said():
    w, opt = kn.param(np.ones(2, "f2")), optim.MixedPrecision(kn.SGD())

    def loss():
        return (w * np.float16("nan")).sum()

    with pytest.raises(kn.NonFiniteError, match="minimize: loss returned nan"):
        list(kn.minimize(loss, [()], opt, check_finite=True))
    with pytest.raises(kn.NonFiniteError, match="MixedPrecision: the gradients are not finite"):
        list(kn.minimize(loss, [()] * 100, opt))


def test_it_stands_outermost():
    mixed = optim.MixedPrecision(kn.SGD())
    with pytest.raises(ValueError, match=r"chain: MixedPrecision undoes .* MixedPrecision\(chain"):
        kn.chain(optim.ClipNorm(1.0), mixed)
    with pytest.raises(ValueError, match=r"MixedPrecision\(Choose"):
        optim.Choose(lambda path, w: "a", a=mixed)
    with pytest.raises(ValueError, match="there is one in it"):
        optim.MixedPrecision(kn.chain(mixed))
    assert kn.chain(mixed, optim.EMA()).scale == 1024


def test_how_long_the_scale_was_good_is_saved(tmp_path):
    def made():
        return kn.param(np.ones(2, "f2")), optim.MixedPrecision(kn.SGD(1e-3), scale=2, every=3)

    w, opt = made()
    for _ in range(2):
        kn.update(w, np.ones(2, "f2"), opt)
    kn.save(tmp_path / "save", {"w": w, "opt": opt})
    w, opt = made()
    kn.load(tmp_path / "save", {"w": w, "opt": opt})
    assert opt.good == 2
    kn.update(w, np.ones(2, "f2"), opt)
    assert (opt.scale, opt.good) == (4, 0)
