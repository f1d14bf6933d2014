"""The benches run, at tiny sizes; what they measure is nobody's business here."""

import json
import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
import knetpy.settings
from bench import fashion, run, sweep, tasks, turns

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def threads_kept(monkeypatch):
    """What a bench sets does not outlive it."""
    monkeypatch.setattr(knetpy.settings, "_threads", None)


def test_overhead(capsys):
    runpy.run_path(str(BENCH / "overhead.py"))["main"](rounds=2)
    text = capsys.readouterr().out
    assert text.count("untracked") == 20 and ("PyTorch's time" in text or "PyTorch is not installed" in text)


def test_import_time():
    assert 0 < runpy.run_path(str(BENCH / "import_time.py"))["milliseconds"]("")


def test_matmul(capsys, threads_kept):
    bench = runpy.run_path(str(BENCH / "matmul.py"))
    a = np.ones((40, 50), "f4")
    rates = bench["main"](seconds=0, chosen=[("tiny", a, a.T)])
    assert len(rates) == 2 and all(rate > 0 for pair in rates.values() for rate in pair)
    assert "tiny" in capsys.readouterr().out


def test_step_time(capsys, threads_kept):
    bench = runpy.run_path(str(BENCH / "step_time.py"))
    assert bench["main"](["mlp", "--rounds", "1", "--profile", "3"])["mlp"] > 0
    assert "us a step" in capsys.readouterr().out


def test_compile_time(capsys):
    assert runpy.run_path(str(BENCH / "compile_time.py"))["main"](["sum", "--kernels", "2"])["sum"] > 0
    assert capsys.readouterr().out.count(" s\n") >= 3


def test_start_time():
    cold, warm = runpy.run_path(str(BENCH / "start_time.py"))["main"](["--rounds", "1"], ["import"])["import"]
    assert cold > 0 and warm > 0


def test_nothing_grows_with_training(capsys, threads_kept):
    memory, objects = runpy.run_path(str(BENCH / "growth.py"))["main"](["--steps", "2000", "--sizes", "3"])
    assert objects < 100 and memory < 1 << 20
    assert "more objects" in capsys.readouterr().out


def test_nothing_grows_with_the_rows(capsys):
    more = runpy.run_path(str(BENCH / "rows.py"))["main"](["--rows", "100000", "--columns", "16"])
    assert more < 1 << 20 and capsys.readouterr().out.count(" rows: ") == 10


def test_layers(capsys):
    found = runpy.run_path(str(BENCH / "layers.py"))["main"](rounds=1)
    assert capsys.readouterr().out.count("within a gradient") == len(found) == 12


def test_loader(capsys):
    shares = runpy.run_path(str(BENCH / "loader.py"))["main"](n=60, batchsize=10, rounds=1)
    assert len(shares) >= 4 and min(shares.values()) > 0
    assert capsys.readouterr().out.count(" ms an epoch") == len(shares)


def test_spinning(capsys):
    one = {"one": {"threads": 1}}
    found = runpy.run_path(str(BENCH / "spinning.py"))["main"](["tinyops", "--others", "1", "--seconds", "0"], one)
    assert found["tinyops", 1, "one"][0] > 0 and "tinyops beside 1: one" in capsys.readouterr().out


TINY = ["--sizes", "tiny", "--seconds", "0", "--threads", "1", "--same-process"]


def test_run(capsys, tmp_path, threads_kept):
    peers = ["--peers", "PyTorch", "JAX", "autograd"]
    files = ["--json", str(tmp_path / "found.json"), "--picture", str(tmp_path / "found.png")]
    found = run.main([*TINY, *peers, "--sweep", "--memory", "--scaling", "--markdown", *files])
    text = capsys.readouterr().out
    assert [row["workload"] for row in found["workloads"]] == list(run.BARS)
    assert [tuple(row["key"]) for row in found["sweep"]] == [(s, part) for s in sweep.TINY for part in sweep.PARTS]
    assert all(row["median"]["knetpy"] > 0 for rows in ("workloads", "sweep", "scaling") for row in found[rows])
    assert found["memory"]["knetpy"].keys() == run.BARS.keys()
    for peer in peers[1:]:
        assert ("of lenet" if peer == "autograd" else f"{peer} ") in text or f"without {peer}: " in text
    assert json.loads((tmp_path / "found.json").read_text())["workloads"] == found["workloads"]
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG") and "| workload |" in text


