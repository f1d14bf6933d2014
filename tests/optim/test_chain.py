"""Chains: what is done to gradients, what follows the rule, and that an update is whole or not at all."""

import copy
import math
import pickle

import numpy as np
import pytest

import knetpy as kn
from knetpy import optim
from tests.optim.trajectories import gradients, start


def steps(make, dtype=np.float64, n=30):
    """Where an optimizer gets to, from the arrays of the trajectories."""
    params, opt = [kn.param(w) for w in start(dtype)], make()
    for _ in range(n):
        kn.update(params, gradients([p.value for p in params]), opt)
    return params, opt


def by_hand(make, change, n=30):
    """The same with gradients that the test changes: change(params, gradients, step)."""
    params, opt = [kn.param(w) for w in start()], make()
    for step in range(n):
        arrays = [p.value for p in params]
        kn.update(params, change(arrays, gradients(arrays), step), opt)
    return params


def norm(*arrays):
    return math.sqrt(sum(np.square(a).sum() for a in arrays))


CHANGES = {
    "ClipValue": (
        lambda: optim.ClipValue(0.3),
        lambda w, g, t: [np.clip(x, -0.3, 0.3) for x in g],
    ),
    "ClipNorm": (
        lambda: optim.ClipNorm(0.7),
        lambda w, g, t: [x * min(1, 0.7 / norm(x)) for x in g],
    ),
    "ClipGlobalNorm": (
        lambda: optim.ClipGlobalNorm(0.7),
        lambda w, g, t: [x * min(1, 0.7 / norm(*g)) for x in g],
    ),
    "a global norm that holds": (lambda: optim.ClipGlobalNorm(1e9), lambda w, g, t: g),
    "WeightDecay": (lambda: optim.WeightDecay(0.1), lambda w, g, t: [x + 0.1 * y for x, y in zip(g, w)]),
    "SignDecay": (lambda: optim.SignDecay(0.1), lambda w, g, t: [x + 0.1 * np.sign(y) for x, y in zip(g, w)]),
    "a schedule": (
        lambda: optim.WeightDecay(kn.schedules.Step(0.1, 3, 0.5)),
        lambda w, g, t: [x + 0.1 * 0.5 ** (t // 3) * y for x, y in zip(g, w)],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("rule", [lambda: kn.SGD(0.05), lambda: kn.Adam(0.05), lambda: kn.LAMB(0.05)])
def test_changed_gradients(name, rule):
    make, change = CHANGES[name]
    for p, q in zip(steps(lambda: kn.chain(make(), rule()))[0], by_hand(rule, change)):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-12)


def test_parts_see_what_those_before_them_left():
    chained = steps(lambda: kn.chain(optim.WeightDecay(0.1), optim.ClipGlobalNorm(0.7), kn.SGD(0.05)))[0]

    def change(w, g, t):
        g = [x + 0.1 * y for x, y in zip(g, w)]
        return [x * min(1, 0.7 / norm(*g)) for x in g]

    for p, q in zip(chained, by_hand(lambda: kn.SGD(0.05), change)):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-12)


# torch.optim.Adam(lr=0.02, weight_decay=0.1) of PyTorch 2.13, after 30 steps
# fmt: off
ADAM_DECAYED = [
    1.483462343353895, 0.060974324120311466, -1.2835372272858168, 0.45245370872897317,
    1.0568159916801587, -1.008274732459498, -0.822204554003768, 1.2038994049727014,
    0.422536056702473, -1.3551604135204582, -0.3488846893682341, 1.4371236162381487,
    -0.4657641492712288, -1.3683684365112219, 0.32776000224202784, 1.2708226694332947,
]
# fmt: on


def test_the_coupled_decay_of_adam_is_pytorchs():
    reached = np.concatenate(
        [p.value.ravel() for p in steps(lambda: kn.chain(optim.WeightDecay(0.1), kn.Adam(0.02)))[0]]
    )
    np.testing.assert_allclose(reached, ADAM_DECAYED, rtol=0, atol=1e-9)


def test_decoupled_decay_is_adamws():
    ours = steps(lambda: kn.chain(optim.DecoupledDecay(0.02 * 0.1), kn.Adam(0.02)))[0]
    for p, q in zip(ours, steps(lambda: kn.AdamW(0.02, weight_decay=0.1))[0]):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-12)


def test_a_norm_in_float32_does_not_overflow():
    w, g = kn.param(np.zeros(4, "f4")), np.full(4, 2e19, "f4")
    kn.update(w, g, kn.chain(optim.ClipGlobalNorm(1.0), kn.SGD(1.0)))
    np.testing.assert_allclose(w.value, [-0.5] * 4)


def test_half_precision_gradients_are_changed_in_float32():
    w = kn.param(np.zeros(2, "f2"))
    kn.update(w, np.full(2, 6e-8, "f2"), kn.chain(optim.ClipNorm(1e-9), kn.Lion(1.0)))
    assert w.value.tolist() == [-1, -1]


def test_the_gradients_of_the_caller_stay_as_they_are():
    w, g = np.ones(3), np.full(3, 9.0)
    for make in (optim.ClipValue, optim.ClipNorm, optim.ClipGlobalNorm, optim.WeightDecay, optim.Accumulate):
        kn.update(w, g, kn.chain(make(1), kn.SGD()))
    assert (g == 9).all()


# -------------------------------------------------------------------------------------------------- accumulation


def test_accumulated_gradients_are_their_mean():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(12, 3))
    w, v = kn.param(np.ones(3)), kn.param(np.ones(3))
    opt, plain = kn.chain(optim.Accumulate(4), optim.ClipGlobalNorm(0.1), kn.Adam(0.1)), None
    plain = kn.chain(optim.ClipGlobalNorm(0.1), kn.Adam(0.1))
    for n, g in enumerate(given):
        before = w.version
        kn.update(w, g, opt)
        assert w.version == before + (n % 4 == 3)
    for n in range(3):
        kn.update(v, given[4 * n : 4 * n + 4].mean(0), plain)
    np.testing.assert_allclose(w.value, v.value, rtol=1e-12)
    assert opt.parts[2].state(w).t == 3


