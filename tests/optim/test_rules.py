"""The rules: their values, settings and states."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import knetpy as kn


def problem(dtype=np.float64):
    """Two params and a loss without symmetries; PyTorch's numbers below are for the same."""
    w = kn.param(np.array([[1.0, -2.0], [0.5, 3.0]], dtype))
    b = kn.param(np.array([0.25], dtype))
    target = np.array([[0.5, 0.25], [-1.0, 2.0]], dtype)

    def loss():
        return ((w - target) ** 4).sum() * 0.05 + ((b * w.sum() - 1) ** 2).sum() * 0.1

    return w, b, loss


def trained(opt, steps, dtype=np.float64):
    w, b, loss = problem(dtype)
    for _ in range(steps):
        kn.update([w, b], kn.grad(loss)(), opt)
    return np.concatenate([w.value.ravel(), b.value])


# torch.optim of PyTorch 2.13, float64
ADAM = {
    1: [0.950000079999872, -1.9500000002176872, 0.4500000007619048, 2.9500000027586206, 0.2999999973333335],
    10: [0.5895070545524908, -1.515349665740592, 0.0241494187948191, 2.539070745461965, 0.6069774529052394],
    100: [0.3782500889928336, -0.2633047743710112, -0.7874106503072912, 2.008642566170765, 0.7496397275544124],
}
ADAM_OTHERS = [0.5607809589866065, -0.5045561623303365, -0.7023070920077031, 2.1235171409193248, 0.6769645769571145]
SGD = {
    1: [0.999375, -1.7703125, 0.434375, 2.981875, 0.26875],
    100: [0.8610411050391357, -0.22935576910037, -0.5257466809378798, 2.449530969016937, 0.38830622831144357],
}


@pytest.mark.parametrize("steps", ADAM)
def test_adam_is_pytorchs(steps):
    assert np.allclose(trained(kn.Adam(lr=0.05), steps), ADAM[steps], rtol=0, atol=1e-10)


def test_adam_with_other_settings_is_pytorchs():
    opt = kn.Adam(lr=0.02, beta1=0.5, beta2=0.9, eps=1e-3)
    assert np.allclose(trained(opt, 100), ADAM_OTHERS, rtol=0, atol=1e-10)


@pytest.mark.parametrize("steps", SGD)
def test_sgd_is_pytorchs(steps):
    assert np.allclose(trained(kn.SGD(), steps), SGD[steps], rtol=0, atol=1e-12)


@pytest.mark.parametrize("opt", [kn.SGD(0.05), kn.Adam(0.05)], ids=["SGD", "Adam"])
def test_float32_follows_float64(opt):
    assert np.allclose(trained(opt, 50, np.float32), trained(copy.copy(opt), 50), atol=1e-5)


def test_adam_by_hand():
    w, g = kn.param(np.array([1.0])), np.array([0.5])
    opt = kn.Adam(lr=0.1, beta1=0.8, beta2=0.6, eps=0.25)
    kn.update(w, g, opt)
    m, v = 0.2 * 0.5, 0.4 * 0.25
    expected = 1 - 0.1 * (m / 0.2) / (np.sqrt(v / 0.4) + 0.25)
    assert np.isclose(w.value[0], expected, rtol=1e-14)
    kn.update(w, g, opt)
    m, v = 0.8 * m + 0.1, 0.6 * v + 0.1
    expected -= 0.1 * (m / (1 - 0.8**2)) / (np.sqrt(v / (1 - 0.6**2)) + 0.25)
    assert np.isclose(w.value[0], expected, rtol=1e-14)


# -------------------------------------------------------------------------------------------------- settings


def test_a_changed_setting_takes_effect_at_the_next_step():
    w, opt = kn.param([0.0]), kn.SGD(lr=1.0)
    seen = []
    for lr in (1, np.float32(0.5), 0):
        opt.lr = lr
        kn.update(w, np.ones(1, "f4"), opt)
        seen.append(w.value.item())
    assert seen == [-1.0, -1.5, -1.5]


def test_defaults_and_repr():
    assert repr(kn.SGD()) == "SGD(lr=0.1)"
    assert repr(kn.Adam()) == "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, lazy=False)"


@pytest.mark.parametrize(
    "settings, error",
    [
        (dict(lr=-1), ValueError),
        (dict(lr=np.nan), ValueError),
        (dict(lr=np.inf), ValueError),
        (dict(beta1=1), ValueError),
        (dict(beta2=-0.1), ValueError),
        (dict(eps=-1e-8), ValueError),
        (dict(lr="0.1"), TypeError),
        (dict(lr=True), TypeError),
        (dict(lr=None), TypeError),
    ],
)
def test_bad_settings(settings, error):
    (name,) = settings
    with pytest.raises(error, match=f"Adam: {name}"):
        kn.Adam(**settings)
    opt = kn.Adam()
    with pytest.raises(error, match=f"Adam: {name}"):
        setattr(opt, name, settings[name])
    assert repr(opt) == repr(kn.Adam())


def test_params_given_to_the_optimizer():
    with pytest.raises(TypeError, match="lr must be a number, got list.*update or minimize"):
        kn.Adam([kn.param(3)])


def test_a_misspelt_setting():
    opt = kn.Adam()
    with pytest.raises(AttributeError, match="'learning_rate'; it has lr, beta1, beta2, eps"):
        opt.learning_rate = 0.1


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_has_the_settings_but_no_state(copied):
    w, opt = kn.param([1.0]), kn.Adam(lr=0.3)
    kn.update(w, np.ones(1, "f4"), opt)
    other = copied(opt)
    assert repr(other) == repr(opt) and not other.states and len(opt.states) == 1
    other.lr = 1
    assert opt.lr == 0.3


