"""What only a device can show: `python -m pytest -m gpu tests/cuda`. Without one these are skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from bench import gpu as bench
from knetpy.devices import cupy
from tests.cuda import sweep
from tests.cuda.test_capture import MODELS, batches
from tests.cuda.test_training import LABELS, X, made, mlp, numbers

ROOT = Path(__file__).parents[2]


def python(*arguments, before=(), timeout=600):
    """What a program says; it must not fail."""
    done = subprocess.run(
        [*before, sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_sweep_of_kernels():
    assert sweep.main(["softmax", "dropout", "bias"]) >= 3


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck", "initcheck"])
def test_compute_sanitizer_finds_nothing(tool):
    program = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if program is None:
        pytest.skip("compute-sanitizer is not there: it comes with the CUDA toolkit")
    said = python("-m", "tests.cuda.sweep", before=[program, "--tool", tool, "--error-exitcode", "9"])
    assert "agree with the reference" in said


@pytest.mark.gpu
def test_bench():
    for name, took, share, *_ in bench.main(["--scale", "0.25"]):
        assert took > 0 and 0 < share < 1.5, name


@pytest.mark.gpu
@pytest.mark.parametrize("model", MODELS)
def test_training_gives_the_same_bits_again(model):
    """Nothing depends on which block comes first; captured or not, each for itself."""
    make, a, b = MODELS[model]
    for captured in (False, True):
        found = []
        for _ in range(2):
            params, loss = made(make, "gpu")
            losses = list(kn.minimize(loss, batches(a, b), kn.Adam(), capture=captured))
            found.append([*map(float, losses), *numbers(params)])
        for first, again in zip(*found, strict=True):
            np.testing.assert_array_equal(first, again)


@pytest.mark.gpu
def test_memory_that_is_really_used_up():
    """On a device the pool has a limit, and CuPy itself says what was asked for."""
    pool, x = cupy().get_default_memory_pool(), kn.gpu(np.ones(2**20, "f4"))
    limit = pool.get_limit()
    pool.free_all_blocks()
    pool.set_limit(size=pool.total_bytes() + 2**20)
    try:
        with pytest.raises(
            kn.DeviceError, match=r"softmax: the GPU has not enough memory: .* 4,194,304 bytes"
        ) as failure:
            kn.softmax(x.reshape(1024, 1024))
        assert "MiB in arrays" in str(failure.value)
    finally:
        pool.set_limit(size=limit)
    assert float(kn.softmax(x.reshape(1024, 1024)).sum()) == pytest.approx(1024, rel=1e-4)


LOST = """if True:
    import numpy as np, cupy, knetpy as kn
    w = kn.gpu(kn.param(np.ones((5, 3), "f4")))
    x, y = kn.gpu((np.ones((8, 5), "f4"), np.zeros(8, int)))
    kn.save("{file}", [w])
    bad = cupy.RawKernel('extern "C" __global__ void bad(float* p) {{ p[1ull << 45] = 1; }}', "bad")
    try:
        for n, _ in enumerate(kn.minimize(lambda x, y: kn.nll(x @ w, y), [(x, y)] * 100)):
            if n == 2:
                bad((1,), (1,), (x,))
                try:
                    cupy.cuda.runtime.deviceSynchronize()
                except cupy.cuda.runtime.CUDARuntimeError:
                    pass
    except kn.DeviceError as told:
        print(told)
"""


@pytest.mark.gpu
def test_a_device_that_really_fails(tmp_path):
    """In a program of its own, whose context is lost; what it had saved is not."""
    said = python("-c", LOST.format(file=tmp_path / "net"))
    assert "the GPU has stopped working (cudaErrorIllegalAddress" in said and "kn.load" in said
    np.testing.assert_array_equal(kn.cpu(kn.load(tmp_path / "net")[0].value), np.ones((5, 3), "f4"))


@pytest.mark.gpu
def test_a_captured_step_takes_the_host_less_time():
    from time import perf_counter

    took = {}
    for captured in (False, True):
        params, loss = made(mlp, "gpu")
        steps = iter(kn.minimize(loss, [kn.gpu((X, LABELS))] * 300, kn.Adam(), capture=captured))
        for _ in range(100):
            next(steps)
        cupy().cuda.runtime.deviceSynchronize()
        begin = perf_counter()
        losses = list(steps)
        float(losses[-1])
        took[captured] = perf_counter() - begin
    assert took[True] < took[False]