def test_what_follows_waits_too():
    w, ema = kn.param([0.0]), optim.EMA(0.5)
    opt = kn.chain(optim.Accumulate(2), kn.SGD(kn.schedules.Step(1.0, 1, 0.5)), ema)
    for _ in range(4):
        kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == -1.5 and ema.mean(w).item() == 0.5 * (0.5 * 0 + 0.5 * -1) + 0.5 * -1.5


# ------------------------------------------------------------------------------------------------------ averages


def test_ema_by_hand():
    w, ema = kn.param(np.zeros(2)), optim.EMA(0.9)
    opt, mean = kn.chain(kn.SGD(0.1), ema), np.zeros(2)
    for step in range(10):
        kn.update(w, np.array([1.0, step]), opt)
        mean = 0.9 * mean + 0.1 * w.value
    np.testing.assert_allclose(ema.mean(w), mean, rtol=1e-12)
    last = w.value.copy()
    with ema.averaged([w]):
        np.testing.assert_allclose(w.value, mean, rtol=1e-12)
    np.testing.assert_array_equal(w.value, last)
    with pytest.raises(KeyError), ema.averaged(lambda: w):
        raise KeyError
    np.testing.assert_array_equal(w.value, last)


def test_ema_of_half_precision_is_float32_and_of_the_untouched_its_value():
    w, other, ema = kn.param(np.ones(1, "f2")), kn.param([3.0]), optim.EMA(0.999)
    opt = kn.chain(kn.SGD(1e-3), ema)
    for _ in range(5):
        kn.update(w, np.ones(1, "f2"), opt)
    assert ema.state(w).arrays[0].dtype == np.float32 and 0.9999 < ema.state(w).arrays[0].item() < 1
    assert ema.mean(w).dtype == np.float16 and ema.mean(other).item() == 3


def test_averaged_refuses_before_it_changes_anything():
    w, v, ema = kn.param([1.0]), kn.param([1.0]), optim.EMA()
    v.value.base.flags.writeable = False
    kn.update(w, np.ones(1, "f4"), kn.chain(kn.SGD(0.0), ema))
    before = w.version
    with pytest.raises(kn.MutationError, match="averaged: .*read-only"), ema.averaged([w, v]):
        pass
    assert w.version == before


