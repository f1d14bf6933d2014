"""Compiling, the cache on disk, threads, forks: each in processes of its own, with kernels that compile in no time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import knetpy.settings
from tests.kernels.backends import WHY_NOT

if WHY_NOT:
    pytest.skip(WHY_NOT, allow_module_level=True)

ROOT = Path(knetpy.settings.__file__).parents[1]
TINY = """
import sys
import numba
import numpy as np
from knetpy import settings
from knetpy.kernels.cpu import jit as module
from knetpy.kernels.cpu.jit import clock, jit
from knetpy.kernels.cpu.threads import portion, threaded

module.PATIENCE = 600  # busy machines, too, are to say nothing else

@jit()
def inner(x):
    return x + 1

@threaded
def tiny(rank, x):
    return inner(x) * 2

def state():
    assert tiny.serial(1.5) == 5
    print("compiled" if clock.total else "cached")
"""


def start(code, root=ROOT, **environment):
    """Begin to run `code` after TINY in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "error", **environment}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-c", TINY + code]
    return subprocess.Popen(
        command, env=environment, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process):
    """(what it printed, what it wrote to stderr), of a process that ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip(), err


def run(code="state()", **options):
    return finish(start(code, **options))


def states(folder, **options):
    return run(KNETPY_CACHE_DIR=str(folder), **options)[0]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    assert states(folder) == "compiled"
    return folder


@pytest.fixture
def cache(filled, tmp_path):
    """A cache that has the tiny kernel."""
    return shutil.copytree(filled, tmp_path / "cache")


def test_the_second_process_loads_what_the_first_compiled(cache):
    assert states(cache) == "cached"
    assert {file.suffix for file in cache.rglob("*") if file.is_file()} == {".kernel"}


def test_after_loading_others_can_be_compiled(cache):
    """And the garbage collector, off while that goes on, is left as it was."""
    code = """
import gc
state()
@threaded
def longer(rank, x, y):
    for i in portion(rank, len(x)):
        y[i] = inner(x[i])
    return len(x) > 2
y = np.zeros(3)
assert longer(np.ones(3), y) and y.sum() == 6 and clock.total and gc.isenabled()
gc.disable()
assert longer.serial(np.ones(3), np.zeros(3, "f4")) and not gc.isenabled()
"""
    assert run(code, KNETPY_CACHE_DIR=str(cache))[0] == "cached"


def test_damaged_files_are_written_again(cache):
    files = list(cache.rglob("*.kernel"))
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[1].write_bytes(b"\x80\x04N.")  # None, pickled
    assert [states(cache), states(cache)] == ["compiled", "cached"]


def test_an_edited_kernel_and_another_version_of_the_package(cache, tmp_path):
    package = shutil.copytree(ROOT / "knetpy", tmp_path / "knetpy", ignore=shutil.ignore_patterns("files"))
    assert states(cache, root=tmp_path) == "cached"  # the same sources in another place
    for name, old, new in (("kernels/cpu/pool.py", "import", "# edited\nimport"), ("__init__.py", '"0.', '"9.')):
        text = (package / name).read_text(encoding="utf-8")
        assert old in text
        (package / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        assert states(cache, root=tmp_path) == "compiled"
    assert [states(cache, root=tmp_path), states(cache)] == ["cached", "cached"]


def test_nothing_is_written_beside_the_sources(tmp_path):
    package = shutil.copytree(ROOT / "knetpy", tmp_path / "knetpy", ignore=shutil.ignore_patterns("files"))
    before = sorted(package.rglob("*"))
    assert states(tmp_path / "cache", root=tmp_path) == "compiled"
    assert sorted(package.rglob("*")) == before


def test_where_nothing_can_be_written_kernels_work_and_it_is_said_once(tmp_path):
    file = tmp_path / "file"
    file.touch()
    code = "state()\n@threaded\ndef other(rank, x): return x\nother.serial(1)"
    for places in ({"KNETPY_CACHE_DIR": str(file / "below")}, {"KNETPY_CACHE_DIR": "", "HOME": str(file)}):
        out, err = run(code, **places)
        assert out == "compiled" and err.count("\n") == 1
        assert f"cannot be kept in {file}" in err and "(Not a directory), so every process compiles them; KNETPY" in err


def test_two_processes_at_once(tmp_path):
    both = [start("state()", KNETPY_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert {finish(process)[0] for process in both} <= {"compiled", "cached"}
    assert states(tmp_path) == "cached"


def test_another_cpu_has_its_own_kernels(cache):
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert [states(cache, **other), states(cache, **other), states(cache)] == ["compiled", "cached", "cached"]


def test_what_kernels_call_python_may_call_too(cache):
    code = """
@jit()
def both(x):
    return inner(x) + 1
@threaded
def user(rank, x):
    return both(x)
assert user.serial(1) == 3 and both(1) == 3 and both(0.5) == 2.5 and user.serial(0.5) == 2.5 and both(1) == 3
assert len(both.signatures) == 2
"""
    for _ in range(2):
        run(code, KNETPY_CACHE_DIR=str(cache))


# --------------------------------------------------------------------------------------------------- threads

LOOP = """
@threaded
def loop(rank, x):
    for i in portion(rank, len(x)):
        x[i] = inner(x[i])
def take():
    x = np.arange(100.0)
    loop(x)
    assert (x == np.arange(100) + 1).all()
settings.set_threads(2)
"""
THREADS = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    for result in [pool.submit(take) for _ in range(200)]:
        result.result()
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_many_python_threads(layer):
    used, _ = run(LOOP + THREADS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
    assert used in ("omp", "workqueue") and (layer == "default" or used == layer)


def test_every_task_belongs_to_one_part():
    code = """
ranges = [[portion.py_func((k, parts), tasks) for k in range(parts)] for parts in range(1, 6) for tasks in range(20)]
assert all([i for part in parts for i in part] == list(range(parts[-1].stop)) for parts in ranges)
@threaded
def ranks(rank, y):
    for i in portion(rank, len(y)):
        y[i] = rank[0] * 10 + rank[1]
y = np.zeros(5)
settings.set_threads(2)
ranks(y)
assert y.tolist() == [2, 2, 12, 12, 12]
ranks.serial(y)
assert y.tolist() == [1] * 5
"""
    run(code, NUMBA_NUM_THREADS="2")


def test_a_part_that_fails_is_noticed():
    code = """
@threaded
def failing(rank, x):
    for i in portion(rank, len(x)):
        if x[i]:
            raise ValueError("none of Python's")
settings.set_threads(2)
for x in ([1, 0], [0, 1]):
    for call in (failing, failing.serial):
        try:
            call(np.array(x))
        except MemoryError as error:
            continue
        raise AssertionError
failing(np.zeros(2, int))
"""
    run(code, NUMBA_NUM_THREADS="2")


def test_the_users_thread_mask_is_given_back():
    code = """
numba.set_num_threads(1)
take()
print(numba.get_num_threads())
settings.set_threads(99)
take()
"""
    assert run(LOOP + code, NUMBA_NUM_THREADS="2")[0] == "1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_kernels_work_after_a_fork():
    code = """
import os, warnings
take()
warnings.simplefilter("ignore")  # of Python 3.12 on: this process has threads
child = os.fork()
take()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    run(LOOP + code, NUMBA_NUM_THREADS="2")
