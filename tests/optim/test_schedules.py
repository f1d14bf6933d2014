"""Schedules: their values are PyTorch's, and a setting that is one is asked at every update."""

import copy
import math
import pickle

import numpy as np
import pytest

import knetpy as kn
from knetpy import schedules as s

ALL = {
    "Constant": s.Constant(0.5),
    "Step": s.Step(0.5, 3),
    "Exponential": s.Exponential(0.5, 0.9),
    "Cosine": s.Cosine(0.5, 10),
    "Cosine, restarts": s.Cosine(0.5, 4, end=0.1, restarts=True, growth=2),
    "Warmup": s.Warmup(4, then=s.Cosine(0.5, 10)),
    "OneCycle": s.OneCycle(0.5, 20),
    "Polynomial": s.Polynomial(0.5, 10, power=2),
    "InverseSqrt": s.InverseSqrt(0.5, 4),
    "Piecewise": s.Piecewise(0.5, {3: 0.05, 7: 0.005}),
}


# Of PyTorch 2.13's lr_scheduler, from lr 0.5: steps 0, 1, 3, 7, 10, 13, 19.
AT = (0, 1, 3, 7, 10, 13, 19)
PYTORCH = {
    "Step": (
        s.Step(0.5, 3),
        [0.5, 0.5, 0.05, 0.005000000000000001, 0.0005000000000000001, 5.0000000000000016e-05, 5.000000000000002e-07],
    ),
    "Exponential": (
        s.Exponential(0.5, 0.9),
        [
            0.5,
            0.45,
            0.36450000000000005,
            0.23914845000000007,
            0.17433922005000008,
            0.12709329141645007,
            0.06754258588364964,
        ],
    ),
    "Cosine": (
        s.Cosine(0.5, 10, end=0.1),
        [0.5, 0.49021130325903073, 0.41755705045849467, 0.18244294954150542, 0.1, None, None],
    ),
    "Cosine, restarts": (
        s.Cosine(0.5, 4, end=0.1, restarts=True),
        [
            0.5,
            0.4414213562373095,
            0.1585786437626905,
            0.1585786437626905,
            0.30000000000000004,
            0.4414213562373095,
            0.1585786437626905,
        ],
    ),
    "Cosine, growing": (
        s.Cosine(0.5, 3, restarts=True, growth=2),
        [0.5, 0.375, 0.5, 0.12500000000000006, 0.49148145657226705, 0.375, 0.03349364905389032],
    ),
    "Warmup": (
        s.Warmup(7, then=0.5, start=0.25),
        [
            0.125,
            0.17857142857142858,
            0.28571428571428575,
            0.5000000000000001,
            0.5000000000000001,
            0.5000000000000001,
            0.5000000000000001,
        ],
    ),
    "Warmup, then": (
        s.Warmup(4, then=s.Exponential(0.5, 0.9), start=0.1),
        [
            0.05,
            0.1625,
            0.38750000000000007,
            0.36450000000000005,
            0.2657205000000001,
            0.19371024450000007,
            0.10294556604732455,
        ],
    ),
    "OneCycle": (
        s.OneCycle(0.5, 20),
        [
            0.020000000000000018,
            0.06583592135001265,
            0.3341640786499874,
            0.47524231600673683,
            0.3584715008956504,
            0.19437098903185537,
            2e-06,
        ],
    ),
    "OneCycle, other": (
        s.OneCycle(0.5, 20, warmup=0.6, start=0.1, end=0.01),
        [
            0.04999999999999999,
            0.059114080936738034,
            0.12765633486231082,
            0.3684683779254244,
            0.4908859190632619,
            0.4275089283436705,
            0.005,
        ],
    ),
    "Polynomial": (
        s.Polynomial(0.5, 12),
        [0.5, 0.4583333333333333, 0.375, 0.20833333333333331, 0.08333333333333331, 0.0, 0.0],
    ),
    "Polynomial, square": (
        s.Polynomial(0.5, 30, power=2),
        [
            0.5,
            0.4672222222222222,
            0.4050000000000001,
            0.2938888888888889,
            0.22222222222222232,
            0.1605555555555556,
            0.06722222222222227,
        ],
    ),
    "Piecewise": (
        s.Piecewise(0.5, {3: 0.05, 10: 0.005}),
        [0.5, 0.5, 0.05, 0.05, 0.005000000000000001, 0.005000000000000001, 0.005000000000000001],
    ),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_equals_pytorchs(name):
    schedule, numbers = PYTORCH[name]
    for step, expected in zip(AT, numbers):
        if expected is not None:
            assert math.isclose(schedule(step), expected, rel_tol=1e-12, abs_tol=1e-15), step


def test_by_hand():
    assert s.Constant(0.5)(0) == s.Constant(0.5)(10**9) == 0.5
    assert [s.InverseSqrt(1.0, 4)(n) for n in (0, 3, 99)] == [0.25, 1.0, 0.2]
    assert s.Cosine(0.5, 10)(10) == s.Cosine(0.5, 10)(99) == 0
    assert s.OneCycle(0.5, 20)(19) == s.OneCycle(0.5, 20)(99) == 2e-6
    assert s.Polynomial(0.5, 10, end=0.1)(10) == s.Polynomial(0.5, 10, end=0.1)(99) == 0.1
    nested = s.Piecewise(s.Warmup(2, 1.0), {4: s.Step(0.5, 1)})
    assert [nested(n) for n in range(7)] == [0, 0.5, 1, 1, 0.5, 0.05, 0.005000000000000001]
    assert s.OneCycle(1.0, 1)(0) == s.OneCycle(1.0, 5, warmup=0)(0) == 1 and s.OneCycle(1.0, 5, warmup=1)(4) == 1
    assert s.Cosine(1.0, 1, restarts=True)(5) == 1


@pytest.mark.parametrize("name", ALL)
def test_they_are_values(name):
    schedule = ALL[name]
    assert eval(repr(schedule), vars(s)) == schedule == copy.deepcopy(schedule) == pickle.loads(pickle.dumps(schedule))
    assert all(0 <= schedule(n) <= 0.5 for n in range(40))


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: s.Constant("1"), TypeError, "Constant: lr must be a number"),
        (lambda: s.Step(0.1, 0), ValueError, "Step: every must be an integer of at least 1, got 0"),
        (lambda: s.Step(0.1, 1.5), ValueError, "Step: every"),
        (lambda: s.Cosine(-1, 5), ValueError, "Cosine: lr"),
        (lambda: s.Cosine(1, 5, restarts=2), TypeError, "Cosine: restarts must be True or False"),
        (lambda: s.Exponential(1, 2), ValueError, "Exponential: factor"),
        (lambda: s.Cosine(1e-3), TypeError, "Cosine: steps is missing; it takes lr, steps, end=0.0"),
        (lambda: s.Cosine(1e-3, 5, restart=True), TypeError, "Cosine has no argument 'restart'; did you mean restarts"),
        (
            lambda: s.OneCycle(0.1, 18.0),
            ValueError,
            r"OneCycle: steps must be an integer .*got 18.0; write int\(18.0\)",
        ),
        (lambda: s.Warmup(5, s.Cosine), TypeError, "Warmup: then is the class Cosine; make one"),
        (lambda: s.Piecewise(1, {2: s.Cosine}), TypeError, "Piecewise: a part is the class Cosine"),
        (lambda: s.Constant(1, 2, 3), TypeError, "Constant takes 1 argument by position, got 3"),
        (lambda: s.Constant(1, lr=3), TypeError, "Constant: lr is given twice"),
        (lambda: kn.Adam(s.Cosine), TypeError, "Adam: lr is the class Cosine; make one"),
        (lambda: kn.Adam(lr=s.Cosine), TypeError, "Adam: lr is the class Cosine; make one"),
        (lambda: s.Plateau(), TypeError, "Plateau: opt is missing"),
        (lambda: s.Plateau(kn.SGD(), patience=1.5), TypeError, "Plateau: patience must be an integer"),
        (lambda: s.Plateau(kn.SGD())("1"), TypeError, "Plateau: the loss must be a number, got '1'"),
        (lambda: s.Plateau(kn.chain(kn.SGD(), kn.SGD()))(1), AttributeError, r"write opt.parts\[0\].lr or"),
        (lambda: s.Warmup(5, then="cosine"), TypeError, "Warmup: then must be a number"),
        (lambda: s.Warmup(5, then=-0.1), ValueError, "Warmup: then"),
        (lambda: s.Piecewise(1, [3]), TypeError, "Piecewise: later must be a dict"),
        (lambda: s.Piecewise(1, {0: 3}), TypeError, "Piecewise: later must be a dict from steps of at least 1"),
        (lambda: s.Plateau(0.1), TypeError, r"Plateau: opt must be an optimizer.*kn.Adam\(lr=0.1\)"),
        (lambda: s.Plateau(kn.SGD(), factor=2), ValueError, "Plateau: factor"),
    ],
)
def test_mistakes(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---------------------------------------------------------------------------------------------------- as settings


def test_a_setting_is_asked_at_every_update():
    asked, w = [], kn.param([0.0])
    opt = kn.SGD(lr=lambda step: asked.append(step) or 2.0**-step)
    seen = []
    for _ in range(3):
        kn.update(w, np.ones(1, "f4"), opt)
        seen.append(w.value.item())
    assert asked == [0, 1, 2] and seen == [-1, -1.5, -1.75]
    opt.lr = 1.0
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == -2.75
    opt.lr = s.Constant(0.25)
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == -3.0


def test_arrays_of_one_update_have_the_same_step():
    a, b, opt = kn.param([0.0]), kn.param([0.0]), kn.SGD(lr=s.Step(1.0, 1, 0.5))
    kn.update(a, np.ones(1, "f4"), opt)
    kn.update([a, b], [np.ones(1, "f4")] * 2, opt)
    assert (a.value.item(), b.value.item()) == (-1.5, -0.5)


@pytest.mark.parametrize("make", [kn.Adam, kn.AdamW, kn.Lion, kn.Rprop, kn.LAMB, kn.Adafactor])
def test_a_schedule_is_the_same_as_changing_the_setting(make):
    schedule, results = s.Cosine(0.1, 10, end=0.01), []
    for way in ("schedule", "by hand"):
        w, opt = kn.param(np.linspace(-1, 1, 6).reshape(2, 3)), make(lr=schedule if way == "schedule" else 0.1)
        for step in range(12):
            if way == "by hand":
                opt.lr = schedule(step)
            kn.update(w, np.cos(w.value * step), opt)
        results.append(w.value)
    np.testing.assert_array_equal(*results)


def test_other_settings_and_copies():
    opt = kn.AdamW(lr=s.Cosine(0.1, 10), weight_decay=s.Constant(0.1), beta1=lambda step: 0.5)
    opt.beta1 = s.Constant(0.5)
    assert "lr=Cosine(lr=0.1, steps=10" in repr(opt) and "weight_decay=Constant(lr=0.1)" in repr(opt)
    other = pickle.loads(pickle.dumps(opt))
    assert repr(other) == repr(opt)


def test_settings_of_a_rule_of_ones_own():
    class Scaled(kn.optim.Optimizer):
        kinds = {"gain": (0, 10)}

        def __init__(self, gain=1.0, note=None):
            self.gain, self.note = gain, note

        def step(self, w, g, state, t):
            w -= self.gain * g

    w, opt = kn.param([0.0]), Scaled(gain=lambda step: 2.0 + step, note=print)
    for _ in range(2):
        kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == -5 and opt.note is print
    with pytest.raises(ValueError, match="Scaled: gain must be at least 0 and less than 10"):
        opt.gain = 10


@pytest.mark.parametrize(
    "schedule, error, words",
    [
        (lambda step: -1.0, ValueError, "SGD: lr must be at least 0"),
        (lambda step: math.nan, ValueError, "SGD: lr must be at least 0"),
        (lambda step: "0.1", TypeError, "SGD: lr is a function of the step.*at step 0 it returned str"),
        (lambda step: 1 / step, ZeroDivisionError, "division"),
    ],
)
def test_a_schedule_that_fails_changes_nothing(schedule, error, words):
    w, opt = kn.param([1.0]), kn.SGD(lr=schedule)
    with pytest.raises(error, match=words):
        kn.update(w, np.ones(1, "f4"), opt)
    assert w.version == 0 and not opt.states


def test_a_refused_setting_leaves_the_schedule():
    opt = kn.SGD(lr=s.Constant(0.5))
    with pytest.raises(TypeError, match="SGD: lr must be a number"):
        opt.lr = "0.1"
    w = kn.param([1.0])
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == 0.5


def test_a_model_is_no_schedule():
    w = kn.param(3, 2)

    def model(x):
        return x @ w

    with pytest.raises(TypeError, match="lr must be a number, got function; params are given to update"):
        kn.Adam(model)
    with pytest.raises(TypeError, match="lr must be a number"):
        kn.Adam(lr=model)


# ------------------------------------------------------------------------------------------------------- plateau


def plateaus(losses, **settings):
    opt = kn.SGD(lr=0.5)
    plateau = s.Plateau(opt, **settings)
    seen = []
    for loss in losses:
        plateau(loss)
        seen.append(opt.lr)
    return seen


LOSSES = [3, 2, 2.5, 1.9999, 2.1, 2.2, 1.5, 1.6, math.nan, 1.7, 1.8, 1.4, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]
PLATEAUS = [
    (
        dict(patience=1, factor=0.5),
        [
            0.5,
            0.5,
            0.5,
            0.25,
            0.25,
            0.125,
            0.125,
            0.125,
            0.0625,
            0.0625,
            0.03125,
            0.03125,
            0.03125,
            0.015625,
            0.015625,
            0.0078125,
            0.0078125,
            0.00390625,
            0.00390625,
            0.001953125,
        ],
    ),
    (
        dict(patience=2),
        [
            0.5,
            0.5,
            0.5,
            0.5,
            0.05,
            0.05,
            0.05,
            0.05,
            0.05,
            0.005000000000000001,
            0.005000000000000001,
            0.005000000000000001,
            0.005000000000000001,
            0.005000000000000001,
            0.0005000000000000001,
            0.0005000000000000001,
            0.0005000000000000001,
            5.0000000000000016e-05,
            5.0000000000000016e-05,
            5.0000000000000016e-05,
        ],
    ),
    (
        dict(patience=0, factor=0.5, cooldown=2, least=0.05),
        [
            0.5,
            0.5,
            0.25,
            0.25,
            0.25,
            0.125,
            0.125,
            0.125,
            0.0625,
            0.0625,
            0.0625,
            0.0625,
            0.05,
            0.05,
            0.05,
            0.05,
            0.05,
            0.05,
            0.05,
            0.05,
        ],
    ),
    (
        dict(patience=1, factor=0.5, threshold=0.3),
        [
            0.5,
            0.5,
            0.5,
            0.25,
            0.25,
            0.125,
            0.125,
            0.0625,
            0.0625,
            0.03125,
            0.03125,
            0.015625,
            0.015625,
            0.0078125,
            0.0078125,
            0.00390625,
            0.00390625,
            0.001953125,
            0.001953125,
            0.0009765625,
        ],
    ),
]


@pytest.mark.parametrize("settings, expected", PLATEAUS)
def test_plateau_is_pytorchs(settings, expected):
    np.testing.assert_allclose(plateaus(LOSSES, **settings), expected, rtol=1e-12)


def test_plateau_of_negative_losses():
    assert plateaus([-1, -1, -1, -1], patience=1, factor=0.5) == [0.5, 0.5, 0.25, 0.25]


def test_a_plateau_lowers_the_lr_in_a_chain():
    opt = kn.chain(kn.optim.ClipNorm(1.0), kn.SGD(lr=1.0))
    plateau = s.Plateau(opt, patience=0, factor=0.5)
    for _ in range(2):
        plateau(np.float32(1))
    assert opt.lr == opt.parts[1].lr == 0.5 and (plateau.best, plateau.waited) == (1, 0)


def test_a_plateau_needs_a_number():
    plateau = s.Plateau(kn.SGD(lr=s.Constant(0.1)))
    with pytest.raises(TypeError, match="Plateau: the lr of SGD must be a number"):
        plateau(1.0)