def test_lookahead_by_hand():
    w = kn.param(np.zeros(1))
    opt, slow, fast = kn.chain(kn.SGD(1.0), optim.Lookahead(3, share=0.25)), 0.0, 0.0
    for step in range(1, 10):
        kn.update(w, np.array([step]) * 1.0, opt)
        fast -= step
        if step % 3 == 0:
            slow = fast = slow + 0.25 * (fast - slow)
        assert w.value.item() == fast


# ---------------------------------------------------------------------------------------------------- choice


def net():
    layers = [{"w": kn.param(np.ones((2, 2))), "b": kn.param(np.ones(2))} for _ in range(2)]
    return {"layers": layers, "out": kn.param([1.0])}


def test_choice_by_path_and_param():
    model, asked = net(), []

    def choose(path, w):
        asked.append((path, w.shape))
        return None if path == "['out']" else "muon" if w.ndim == 2 else "adam"

    opt = optim.Choose(choose, muon=kn.Muon(), adam=kn.Adam())
    for _ in range(2):
        kn.update(model, {p: np.ones_like(p.value) for p in kn.params(model)}, opt)
    assert asked == [
        ("['layers'][0]['w']", (2, 2)),
        ("['layers'][0]['b']", (2,)),
        ("['layers'][1]['w']", (2, 2)),
        ("['layers'][1]['b']", (2,)),
        ("['out']", (1,)),
    ]
    assert len(opt.muon.states) == len(opt.adam.states) == 2 and model["out"].version == 0
    thawed = optim.Choose(lambda path, w: "muon" if w.ndim == 2 else "adam", **opt.named)
    kn.update(model, {p: np.ones_like(p.value) for p in kn.params(model)}, thawed)
    assert opt.adam.state(model["layers"][0]["b"]).t == 3 and opt.adam.state(model["out"]).t == 1


def test_paths_of_functions_and_arrays():
    w = [kn.param([1.0]), kn.param([2.0])]
    paths = []
    opt = optim.Choose(lambda path, _: paths.append(path) or "sgd", sgd=kn.SGD())
    kn.update(lambda: w[0] * w[1], {w[0]: np.ones(1, "f4"), w[1]: np.ones(1, "f4")}, opt)
    kn.update({"a": np.ones(1), "b": [np.ones(2)]}, {"a": np.ones(1), "b": [np.ones(2)]}, opt)
    kn.update(np.ones(3), np.ones(3), opt)
    assert paths == ["w[0]", "w[1]", "['a']", "['b'][0]", ""]


def test_a_choice_has_one_norm_for_each_optimizer():
    a, b, c = (kn.param(np.zeros(1)) for _ in range(3))
    clipped = kn.chain(optim.ClipGlobalNorm(1.0), kn.SGD(1.0))
    opt = optim.Choose(lambda path, w: "plain" if w is c else "clipped", clipped=clipped, plain=kn.SGD(1.0))
    kn.update([a, b, c], [np.array([3.0]), np.array([4.0]), np.array([7.0])], opt)
    np.testing.assert_allclose([p.value.item() for p in (a, b, c)], [-0.6, -0.8, -7])


def test_the_choice_is_forgotten_with_its_array():
    opt = optim.Choose(lambda path, w: "sgd", sgd=kn.SGD())
    for n in range(3):
        kn.update(np.ones(n + 1), np.ones(n + 1), opt)
    assert not opt._chosen


def by_name(path, w):
    return "all"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_of_a_choice(copied):
    w, opt = kn.param([1.0]), optim.Choose(by_name, all=kn.Adam(0.1))
    kn.update(w, np.ones(1, "f4"), opt)
    other = copied(opt)
    assert repr(other) == repr(opt) and other.all is not opt.all and not other.all.states
    other.lr = 0.5
    assert opt.lr == 0.1 and other.all.lr == 0.5
    kn.update(w, np.ones(1, "f4"), other)


# --------------------------------------------------------------------------------------- what it is like to use


