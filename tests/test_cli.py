"""python -m knetpy train and info: what they print, save and resume, and how they end."""

import os
import platform
import re
import signal
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.__main__ import main
from knetpy.core.errors import PACKAGE

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "KNETPY_NUM_THREADS": "1"}
SCRIPT = """
import numpy as np, knetpy as kn
rng = np.random.default_rng(3)
x, y = rng.normal(size=(40, 5)).astype("f4"), rng.integers(0, 3, 40)
w = [kn.param(5, 8), kn.param0(8), kn.param(8, 3)]
moments = kn.Moments()

def model(x):
    return kn.dropout(kn.batchnorm(x @ w[0] + w[1], moments, activation=kn.relu), 0.3) @ w[2]

def loss(x, y):
    return kn.nll(model(x), y)

data = kn.minibatch(x, y, 10, shuffle=True)
"""
LOADER = """
def noisy(batch):
    return batch[0] + 0.1 * kn.random.randn(*batch[0].shape), batch[1]

data = kn.data.DataLoader((x, y), 10, shuffle=True, prepare=noisy, workers=2, processes=PROCESSES)
opt = kn.chain(kn.optim.ClipGlobalNorm(1.0), kn.AdamW(lr=kn.schedules.Exponential(0.01, 0.5, steps=10)), kn.optim.EMA())
"""


