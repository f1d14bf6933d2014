"""The benches run, at tiny sizes; what they measure is nobody's business here."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import knetpy.settings

BENCH = Path(__file__).parents[1] / "bench"


def test_overhead(capsys):
    runpy.run_path(str(BENCH / "overhead.py"))["main"](rounds=2)
    text = capsys.readouterr().out
    assert text.count("untracked") == 20 and ("PyTorch's time" in text or "PyTorch is not installed" in text)


def test_import_time():
    assert 0 < runpy.run_path(str(BENCH / "import_time.py"))["milliseconds"]("")


def test_matmul(capsys):
    bench = runpy.run_path(str(BENCH / "matmul.py"))
    a = np.ones((40, 50), "f4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knetpy.settings, "_threads", None)  # it sets one thread; what was set before comes back
        rates = bench["main"](seconds=0, chosen=[("tiny", a, a.T)])
    assert len(rates) == 2 and all(rate > 0 for pair in rates.values() for rate in pair)
    assert "tiny" in capsys.readouterr().out
