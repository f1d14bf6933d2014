"""goldensection and hyperband."""

import math

import numpy as np
import pytest

from knetpy.train import goldensection, hyperband


@pytest.mark.parametrize("center", [[0.0], [3.7], [-40.0], [1.0, -2.0], [5.0, 0.1, -3.0]])
@pytest.mark.parametrize("dxmin", [0.1, 0.001])
def test_goldensection_finds_the_minimum(center, dxmin):
    least, x = goldensection(lambda x: float(((x - center) ** 2).sum()) + 7, len(center), dxmin=dxmin)
    assert abs(x - center).max() < 2 * dxmin and least == ((x - center) ** 2).sum() + 7


def test_it_goes_round_what_is_out_of_range():
    def f(x):
        return math.nan if x[0] > 1.5 or x[1] < -1 else (x[0] - 2) ** 2 + (x[1] + 3) ** 2

    least, x = goldensection(f, 2, dxmin=0.01)
    assert 1.45 < x[0] <= 1.5 and -1 <= x[1] < -0.95 and math.isfinite(least)


def test_it_gets_out_of_a_start_that_is_out_of_range():
    least, x = goldensection(lambda x: math.nan if x[0] < 0.5 else (x[0] - 2) ** 2, 1)
    assert abs(x[0] - 2) < 0.2 and least < 0.04


def test_each_point_is_asked_for_once(capsys):
    asked, history = [], []

    def f(x):
        asked.append(x.tolist())
        x[:] = 99  # the caller's own copy
        return sum((v - 1) ** 2 for v in asked[-1])

    first = goldensection(f, 2, history=history, verbose=True)
    assert len(asked) == len(history) == len({tuple(np.round(x, 6)) for x in asked}) and len(asked) > 10
    assert asked[0] == [0, 0] and asked[1] in ([1, 0], [0, 1])
    assert capsys.readouterr().out.startswith("goldensection: f([")
    again = goldensection(f, 2, history=history)
    assert len(asked) == len(history) and again[0] == first[0] and (again[1] == first[1]).all()


def test_hyperband_spends_as_the_paper_says():
    calls, made = [], []

    def getconfig():
        made.append(len(made))
        return made[-1]

    def getloss(config, resource):
        calls.append((config, resource))
        return config

    assert hyperband(getconfig, getloss, 81) == (0, 1, 0)
    table = {81: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)], 34: [(34, 3), (11, 9), (3, 27), (1, 81)]}
    spent = []
    for config, resource in calls:
        if spent and spent[-1][1] == resource and spent[-1][2] < config:
            spent[-1] = spent[-1][0] + 1, resource, config
        else:
            spent.append((1, resource, config))
    assert [(n, r) for n, r, _ in spent] == [
        *table[81],
        *table[34],
        (15, 9),
        (5, 27),
        (1, 81),
        (8, 27),
        (7, 81),  # 2 of these 8, then 5 that start with all
    ]
    assert len(made) == 81 + 34 + 15 + 8 + 5


def test_hyperband_keeps_the_best():
    losses = iter(np.random.default_rng(2).permutation(10_000).astype(float))
    seen = []

    def getloss(config, resource):
        seen.append((next(losses), resource, config))
        return math.nan if len(seen) % 3 == 0 else seen[-1][0]

    found = hyperband(lambda: object(), getloss)
    assert found == min((s for n, s in enumerate(seen, 1) if n % 3), key=lambda s: s[0])
    assert hyperband(lambda: 1, lambda config, resource: resource, 10, 4) == (2.5, 2.5, 1)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: goldensection(3, 1), TypeError, "goldensection: f must be a function"),
        (lambda: goldensection(sum, 0), ValueError, "goldensection: n must be at least 1"),
        (lambda: goldensection(sum, 1, dxmin=0), ValueError, "goldensection: dxmin"),
        (lambda: goldensection(sum, 1, accel=1), ValueError, "goldensection: accel must be above 1"),
        (lambda: goldensection(sum, 1, history={}), TypeError, "goldensection: history must be a list"),
        (
            lambda: goldensection(lambda x: math.nan, 2),
            ValueError,
            "goldensection: f.x. was no finite number for any x",
        ),
        (
            lambda: goldensection(lambda x: math.inf, 1),
            ValueError,
            "goldensection: f.x. was no finite number for any x",
        ),
        (lambda: goldensection(lambda x: -x[0], 1), ValueError, "falls without end along axis 0"),
        (lambda: hyperband(1, sum), TypeError, "hyperband: getconfig must be a function"),
        (lambda: hyperband(sum, 1), TypeError, "hyperband: getloss must be a function"),
        (lambda: hyperband(sum, sum, 0.5), ValueError, "hyperband: maxresource"),
        (lambda: hyperband(sum, sum, 27, 1), ValueError, "hyperband: reduction must be at least 2"),
        (lambda: hyperband(lambda: 1, lambda config, n: math.nan), ValueError, "no configuration had a loss"),
    ],
)
def test_mistakes(call, error, words):
    with pytest.raises(error, match=words):
        call()