def command(*arguments, folder):
    return [sys.executable, "-W", "error", "-m", "knetpy", *map(str, arguments)], dict(
        cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(*arguments, folder, status=0):
    line, options = command(*arguments, folder=folder)
    done = subprocess.run(line, timeout=120, **options)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, re.sub("knetpy: compiling kernels, once: .*\n", "", done.stderr)


def script(folder, more="", before=SCRIPT):
    (folder / "net.py").write_text(before + more)
    return "net.py"


def epochs(out):
    """The losses of the epochs, by their numbers."""
    return {int(n): loss for n, loss in re.findall(r"^epoch (\d+)/\d+: loss ([\d.]+)", out, re.MULTILINE)}


METRIC = "test = kn.minibatch(x, y, 20)\nmetric = {'accuracy': kn.train.Accuracy(), 'nll': kn.nll}\n"

# --------------------------------------------------------------------------------------------------- training


def test_it_trains_and_evaluates(tmp_path):
    more = "def evaluate():\n    return {'accuracy': kn.accuracy(model(x), y), 'n': len(x)}\n"
    out, err = run("train", script(tmp_path, more), "--epochs", 3, "--lr", 0.01, folder=tmp_path)
    first, *lines = out.splitlines()
    assert first.startswith("net.py: Adam(lr=0.01") and first.endswith("epochs 1 to 3, seed 0, threads 1")
    assert len(lines) == 3 and err == "" and list(epochs(out)) == [1, 2, 3]
    assert all(re.fullmatch(r"epoch \d/3: loss [\d.]+, accuracy 0\.\d+, n 40, \d+\.\d s", line) for line in lines)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["net.py"]


def test_a_metric_is_evaluated_with_the_means_of_ema(tmp_path):
    """Which a script would do by hand as its evaluate does here."""
    means = "ema = kn.optim.EMA(0.9)\nopt = kn.chain(kn.optim.ClipNorm(1e9), kn.chain(kn.Adam(lr=0.1), ema))\n" + METRIC
    means += "def evaluate():\n    with ema.averaged(model):\n        return kn.evaluate(model, test, metric)\n"
    out, err = run("train", script(tmp_path, means), "--epochs", 3, "--save", "a.knet", folder=tmp_path)
    found = re.findall(r"test accuracy (\S+), test nll (\S+), accuracy (\S+), nll (\S+),", out)
    assert len(found) == 3 and all(numbers[:2] == numbers[2:] for numbers in found) and err == ""
    assert len(set(found)) == 3
    last = METRIC + "opt = kn.Adam(lr=0.1)\n"
    other, _ = run("train", script(tmp_path, last), "--epochs", 3, "--save", "b.knet", folder=tmp_path)
    assert epochs(other) == epochs(out)  # the params come back
    assert re.findall(r"test nll (\S+),", other) != [numbers[1] for numbers in found]
    a, b = (kn.load(tmp_path / f"{name}.knet")["loss"]["w[0]"].value for name in "ab")
    assert np.array_equal(a, b)


def test_a_metric_by_itself_has_the_name_of_its_class_or_function(tmp_path, mistake):
    for metric, name in (("kn.train.Accuracy()", "accuracy"), ("kn.nll", "nll")):
        file = script(tmp_path, f"{METRIC}metric = {metric}\n")
        assert main(["train", file, "--epochs", "1"]) == 0 and f", test {name} " in mistake.out()
        sys.modules.pop("net", None)


def test_a_metric_of_ones_own_that_wants_data(tmp_path, mistake):
    own = """class Biggest:
        def reset(self): self.all = []
        def update(self, scores, y): self.all.append(scores.max())
        def result(self): return float(max(self.all))\nmetric = Biggest()\n"""
    assert main(["train", script(tmp_path, METRIC + own), "--epochs", "1"]) == 0
    assert re.search(r", test biggest [\d.]+, ", mistake.out())


def test_the_example_of_the_help_runs(tmp_path):
    out, _ = run("train", "--help", folder=tmp_path)
    example = re.search(r"mlp.py may be\n\n((?:  .*\n|\n)+)\nexamples:", out)[1]
    (tmp_path / "mlp.py").write_text(textwrap.dedent(example))
    out, _ = run("train", "mlp.py", "--optimizer", "sgd", "--lr", 0.1, "--epochs", 2, folder=tmp_path)
    assert float(re.search(r"epoch 2/2: .* test accuracy (\S+),", out)[1]) > 0.65


def test_flags_choose_the_optimizer_and_the_seed(tmp_path):
    script(tmp_path, "opt = kn.SGD(lr=0.5)\nimport sys; print('threads', kn.threads(), __name__, sys.argv)\n")
    out, _ = run("train", "net.py", "--epochs", 1, "--seed", 4, "--threads", 2, folder=tmp_path)
    assert "SGD(lr=0.5" in out and "seed 4, threads 2" in out and "threads 2 net ['net.py']" in out
    other, _ = run("train", "net.py", "--epochs", 1, "--opt", "aDaBelief", folder=tmp_path)
    assert "AdaBelief(lr=0.001" in other and epochs(out) != epochs(other)


@pytest.mark.parametrize("more", ["", LOADER.replace("PROCESSES", "False")], ids=["minibatch", "loader"])
def test_resumed_training_ends_with_the_same_bits(tmp_path, more):
    file = script(tmp_path, more)
    whole, _ = run("train", file, "--epochs", 5, "--save", "whole.knet", "--seed", 7, folder=tmp_path)
    first, _ = run("train", file, "--epochs", 2, "--save", "part.knet", "--seed", 7, folder=tmp_path)
    rest, _ = run("train", file, "--epochs", 5, "--save", "part.knet", "--resume", folder=tmp_path)
    assert {**epochs(first), **epochs(rest)} == epochs(whole) and list(epochs(rest)) == [3, 4, 5]
    assert (tmp_path / "whole.knet").read_bytes() == (tmp_path / "part.knet").read_bytes()
    nothing, _ = run("train", file, "--epochs", 5, "--save", "part.knet", "--resume", folder=tmp_path)
    assert nothing.startswith("nothing to do: part.knet has reached epoch 5")


def test_training_that_is_killed_is_resumed_with_its_flags(tmp_path):
    more = (
        "opt = kn.SGD(lr=kn.schedules.Exponential(0.1, 0.5, steps=10))\nkilled = []\ndef evaluate():\n    import os\n"
    )
    more += "    killed.append(0)\n    len(killed) == 3 and os.environ.get('KILL') and os.kill(os.getpid(), 9)\n"
    flags = ("train", script(tmp_path, more), "--epochs", 5, "--every", 2, "--resume", "--save")
    choice = ("--opt", "Momentum", "--lr", "0.03", "--seed", "5")
    whole, _ = run(*flags, "whole.knet", *choice, folder=tmp_path)
    assert "whole.knet is not there yet" in whole
    line, options = command(*flags, "killed.knet", *choice, folder=tmp_path)
    options["env"] = {**ENVIRONMENT, "KILL": "1"}
    assert subprocess.run(line, timeout=120, **options).returncode == -signal.SIGKILL
    assert kn.load(tmp_path / "killed.knet")["run"] == {"epoch": 2, "seed": 5, "opt": "Momentum", "lr": 0.03}
    rest, _ = run(*flags, "killed.knet", folder=tmp_path)
    assert "Momentum(lr=0.03" in rest and list(epochs(rest)) == [3, 4, 5]
    assert (tmp_path / "whole.knet").read_bytes() == (tmp_path / "killed.knet").read_bytes()


def test_a_model_that_makes_its_params_is_resumed(tmp_path):
    lazy = SCRIPT.partition("w = [")[0] + (
        "@kn.model\ndef model(x):\n    h = kn.batchnorm(x @ kn.param(5, 8), kn.Moments())\n"
        "    return kn.dropout(h, 0.2) @ kn.param(8, 3)\n"
        "def loss(x, y):\n    return kn.nll(model(x), y)\ndata = kn.minibatch(x, y, 10, shuffle=True)\n"
    )
    file = script(tmp_path, before=lazy)
    run("train", file, "--epochs", 3, "--save", "whole", folder=tmp_path)
    run("train", file, "--epochs", 1, "--save", "part", folder=tmp_path)
    run("train", file, "--epochs", 3, "--save", "part", "--resume", folder=tmp_path)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "part").read_bytes()


