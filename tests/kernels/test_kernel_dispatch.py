"""Which backend serves; compiling, cache, threads, forks. What a process decides once has its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import knetpy.settings
from knetpy.kernels import dispatch, kernel, status

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
needs_numba = pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())


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
    with pytest.raises(TypeError, match="expected a NumPy array, got builtins.list"):
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
def test_the_second_process_loads_what_the_first_compiled(tmp_path):
    assert states(KNETPY_CACHE_DIR=str(tmp_path)) == ["cpu", "compiled"]
    assert states(KNETPY_CACHE_DIR=str(tmp_path)) == ["cpu", "cached"]
    assert not list(tmp_path.rglob("tmp*"))
    for file in tmp_path.rglob("*.kernel"):
        file.write_bytes(file.read_bytes()[:100])
    assert states(KNETPY_CACHE_DIR=str(tmp_path)) == ["cpu", "compiled"]
    assert states(KNETPY_CACHE_DIR=str(tmp_path)) == ["cpu", "cached"]


@needs_numba
def test_an_edited_kernel_is_compiled_again(tmp_path):
    copy = shutil.copytree(ROOT / "knetpy", tmp_path / "knetpy") / "kernels"
    options = {"root": tmp_path, "KNETPY_CACHE_DIR": str(tmp_path / "cache")}
    assert states(**options) == ["cpu", "compiled"]
    with (copy / "cpu" / "pool.py").open("a") as file:
        file.write("# edited\n")
    assert states(**options) == ["cpu", "compiled"]
    assert states(**options) == ["cpu", "cached"]


@needs_numba
def test_nothing_writable(tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = run("take()\nprint(status())", KNETPY_CACHE_DIR=str(file / "below"))
    assert "compiled" in done.stdout and done.stderr == ""


@needs_numba
def test_warmup_counts_and_a_long_wait_is_explained_once(tmp_path):
    code = """
from knetpy.kernels.cpu import jit
jit.PATIENCE = 0
print(warmup(take), warmup(take))
kernel("pool", "put")(np.ones((1, 1, 1)), np.zeros((1, 1, 1), int), size=(1,))
"""
    done = run(code, KNETPY_CACHE_DIR=str(tmp_path))
    first, second = map(float, done.stdout.split())
    assert first > 0 and second == 0
    assert done.stderr.startswith("knetpy: compiling kernels, once: kept in ") and done.stderr.count("\n") == 1


THREADS = """
import numba
from concurrent.futures import ThreadPoolExecutor
from knetpy import settings
settings.set_threads(2)
with ThreadPoolExecutor(4) as pool:
    for result in [pool.submit(take) for _ in range(200)]:
        result.result()
print(numba.threading_layer())
"""


@needs_numba
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_many_python_threads(layer):
    used = run(THREADS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2").stdout.strip()
    assert used in ("omp", "workqueue") and (layer == "default" or used == layer)


@needs_numba
def test_the_users_thread_mask_is_given_back():
    code = """
import numba
from knetpy import settings
settings.set_threads(2)
numba.set_num_threads(1)
take()
print(numba.get_num_threads())
settings.set_threads(99)
take()
"""
    assert run(code, NUMBA_NUM_THREADS="2").stdout.strip() == "1"


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_kernels_work_after_a_fork():
    code = """
import os, warnings
from knetpy import settings
settings.set_threads(2)
take()
warnings.simplefilter("ignore")  # of Python 3.12 on: this process has threads
child = os.fork()
take()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    run(code, NUMBA_NUM_THREADS="2")
