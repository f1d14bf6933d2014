"""Draws of every family. Those that need PyTorch are slow: `pytest -m slow tests/draws`."""

import pytest

from tests.draws.harness import checked, families

EACH = 25  # draws in one test
FIRSTS = [(family, first) for family, (_, count) in families().items() for first in range(0, count, EACH)]


@pytest.mark.slow
@pytest.mark.parametrize("family, first", FIRSTS, ids=[f"{family} {first}" for family, first in FIRSTS])
def test_draws(family, first):
    """At most a fifth are calls that PyTorch refuses."""
    pytest.importorskip("torch", reason="the draws compare with PyTorch, which is not installed")
    found = [checked(family, first + n) for n in range(EACH)]
    assert found.count(-1) <= EACH // 5


@pytest.mark.parametrize("family", families())
def test_without_pytorch(family):
    """Threads, paths, layouts and kernels against each other."""
    for number in (0, 1):
        checked(family, number, most=2000, peer=False)
