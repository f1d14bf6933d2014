"""python -m knetpy: the quickstart with few steps, the help, the exit statuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import knetpy as kn
from knetpy import __main__ as command
from knetpy.cli import quickstart as lesson

ROOT = Path(__file__).parents[1]


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "knetpy", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_quickstart_in_a_pipe(tmp_path):
    done = run("quickstart", "--epochs", "2", "--limit", "500", "--seed", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"test accuracy \d\d\.\d %", lines[-1])
    assert 30 < float(lines[-1].split()[2]) < 90  # ten classes: chance is 10 %
    for pattern in (r"compiling kernels \(once\): \d+\.\d s", r"training: \d+\.\d s", r"epoch 2/2: loss \d\.\d+"):
        assert re.search(pattern, done.stdout)
    assert "seed: 1" in done.stdout and (tmp_path / "quickstart.png").stat().st_size > 10_000
    assert "\r" not in done.stdout + done.stderr and "\x1b" not in done.stdout + done.stderr
    assert re.fullmatch(r"(knetpy: compiling kernels, once: .*\n)?", done.stderr)


def test_the_seed_decides(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    outcomes = []
    for seed in ("3", "3", "4"):
        kn.seed(99)
        assert command.main(["quickstart", "--epochs", "1", "--limit", "200", "--seed", seed]) == 0
        out = capsys.readouterr().out
        outcomes.append([line for line in out.splitlines() if "accuracy" in line or "epoch 1/1" in line])
    assert outcomes[0] == outcomes[1] != outcomes[2]


def test_compiling_touches_neither_params_nor_random_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(lesson, "train", lambda loss, data, epochs: seen.append((loss, next(iter(data)))) or [1.0])
    lesson.quickstart(0, 1, 100)
    (loss, (x, _)), (xtrn, *_) = seen[0], kn.data.fashion_mini()
    kn.seed(0)
    model = lesson.network()
    assert all((p.value == q.value).all() for p, q in zip(kn.params(model), kn.params(loss)))
    assert (x == next(iter(kn.minibatch(xtrn[:100], 50, shuffle=True)))).all()
    assert all(p.version == 0 for p in kn.params(loss))


def test_without_matplotlib_it_says_what_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command.main(["quickstart", "--epochs", "1", "--limit", "50"]) == 0
    out = capsys.readouterr().out
    assert "pip install 'knetpy[plot]'" in out and out.splitlines()[-1].startswith("test accuracy")
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.png").mkdir()
    assert command.main(["quickstart", "--epochs", "1", "--limit", "50"]) == 0
    assert "quickstart.png cannot be written" in capsys.readouterr().out


def test_a_bar_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert command.main(["quickstart", "--epochs", "1", "--limit", "100"]) == 0
    out, err = capsys.readouterr()
    assert "epoch 1/1: 100%" in err and "2/2" in err and "loss" in err
    assert "epoch 1/1:" not in out and "\r" not in out


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "quickstart", interrupted)
    assert command.main(["quickstart"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_no_command_prints_help(capsys):
    assert command.main([]) == 0
    assert "quickstart" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["practise"], "'practise'"),
        (["warmup", "--dtype", "float16"], "float16"),
        (["quickstart", "--epochs", "0"], "--epochs.*at least|from 1"),
        (["quickstart", "--epochs", "ten"], "'ten'"),
        (["quickstart", "--seed", "-1"], "--seed"),
        (["quickstart", "--limit", "10"], "from 50"),
        (["quickstart", "--lr", "1"], "--lr"),
    ],
)
def test_what_cannot_be_understood_prints_help(arguments, words, capsys):
    with pytest.raises(SystemExit) as exit:
        command.main(arguments)
    err = capsys.readouterr().err
    assert exit.value.code == 2 and "usage: python -m knetpy" in err and re.search(words, err)
    assert "Traceback" not in err