def test_a_model_of_another_module_is_named(tmp_path):
    (tmp_path / "nets.py").write_text(SCRIPT)
    text = "import knetpy as kn, nets\ndata = nets.data\ndef loss(x, y):\n    return kn.nll(nets.model(x), y)\n"
    file = script(tmp_path, before=text)
    _, err = run("train", file, "--epochs", 1, "--save", "net.knet", folder=tmp_path, status=1)
    assert "has updated an array that is not in the tree" in err and not (tmp_path / "net.knet").exists()
    script(tmp_path, before=text + "model = nets.model\n")
    run("train", file, "--epochs", 1, "--save", "net.knet", folder=tmp_path)
    assert {"w[0]", "moments"} < set(kn.load(tmp_path / "net.knet")["model"])


def test_what_a_save_holds(tmp_path):
    more = "state = {'numpy': rng}\nopt = kn.Adam(lr=0.5)\ndef evaluate():\n    opt.lr /= 2\n    rng.random()\n"
    file = script(tmp_path, more)
    run("train", file, "--epochs", 2, "--save", "net.knet", folder=tmp_path)
    tree = kn.load(tmp_path / "net.knet")
    assert set(tree) == {"loss", "model", "opt", "random", "run", "state"}
    assert [(name, p.shape) for name, p in tree["loss"].items() if name != "moments"] == [
        ("w[0]", (5, 8)),
        ("w[1]", (8,)),
        ("w[2]", (8, 3)),
    ]
    assert tree["opt"]["settings"]["lr"] == 0.125 and tree["run"]["epoch"] == 2
    out, _ = run("train", file, "--epochs", 3, "--save", "net.knet", "--resume", "--lr", 0.01, folder=tmp_path)
    assert kn.load(tmp_path / "net.knet")["opt"]["settings"]["lr"] == 0.005  # a new flag counts, evaluate halved it


def test_worker_processes_import_the_script(tmp_path):
    (tmp_path / "le-net.py").write_text(SCRIPT + LOADER.replace("PROCESSES", "True"))
    run("train", "le-net.py", "--epochs", 1, folder=tmp_path)


def test_a_script_may_have_the_name_of_a_library(tmp_path):
    (tmp_path / "this.py").write_text(SCRIPT)
    run("train", "this.py", "--epochs", 1, "--save", "net.knet", folder=tmp_path)
    assert "w[0]" in kn.load(tmp_path / "net.knet")["loss"]


# ----------------------------------------------------------------------------------------------------- errors