# ---------------------------------------------------------------------------------------------------- states


def test_the_state_goes_with_its_param():
    gc.disable()
    try:
        opt, kept = kn.Adam(), kn.param([1.0])
        for _ in range(3):
            w = kn.param([1.0, 2.0])
            kn.update([w, kept], [np.ones(2, "f4"), np.ones(1, "f4")], opt)
        moments = weakref.ref(opt.state(w).arrays[0])
        assert len(opt.states) == 2 and opt.state(w).t == 1 and opt.state(kept).t == 3
        del w
        assert len(opt.states) == 1 and moments() is None
    finally:
        gc.enable()


def test_the_state_goes_with_its_optimizer():
    gc.disable()
    try:
        opt, w = kn.Adam(), kn.param([1.0])
        kn.update(w, np.ones(1, "f4"), opt)
        moments, alive = weakref.ref(opt.state(w).arrays[0]), weakref.ref(opt)
        del opt
        assert alive() is None and moments() is None
        del w  # the callback of the dead optimizer does no harm
    finally:
        gc.enable()


def test_each_param_counts_its_own_steps():
    a, b, opt = kn.param([1.0]), kn.param([1.0]), kn.Adam(lr=0.5)
    one = np.ones(1, "f4")
    kn.update(a, one, opt)
    kn.update(a, one, opt)
    kn.update(b, one, opt)
    assert opt.state(a).t == 2 and opt.state(b).t == 1
    assert np.isclose(b.value[0], 0.5)  # its first step, with the first step's correction


def test_a_copy_of_a_param_has_its_own_state():
    a, opt = kn.param([1.0]), kn.Adam()
    kn.update(a, np.ones(1, "f4"), opt)
    b = copy.deepcopy(a)
    assert opt.state(b).t == 0
    kn.update(b, np.ones(1, "f4"), opt)
    assert len(opt.states) == 2


def test_the_state_of_an_array_is_found_through_another_view():
    w, opt = np.ones(6), kn.Adam()
    for _ in range(3):
        kn.update([w[:3], w[3:]], [np.ones(3), np.ones(3)], opt)
    assert sorted(state.t for state in opt.states.values()) == [3, 3]
    assert opt.state(w[3:]).t == 3 and opt.state(w[1:]).t == 0
    del w
    assert not opt.states


def test_half_precision_has_float32_moments_and_its_own_dtype():
    w = kn.param(np.array([1.0, -1.0], np.float16))
    g = np.array([3e-4, -2e-4], np.float16)
    opt = kn.Adam(lr=0.25)
    for _ in range(2):
        kn.update(w, g, opt)
    m, v = opt.state(w).arrays
    assert w.dtype == np.float16 and m.dtype == v.dtype == np.float32
    assert (v > 0).all()  # g * g is 0 in float16
    assert np.allclose(w.value, [0.5, -0.5], atol=2e-3)


def test_memory_order_does_not_matter():
    values, g = np.random.default_rng(0).normal(size=(2, 4, 3))
    results = []
    for w in (values.copy(), np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2]):
        opt = kn.Adam(lr=0.1)
        for gradient in (g, np.asfortranarray(g)):
            kn.update(w, gradient, opt)
        results.append(w.copy())
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_rules_of_ones_own():
    class Momentum(kn.optim.Optimizer):
        def __init__(self, lr=0.1, gamma=0.5):
            self.lr, self.gamma = lr, gamma

        def init(self, w):
            return (np.zeros_like(w),)

        def step(self, w, g, state, t):
            (v,) = state
            v *= self.gamma
            v -= self.lr * g
            w += v

    class Nothing(kn.optim.Optimizer):
        def step(self, w, g, state, t):
            pass

    w, opt = kn.param([0.0]), Momentum(lr=1)
    for _ in range(3):
        kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == -(1 + 1.5 + 1.75) and repr(opt) == "Momentum(lr=1.0, gamma=0.5)"
    kn.update(w, np.ones(1, "f4"), Nothing())
    with pytest.raises(TypeError, match="Optimizer has no formula"):
        kn.update(w, np.ones(1, "f4"), kn.optim.Optimizer())


def test_a_rule_that_builds_on_another():
    class Decayed(kn.Adam):
        def step(self, w, g, state, t):
            super().step(w, g + np.float64(0.5) * w, state, t)

    class Flat(kn.SGD):
        def step(self, w, g, state, t):
            super().step(w, g.sum(), state, t)

    w, same = kn.param([1.0, -2.0]), kn.param([1.0, -2.0])
    for opt, one in ((Decayed(lr=0.5), w), (kn.Adam(lr=0.5), same)):
        kn.update(one, np.array([1.0, 1.0], "f4") + (0.5 * same.value if one is same else 0), opt)
    assert (w.value == same.value).all()
    kn.update(w, np.ones(2, "f4"), Flat(lr=1))
    assert (w.value == same.value - 2).all()


def test_a_formula_needs_a_state_like_the_array():
    class Wrong(kn.Adam):
        def init(self, w):
            return np.zeros(1, w.dtype), np.zeros_like(w)

    w = kn.param([1.0, 2.0])
    with pytest.raises(TypeError, match="Wrong: init must return"):
        kn.update(w, np.ones(2, "f4"), Wrong())
    assert w.version == 0
