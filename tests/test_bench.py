"""The benches run, at tiny sizes; what they measure is nobody's business here."""

import runpy
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"


def test_overhead(capsys):
    runpy.run_path(str(BENCH / "overhead.py"))["main"](rounds=2)
    text = capsys.readouterr().out
    assert text.count("untracked") == 20 and ("PyTorch's time" in text or "PyTorch is not installed" in text)


def test_import_time():
    assert 0 < runpy.run_path(str(BENCH / "import_time.py"))["milliseconds"]("")