def test_run_without_any_peer(capsys, threads_kept):
    (row,) = run.main([*TINY, "--peers", "--only", "tinyops"])["workloads"]
    assert list(row["median"]) == ["knetpy"] and not row["ratio"]


def test_processes_take_turns():
    said, build = [], partial(tasks.steps, {"a": ("tinyops", {"steps": 2}), "b": ("unknown", {})})
    players = turns.enter(["knetpy", "nobody"], 1, build, say=said.append)
    assert [p.name for p in players] == ["knetpy"] and said == ["  without nobody: KeyError: 'nobody'"]
    assert turns.agreed(players, "a") == players
    times = turns.race(players, seconds=0)["knetpy"]
    assert len(times.rounds) == 3 and 0 < times.least <= times.median
    with pytest.raises(RuntimeError, match="unknown"):
        turns.agreed(players, "b")
    players[0].close()
    assert players[0].process.exitcode == 0


class Fake:
    def __init__(self, name, *results):
        self.name, self.found = name, results

    def results(self, key):
        if not self.found:
            raise ImportError("not here")
        return [np.array(a) for a in self.found]


def test_sides_must_agree():
    said, first = [], Fake("knetpy", 1.0, 2.0)
    near, absent = Fake("near", 1.0, 2.0001), Fake("absent")
    assert turns.agreed([first, near, absent], "key", say=said.append) == [first, near]
    assert said == ["  without absent: not here"]
    for other in (Fake("far", 1.0, 2.001), Fake("nan", 1.0, np.nan), Fake("shape", 1.0, [2.0, 2.0])):
        with pytest.raises(AssertionError, match=f"key: {other.name} computes"):
            turns.agreed([first, other], "key")


def test_ratios_are_of_the_same_round():
    ours, theirs = turns.Times(), turns.Times()
    for a, b in ((1.0, 2.0), (10.0, 20.0), (1.0, 100.0)):
        ours.add([a, a, 50.0])
        theirs.add([b])
    assert ours.ratio(theirs) == 0.5 and ours.median == 1.0 and theirs.least == 2.0


def test_arithmetic_is_counted(threads_kept):
    chosen = {"mlp": ("mlp", {"batch": 3, "sizes": (5, 4, 3)}), "lenet": ("lenet", {"batch": 1, "train": False})}
    first, second = 2 * 3 * 5 * 4, 2 * 3 * 4 * 3
    assert tasks.counts(chosen, "knetpy", 1, "mlp")() == 2 * first + 3 * second  # nobody needs the first one's dx
    conv = 24 * 24 * 16 * 25 + 8 * 8 * 32 * 16 * 25
    assert tasks.counts(chosen, "knetpy", 1, "lenet")() == 2 * (conv + 512 * 10)


def test_peak_memory_is_above_the_gradients(threads_kept):
    chosen = {
        "wide": ("mlp", {"batch": 1, "sizes": (1000, 1000)}),
        "long": ("mlp", {"batch": 1000, "sizes": (10, 1000)}),
    }
    wide, long = [float(tasks.peaks(chosen, "knetpy", 1, key)()) for key in chosen]
    assert wide < 25e6 and long > 4e6  # params have 4 MB and 44 kB, scores 4 kB and 4 MB


def test_fashion():
    """One epoch on few images, in this process."""

    images = kn.data.fashion_mini()
    train, scores = fashion.ours(images._replace(x_train=images.x_train[:300], y_train=images.y_train[:300]), seed=0)
    before = scores(images.x_test[:5])
    train()
    assert before.shape == (5, 10) and (scores(images.x_test[:5]) != before).any()
