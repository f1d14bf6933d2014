"""Values, gradients and second derivatives are those that PyTorch gave."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.ops import peer

CASES = [
    pytest.param(family, case, id=f"{family}: {case.name}") for family in peer.FAMILIES for case in peer.cases(family)
]
STORED = {family: peer.numbers(family) for family in peer.FAMILIES}


@pytest.mark.parametrize("family, case", CASES)
def test_pytorch_gave_the_same(family, case):
    ours, theirs = peer.our_numbers(case), STORED[family][case.name]
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("family", peer.FAMILIES)
def test_all_numbers_are_there(family):
    names = [case.name for case in peer.cases(family)]
    assert len(set(names)) == len(names)
    assert set(names) == set(peer.numbers(family)), "write them anew: python -m tests.ops.peer"


def test_cases_need_no_pytorch():
    code = "import sys; sys.modules['torch'] = None; from tests.ops import peer; print(*map(peer.cases, peer.FAMILIES))"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, capture_output=True)
