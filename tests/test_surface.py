"""Every public function of NumPy is in one list of tests/surface.py, and belongs there."""

from collections import Counter

import numpy as np
import pytest

import knetpy as kn
from knetpy.check.derivatives import gradients
from knetpy.core.value import Value
from tests import surface
from tests.ops.checker import scalar
from tests.ops.row import draw
from tests.ops.table import CONSTANTS, ROWS

LISTS = surface.lists()
of_this_numpy = pytest.mark.skipif(
    not np.__version__.startswith(surface.VERSION + "."), reason="the names are those of another NumPy"
)


@of_this_numpy
def test_every_function_is_in_one_list():
    count = Counter(name for names in LISTS.values() for name in names)
    assert [name for name, n in count.items() if n > 1] == []
    assert set(surface.public()) - count.keys() == set()
    assert count.keys() - surface.public().keys() == set()


def _moves(row):
    """Whether a row's gradient is not zero."""
    args = draw(row, np.random.default_rng(0))
    return any(np.any(g) for g in gradients(scalar(row.f), args))


@pytest.mark.parametrize("name", LISTS["differentiable"])
def test_differentiable_functions_have_a_derivative(name):
    f = surface.public()[name]
    assert any(_moves(row) for row in ROWS if row.op == f)


@pytest.mark.parametrize("name", LISTS["constant"])
def test_constant_functions_give_plain_arrays(name):
    f, found = surface.public()[name], []
    call = CONSTANTS.get(f, (lambda x: getattr(x, f[1:])) if isinstance(f, str) else None)

    def loss(x):
        found.append(call(x) if call else None)
        return np.sum(x)

    kn.grad(loss, 0)(np.ones((2, 3)))
    assert not isinstance(found[0], Value)


@pytest.mark.parametrize("name", LISTS["no rule"])
def test_functions_without_rule_raise(name):
    call = next(calls[name] for calls in surface.NO_RULE.values() if name in calls)
    with pytest.raises((kn.DerivativeError, kn.MutationError, AttributeError)) as refusal:
        kn.grad(lambda x: np.sum(x) + (call(x) is None), 0)(np.arange(3.0))
    assert any(word in str(refusal.value) for word in (name, name.partition(".")[2] + "()", "plain array", "'flat'"))


@of_this_numpy
def test_readme_is_up_to_date():
    assert surface.written() == surface.tables(), "write it again: python -m tests.surface --write"