@pytest.fixture
def mistake(tmp_path, monkeypatch, capsys):
    """Runs the command in this process, which is quicker; returns what it says of a mistake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", [])
    threads = kn.threads()

    def run(*arguments, status=2):
        monkeypatch.delitem(sys.modules, "net", raising=False)
        try:
            found = main(["train", *arguments])
        except SystemExit as exit:
            found = exit.code if isinstance(exit.code, int) else 1
            print(exit.code, file=sys.stderr)
        err = capsys.readouterr().err
        assert found == status and "Traceback" not in err and "/cli/" not in err
        return err

    run.out = lambda: capsys.readouterr().out
    yield run
    sys.modules.pop("net", None)
    kn.set_threads(threads)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "required: FILE.py"),
        (["none.py"], "cannot read none.py: No such file"),
        (["."], "cannot read .: Is a directory"),
        (["net.py", "--opt", "adm"], "there is no rule 'adm'; those of kn.optim are adabelief, .*, sgd"),
        (["net.py", "--opt", "chain"], "no rule 'chain'"),
        (
            ["net.py", "--opt", "muon"],
            r"muon updates matrices only; write in the script opt = kn.optim.Choose\(lambda",
        ),
        (["net.py", "--lr", "nan"], "--lr: must be a number of at least 0, got nan"),
        (["net.py", "--lr", "high"], "invalid number value: 'high'"),
        (["net.py", "--epochs", "0"], "--epochs"),
        (["net.py", "--every", "0"], "--every"),
        (["net.py", "--threads", "0"], "--threads"),
        (["net.py", "--resume"], "--resume needs --save PATH"),
        (["net.py", "--save", "none/net.knet"], "there is no folder"),
        (["net.py", "--save", "."], "is a folder"),
        (["net.py", "--save", "net.py"], "net.py exists; pass --resume"),
        (["net.py", "--learning-rate", "3"], "train: there is no --learning-rate 3; .*train --help tells more"),
    ],
)
def test_mistakes_in_flags(tmp_path, mistake, arguments, words):
    script(tmp_path)
    assert re.search(words, mistake(*arguments))


@pytest.mark.parametrize(
    "more, words",
    [
        ("del loss", "net.py does not define loss, a function of a batch"),
        ("del data", "net.py does not define data, an iterable"),
        ("loss = 1", "loss in net.py must be a function, got int"),
        ("data = 1", "data in net.py must be an iterable of batches, got int"),
        ("evaluate = 1", "evaluate in net.py must be a function"),
        ("data = iter(data)", "can be gone through only once"),
        (METRIC + "del test", "net.py defines metric, but not test, an iterable of batches"),
        (METRIC + "del model", "net.py defines metric, but not model, a function"),
        (METRIC + "test = iter(test)", "test in net.py must be an iterable .* after every epoch"),
        (METRIC + "test = 3", "test in net.py must be an iterable .*, got int"),
        (METRIC + "model = w", "net.py: model must be a function"),
        (METRIC + "metric = kn.train.Accuracy", "net.py: metric is the class Accuracy; make one"),
        ("opt = 'adam'", "opt in net.py must be an optimizer such as kn.Adam.., got str"),
        ("opt = kn.optim.Choose(lambda path: None)", "--lr: Choose has no lr"),
    ],
)
def test_mistakes_in_what_a_script_defines(tmp_path, mistake, more, words):
    assert re.search(words, mistake(script(tmp_path, more), "--lr", "0.1"))


@pytest.mark.parametrize(
    "more, words",
    [
        ("data = []", "epoch 1: data gave nothing"),
        ("data = [1]", "loss cannot be called with an item of data"),
        ("loss = lambda x, y: np.mean(x)", "touched no Param"),
        ("w[0][...] = np.nan", "epoch 1: the loss became nan; .*; nothing was saved"),
        ("state = {'x': object()}", "train: it cannot be saved: .*state.* is a object"),
        ("def evaluate(): raise SystemExit('enough')", "enough"),
    ],
)
def test_runs_that_fail_in_a_sentence(tmp_path, mistake, more, words):
    err = mistake(script(tmp_path, more), "--save", "net.knet", status=1)
    assert re.search(words, err) and not (tmp_path / "net.knet").exists()


@pytest.mark.parametrize(
    "more, words",
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def evaluate(): return model(x[:, :4])", "ShapeError"),
        ("def loss(x, y): return kn.nll(x @ w[2], y)", "ShapeError"),
        ("def broken(batch): 1 / 0\ndata = kn.data.DataLoader((x, y), 9, prepare=broken, workers=1)", "ZeroDivision"),
    ],
)
def test_errors_of_the_script_keep_their_traceback(tmp_path, more, words):
    _, err = run("train", script(tmp_path, more), folder=tmp_path, status=1)
    assert re.search(words, err) and "/cli/" not in err and "loop.py" not in err
    top = err[err.index("Traceback") :].splitlines()[1]
    assert "net.py" in top, err
    assert words.startswith("Zero") or PACKAGE not in err  # what knetpy raises on purpose needs no frames of knetpy
    assert err.endswith("\nnothing was saved, which --save PATH does\n") or more == "1 / 0"


def test_a_script_that_is_no_python(tmp_path, mistake):
    err = mistake(script(tmp_path, "loss = = 1\n"), status=1)
    assert "loss = = 1" in err and "SyntaxError" in err and 'net.py", line' in err


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: path.write_bytes(b"no save at all"), "cannot resume: load: 'net.knet'"),
        (lambda path: kn.save(path, {"w": kn.param(3)}), "net.knet is no save of `python -m knetpy train`"),
    ],
)
def test_files_that_cannot_be_resumed(tmp_path, mistake, make, words):
    make(tmp_path / "net.knet")
    before = (tmp_path / "net.knet").read_bytes()
    err = mistake(script(tmp_path), "--save", "net.knet", "--resume", status=1)
    assert words in err and (tmp_path / "net.knet").read_bytes() == before


def test_a_script_that_has_changed_is_not_resumed(tmp_path, mistake):
    flags = ("train", "net.py", "--save", "net.knet", "--epochs", "2", "--resume")
    script(tmp_path)
    run(*flags, folder=tmp_path)
    assert "was made with --seed 0" in mistake(*flags[1:], "--seed", "1")
    assert "net.knet was made without --opt; resume without it" in mistake(*flags[1:], "--opt", "sgd")
    assert mistake(*flags[1:], "--opt", "adam", status=0) == ""
    (tmp_path / "net.py").write_text(SCRIPT.replace("8", "9"))
    err = mistake(*flags[1:], status=1)
    assert "w[0] is (5, 9), in the file (5, 8)" in err and "strict" not in err
    assert "resume with the script that the save was made with, or train anew with another --save" in err
    (tmp_path / "net.py").write_text(SCRIPT + "opt = kn.SGD()\n")
    err = mistake(*flags[1:], status=1)
    assert "['opt'] is a SGD, in the file a Adam. Nothing was changed; resume with" in err


def test_another_rule_is_not_resumed(tmp_path, mistake):
    flags = (script(tmp_path), "--save", "net.knet", "--resume", "--epochs", "1")
    run("train", *flags, "--opt", "adamw", folder=tmp_path)
    assert "net.knet was made with --opt adamw; resume with that, or none" in mistake(*flags, "--opt", "adam")
    assert mistake(*flags, "--opt", "ADAMW", status=0) == mistake(*flags, status=0) == ""


def test_sys_exit_of_a_script_is_the_status(tmp_path):
    out, err = run("train", script(tmp_path, "import sys; sys.exit(3)\n"), folder=tmp_path, status=3)
    assert out == err == ""
    out, _ = run("train", "--help", folder=tmp_path)
    assert "If it calls sys.exit, the command ends at once, with the\nexit status that it gives" in out


def test_muon_together_with_another_rule_as_its_message_says(tmp_path, mistake):
    opt = re.search(r"opt = .*\)\)", mistake(script(tmp_path), "--opt", "muon", status=2))[0]
    assert mistake(script(tmp_path, opt + "\n"), "--epochs", "1", status=0) == ""


def test_an_error_without_a_line_of_the_users_has_a_short_name(tmp_path, mistake):
    err = mistake(script(tmp_path, "opt = kn.optim.Muon()\n"), status=1)
    assert "epoch 1: ShapeError: Muon: it is for matrices" in err


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    for arguments in (("info",), ("train", script(tmp_path), "--epochs", 3)):
        line, options = command(*arguments, folder=tmp_path)
        with subprocess.Popen(line, **options) as process:
            process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read()
            assert process.wait(60) == 141 and "Traceback" not in err and "Broken" not in err


def test_ctrl_c_names_the_last_save(tmp_path):
    more = "def evaluate():\n    import time\n    calls.append(0)\n    print('waits', flush=True)\n"
    more += "    time.sleep(100 * (len(calls) == 2))\ncalls = []\n"
    line, options = command("train", script(tmp_path, more), "--save", "net.knet", folder=tmp_path)
    with subprocess.Popen(line, **options) as process:
        heard = 0
        for out in process.stdout:
            heard += out.startswith("waits")
            if heard == 2:
                process.send_signal(signal.SIGINT)
                break
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert "stopped in epoch 2; the last save is net.knet, of epoch 1, and --resume goes on from it" in err


def test_ctrl_c_waits_for_a_save(tmp_path):
    more = """class Slow:
        saves = 0
        def state(self):
            import os, signal
            self.saves += 1
            if self.saves == 3:  # the first was a check
                os.kill(os.getpid(), signal.SIGINT)
            return 1
        def restore(self, state):
            pass\nstate = Slow()\n"""
    _, err = run("train", script(tmp_path, more), "--save", "net.knet", folder=tmp_path, status=130)
    assert "stopped in epoch 2; the last save is net.knet, of epoch 2" in err
    assert kn.load(tmp_path / "net.knet")["run"]["epoch"] == 2


def test_a_full_disk_leaves_the_last_save(tmp_path):
    more = "import resource\nlimits = [(10**6, 10**6), (1000, 1000)]\n"
    more += "def evaluate():\n    resource.setrlimit(resource.RLIMIT_FSIZE, limits.pop(0))\n"
    _, err = run("train", script(tmp_path, more), "--save", "net.knet", folder=tmp_path, status=1)
    assert "epoch 2: it cannot be saved" in err and "the last save is net.knet, of epoch 1" in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["net.knet", "net.py"]
    assert kn.load(tmp_path / "net.knet")["run"]["epoch"] == 1


def test_a_bar_in_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", [])
    assert main(["train", str(tmp_path / script(tmp_path)), "--epochs", "1"]) == 0
    out, err = capsys.readouterr()
    del sys.modules["net"]
    assert "epoch 1/1: 100%" in err and "4/4" in err and "loss" in err and "\r" not in out


def test_mistakes_in_a_process_of_their_own(tmp_path):
    for flags, status in ((["none.py"], 2), (["net.py", "--lr", "high"], 2), (["net.py", "--opt", "sgd"], 1)):
        out, err = run("train", *flags, folder=script(tmp_path, "data = []") and tmp_path, status=status)
        assert "Traceback" not in err and "python -m knetpy train: " in err


def test_help(tmp_path):
    out, _ = run("train", "--help", folder=tmp_path)
    assert "python -m knetpy train mlp.py --save mlp.knet --resume" in out and "Exit status: 0, 1" in out


# ------------------------------------------------------------------------------------------------------- info


def facts(folder, status=0, **environment):
    line, options = command("info", folder=folder)
    options["env"] = {**ENVIRONMENT, **environment}
    done = subprocess.run(line, timeout=60, **options)
    assert done.returncode == status and "Traceback" not in done.stderr, done.stderr
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines()) if not status else done.stderr


def test_info(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.kernel").write_bytes(bytes(200_000))
    found = facts(tmp_path, KNETPY_CACHE_DIR=str(tmp_path), KNETPY_NUM_THREADS="3")
    assert found["knetpy:"].startswith(kn.__version__) and found["numpy:"] == np.__version__
    assert found["Python:"].startswith(platform.python_version()) and found["numba:"] == version("numba")
    assert found["threads:"] == "3" and found["backend:"] == "cpu (Numba)"
    assert found["kernels:"].startswith(str(tmp_path))
    assert found["kernels:"].endswith("0 files of 0.0 MB; of all versions 1 files of 0.2 MB")
    assert found["data:"] == f"{tmp_path / 'data'}, which is not there yet"


def test_info_of_what_is_not_as_usual(tmp_path):
    (tmp_path / "file").touch()
    found = facts(tmp_path, NUMBA_DISABLE_JIT="1", KNETPY_CACHE_DIR=str(tmp_path / "file"), KNETPY_DATA_DIR=".")
    assert found["backend:"] == "reference, as NUMBA_DISABLE_JIT is set" and found["data:"] == "."
    assert found["kernels:"].startswith("not kept: ")
    assert "KNETPY_NUM_THREADS must be a whole number" in facts(tmp_path, status=2, KNETPY_NUM_THREADS="many")


@pytest.mark.parametrize("arguments", [("warmup",), ("quickstart", "--epochs", "1", "--limit", "50")])
def test_without_compiling_nothing_is_said_to_be_kept(tmp_path, arguments):
    line, options = command(*arguments, folder=tmp_path)
    options["env"] = {**ENVIRONMENT, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(line, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    assert "NUMBA_DISABLE_JIT is set" in done.stdout and "kept" not in done.stdout