def test_settings_of_the_parts():
    opt = kn.chain(optim.ClipNorm(1.0), kn.Adam(0.1), optim.EMA(0.5))
    opt.lr, opt.keep = 0.2, 0.75
    assert (opt.lr, opt.parts[1].lr, opt.parts[2].keep, opt.limit) == (0.2, 0.2, 0.75, 1.0)
    opt.lr = kn.schedules.Constant(0.3)
    assert opt.parts[1].lr == kn.schedules.Constant(0.3)
    with pytest.raises(ValueError, match="Adam: lr must be at least 0"):
        opt.lr = -1
    two = kn.chain(kn.SGD(), kn.Adam())
    with pytest.raises(AttributeError, match=r"chain: 2 of its parts have a setting 'lr'; write opt.parts\[0\].lr or"):
        two.lr = 1
    nested = kn.chain(opt, optim.EMA())
    nested.lr = 0.4
    assert opt.parts[1].lr == 0.4
    with pytest.raises(AttributeError, match="parts decides what is remembered"):
        opt.parts = ()
    opt.parts = tuple(opt.parts)  # as a save does that is loaded


class Own(kn.optim.Optimizer):
    kinds = {"n": "count"}
    fixed = ("n",)

    def __init__(self, n=1):
        self.n = n


@pytest.mark.parametrize(
    "opt, name, value, way",
    [
        (optim.Accumulate(4), "every", 2, r"kn\.optim\.Accumulate\(every=2\)"),
        (kn.RMSprop(), "centered", True, r"kn\.RMSprop\(centered=True\)"),
        (kn.chain(kn.SGD()), "parts", (), r"kn\.chain\(\.\.\.\)"),
        (optim.Choose(lambda path, w: "a", a=kn.SGD()), "choose", len, r"kn\.optim\.Choose\(\.\.\.\)"),
        (Own(), "n", 2, r"Own\(n=2\)"),
    ],
)
def test_the_way_out_of_a_fixed_setting_can_be_written(opt, name, value, way):
    with pytest.raises(AttributeError, match=f"{name} decides what is remembered; make another: {way}$"):
        setattr(opt, name, value)
    with pytest.raises(TypeError, match=r"opt is the class EMA; make one: opt = kn\.optim\.EMA\(\)"):
        kn.chain(optim.EMA)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_a_copy_has_the_settings_but_no_state(copied):
    w, opt = kn.param([1.0]), kn.chain(optim.ClipNorm(1.0), kn.Adam(0.1), optim.EMA(0.5))
    kn.update(w, np.ones(1, "f4"), opt)
    other = copied(opt)
    assert (
        repr(other)
        == repr(opt)
        == ("chain(ClipNorm(limit=1.0), Adam(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-08, lazy=False), EMA(keep=0.5))")
    )
    assert not any(part.states for part in other.parts) and all(part.states for part in opt.parts)


def mistakes():
    w, g, sgd = np.ones(1), np.ones(1), kn.SGD()
    return {
        "no rule": (lambda: kn.chain(optim.ClipNorm(1)), TypeError, "chain: there must be a rule.*got ClipNorm"),
        "nothing": (lambda: kn.chain(), TypeError, "chain: there must be a rule.*got nothing"),
        "no optimizer": (lambda: kn.chain(0.1), TypeError, r"chain: opt must be an optimizer.*kn.Adam\(lr=0.1\)"),
        "a class": (lambda: kn.chain(kn.Adam), TypeError, "chain: opt is the class Adam"),
        "twice": (lambda: kn.chain(sgd, sgd), ValueError, "chain: one of the parts is there twice"),
        "alone": (lambda: kn.update(w, g, optim.ClipNorm(1)), TypeError, "ClipNorm moves no params.*kn.chain"),
        "a limit": (lambda: optim.ClipNorm(-1), ValueError, "ClipNorm: limit must be at least 0"),
        "params": (lambda: optim.ClipNorm([w]), TypeError, "ClipNorm: limit must be a number, got list"),
        "every": (lambda: optim.Accumulate(0), ValueError, "Accumulate: every must be an integer of at least 1"),
        "a share": (lambda: optim.Lookahead(2.5), TypeError, "Lookahead: every must be an integer"),
        "an optimizer to choose": (lambda: optim.Choose(kn.SGD()), TypeError, "Choose: choose must be a function"),
        "a choice": (
            lambda: kn.update([w], [g], optim.Choose(lambda p, w: "b", a=kn.SGD())),
            ValueError,
            r"Choose: for \[0\] the function gave 'b'; it must be one of a, or None",
        ),
        "decay of a rule": (
            lambda: kn.SGD(weight_decay=0.1),
            TypeError,
            r"SGD has no setting 'weight_decay'; it has lr. Write kn.chain\(kn.optim.WeightDecay",
        ),
        "betas": (lambda: kn.Adam(betas=(0.9, 0.99)), TypeError, "Write beta1=0.9, beta2=0.999"),
    }


