"""Layers with PyTorch's weights give PyTorch's outputs, gradients and running moments."""

import numpy as np
import pytest

from tests.nn import peer
from tests.nn.peers import CASES

STORED = peer.stored()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_pytorch_gave_the_same(case):
    theirs = dict(STORED[case.name])
    ours = peer.our_numbers(case, theirs.pop("shapes"))
    assert ours.keys() == theirs.keys() and ours["weights"].keys() == theirs["weights"].keys()
    for what in ("y", "x", "moments"):
        np.testing.assert_allclose(ours[what], theirs[what], rtol=1e-7, atol=1e-7, err_msg=what)
    for name, found in theirs["weights"].items():
        np.testing.assert_allclose(ours["weights"][name], found, rtol=1e-7, atol=1e-7, err_msg=name)


def test_all_numbers_are_there():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) == set(STORED), "write them anew: python -m tests.nn.peer"
