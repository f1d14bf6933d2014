"""Which backend serves; compiling, cache, threads, forks. What a process decides once has its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import knetpy.settings
from knetpy.kernels import kernel, status
from tests.kernels.backends import needs_numba

ROOT = Path(knetpy.settings.__file__).parents[1]
TAKE = """
import sys
import numpy as np
from knetpy.kernels import kernel, status, warmup
assert "numba" not in sys.modules
def take():
    y = kernel("pool", "take")(np.array([[[1, 2, 3]]], np.float32), np.array([[[2, 0]]]))
    assert y.tolist() == [[[3, 1]]]
"""


def run(code, root=ROOT, **environment):
    """Run `code` after TAKE in a process of its own, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "error", **environment}
    options = {"env": environment, "cwd": root, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-c", TAKE + code], **options)
    assert done.returncode == 0, done.stderr
    return done


def states(code="take()", **options):
    """(backend, state) of pool.take in a process of its own."""
    show = "row = next(row for row in status().rows if row[0] == 'pool.take')\nprint(*row[1:3], sep='|')"
    return run(f"{code}\n{show}", **options).stdout.strip().split("|")


def test_kernel_is_one_function_with_its_name():
    assert kernel("pool", "take") is kernel("pool", "take")
    assert kernel("pool", "take").__name__ == "take"


def test_an_unknown_class_is_refused():
    with pytest.raises(TypeError, match="expected an array of NumPy or CuPy, got builtins.list"):
        kernel("pool", "take")([1], [0])


def test_subclasses_are_served():
    class Mine(np.ndarray):
        pass

    x = np.arange(3.0).reshape(1, 1, 3).view(Mine)
    assert kernel("pool", "take")(x, np.array([[[2]]])).tolist() == [[[2]]]


def test_status_before_a_call(capsys):
    kernel("pool", "never_called")
    assert ("pool.never_called", "-", "not called", 0.0) in status().rows
    print(status())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kernel", "backend", "state", "compile", "s"]
    assert any(line.split()[:4] == ["pool.never_called", "-", "not", "called"] for line in lines)


@needs_numba
def test_conversions_are_counted():
    before = status().conversions
    y = kernel("pool", "take")(np.zeros((1, 2, 3)), np.zeros((1, 2, 3), int))
    assert status().conversions == before + 2
    kernel("pool", "meanpool")(y, window=(1,), stride=(1,), padding=((0, 0),), dilation=(1,), counted=None)
    assert status().conversions == before + 2


def test_reference_serves_when_jit_is_disabled():
    assert states(NUMBA_DISABLE_JIT="1") == ["reference", "NUMBA_DISABLE_JIT is set"]


def test_reference_serves_without_numba():
    without = "sys.modules['numba'] = None\ntake()"
    backend, why = states(without, NUMBA_DISABLE_JIT="0")
    assert backend == "reference" and "numba" in why


@needs_numba
@pytest.mark.parametrize("value", ["", "0"])
def test_numba_serves_when_jit_is_not_disabled(value):
    assert states(NUMBA_DISABLE_JIT=value, PYTHONWARNINGS="ignore")[0] == "cpu"  # Numba warns of the empty value


@needs_numba
def test_seconds_are_those_of_the_call_that_compiled(tmp_path):
    """Routines that a launcher has compiled count too; warmup returns all of them."""
    code = """
from knetpy.kernels.cpu import jit
jit.PATIENCE = 0
x = np.ones((2, 2), np.float32)
def step():
    kernel("optim", "step")(x, [(x, x.copy())], [(0.5,)], lambda w, g, a: (w - a * g,))
print(warmup(take), warmup(take), warmup(step))
print(*[seconds for name, _, state, seconds in status().rows if state == "compiled"])
"""
    done = run(code, KNETPY_CACHE_DIR=str(tmp_path))
    first, again, other, optim, take = map(float, done.stdout.split())
    assert 0 < first == take and again == 0 and other == optim > 0
    assert done.stderr.startswith("knetpy: compiling kernels, once: kept in ") and done.stderr.count("\n") == 1


@needs_numba
def test_status_says_for_what_a_kernel_declined():
    x = np.ones((1, 1, 2, 2), np.float16)
    kernel("pool", "maxpool")(x, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1))
    (state,) = [row[2] for row in status().rows if row[0] == "pool.maxpool"]
    assert "reference for" in state and "float16" in state