@pytest.mark.parametrize("which", mistakes())
def test_mistakes_say_what_to_write(which):
    call, error, words = mistakes()[which]
    with pytest.raises(error, match=words):
        call()


# ----------------------------------------------------------------------------------------------- all or nothing


class Fails(kn.SGD):
    """What it takes from the settings cannot be had."""

    def numbers(self, t):
        raise MemoryError


@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_failed_update_changes_nothing(steps_before):
    w, last = kn.param([1.0]), Fails()
    parts = [optim.Accumulate(2), optim.ClipNorm(1.0), kn.Adam(), optim.EMA(), optim.Lookahead(1)]
    good, bad = kn.chain(*parts), kn.chain(*parts, optim.Choose(lambda path, w: "last", last=last))
    for _ in range(steps_before):
        kn.update(w, np.ones(1, "f4"), good)
    seen = [w.value.copy(), *(a.copy() for part in parts for s in part.states.values() for a in s.arrays)]
    times = [s.t for part in parts for s in part.states.values()]
    with pytest.raises(MemoryError):
        for _ in range(2):  # every other one passes the accumulation
            kn.update(w, np.ones(1, "f4"), bad)
            seen = [w.value.copy(), *(a.copy() for part in parts for s in part.states.values() for a in s.arrays)]
            times = [s.t for part in parts for s in part.states.values()]
    now = [w.value, *(a for part in parts for s in part.states.values() for a in s.arrays)]
    assert len(now) == len(seen) and all((a == b).all() for a, b in zip(now, seen))
    assert times == [s.t for part in parts for s in part.states.values()]


# ------------------------------------------------------------------------------------------------- rows of tables


@pytest.mark.parametrize("name", [*CHANGES, "Accumulate"])
@pytest.mark.parametrize("rule", [lambda: kn.SGD(0.1), lambda: kn.Adam(0.1)])
def test_rows_of_a_table_are_updated_as_by_the_dense_gradient(name, rule):
    make = CHANGES[name][0] if name in CHANGES else lambda: optim.Accumulate(2)
    tables = [kn.param(np.linspace(-1, 1, 12).reshape(4, 3)) for _ in range(2)]
    opts = [kn.chain(make(), rule(), optim.EMA(0.5)) for _ in tables]
    for words in ([0, 2, 2], [1, 0], [3, 3], [2, 1]):
        for p, opt, look_up in zip(tables, opts, (kn.embed, lambda p, i: p[np.array(i)])):
            kn.update(p, kn.grad(lambda: np.sum(np.square(look_up(p, words))))(), opt)  # noqa: B023
    np.testing.assert_allclose(tables[0].value, tables[1].value, rtol=1e-12)
    np.testing.assert_allclose(opts[0].parts[2].mean(tables[0]), opts[1].parts[2].mean(tables[1]), rtol=1e-12)


def test_a_clipped_gradient_of_a_table_keeps_its_rows():
    p = kn.param(np.ones((4, 2)))
    opt = kn.chain(optim.ClipValue(0.1), optim.ClipGlobalNorm(0.1), kn.Adam(lazy=True))
    kn.update(p, kn.grad(lambda: np.sum(kn.embed(p, [1, 1])))(), opt)
    assert (p.value != 1).any(1).tolist() == [False, True, False, False]


@pytest.mark.parametrize("parts", [(kn.SGD(), kn.optim.ClipNorm(1.0)), (kn.optim.EMA(), kn.SGD())])
def test_parts_on_the_wrong_side_of_the_rule_are_refused(parts):
    with pytest.raises(ValueError, match="chain: (ClipNorm must stand before|EMA must stand after) SGD"):
        kn.chain(*parts)


def test_the_value_of_a_setting_now():
    lr = kn.schedules.Step(1.0, every=1, factor=0.5)
    w, b = kn.param([1.0]), kn.param([1.0, 2.0])
    for opt in (
        kn.Momentum(lr),
        kn.chain(optim.Accumulate(2), kn.Momentum(lr), optim.EMA()),
        optim.MixedPrecision(kn.Momentum(lr)),
    ):
        assert opt.now("lr") == 1.0 and opt.now("momentum") == 0.9
        seen = []
        for _ in range(4):
            kn.update(w, np.ones(1, "f4"), opt)
            seen.append(opt.now("lr"))
        assert seen == ([1.0, 1.0, 1.0, 0.5] if isinstance(opt, kn.chain) else [1.0, 0.5, 0.25, 0.125])
        kn.update(b, np.ones(2, "f4"), opt)  # a younger one does not count
        assert opt.now("lr") == seen[-1]
        opt.lr = 0.5
        assert opt.now("lr") == 0.5
    two = optim.Choose(lambda path, w: "a", a=kn.SGD(lr), b=kn.SGD(0.5))
    assert two.a.now("lr") == 1.0
    with pytest.raises(
        AttributeError, match=r"Choose: 2 of its parts have a setting 'lr'; write opt\.a\.lr or opt\.b\.lr"
    ):
        two.now("lr")
    with pytest.raises(ValueError, match="now: .*SGD has no setting 'lrr'; did you mean lr"):
        kn.SGD().now("lrr")


def test_what_moves_no_params_is_refused_wherever_it_stands():
    w = kn.param([1.0, 2.0])
    mixture = optim.Choose(lambda path, w: "a", a=kn.SGD(), b=optim.ClipNorm(1.0))
    with pytest.raises(TypeError, match="ClipNorm moves no params by itself"):
        kn.update(w, np.ones(2, "f4"), mixture)
    with pytest.raises(TypeError, match="chain: there must be a rule"):
        kn.chain(optim.ClipValue(1.0), mixture)
    with pytest.raises(TypeError, match="MixedPrecision: EMA moves no params by itself"):
        optim.MixedPrecision(optim.EMA())
    kn.update(
        w, np.full(2, 3.0, "f4"), kn.chain(optim.Choose(lambda path, w: "a", a=optim.ClipValue(1.0)), kn.SGD(1.0))
    )
    assert w.value.tolist() == [0.0, 1.0]
    inner = kn.SGD()
    with pytest.raises(ValueError, match="chain: one of the parts is there twice"):
        kn.chain(kn.chain(inner), inner)


def test_means_of_params_that_an_average_has_never_met():
    ema, w = kn.optim.EMA(0.5), kn.param([1.0])
    with pytest.warns(UserWarning, match=r"averaged: this EMA has no mean .* kn.chain\(rule, ema\)"):
        with ema.averaged(w):
            assert w.value == [1]


def test_means_cannot_be_updated():
    w, ema = kn.param([1.0]), optim.EMA(0.5)
    opt = kn.chain(kn.SGD(1.0), ema)
    kn.update(w, np.ones(1, "f4"), opt)
    with ema.averaged(w):
        with pytest.raises(kn.MutationError, match=r"read-only: .*its mean stands in its place"):
            kn.update(w, np.ones(1, "f4"), opt)
        with pytest.raises(ValueError, match="read-only"):
            w[...] = 7
        assert w.value == 0.5
    assert w.value == 0
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value == -1


def test_arrays_that_join_late_have_the_rate_of_the_others():
    a, b = kn.param([0.0]), kn.param([0.0])
    opt, one = kn.SGD(kn.schedules.Step(1.0, 2, 0.5)), np.ones(1, "f4")
    for grads in ({a: one}, {a: one}, {a: one, b: one}):
        kn.update([a, b] if b in grads else a, grads, opt)
    assert a.value == -2.5 and b.value == -0.5 and opt.now("lr") == 0.5
