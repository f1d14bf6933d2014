"""No kernel touches what is not its own: every array lies at an end of memory that must not be touched beyond it.

NumPy's memory comes from here for inputs, results, tables and scratch alike: fresh memory holds NaN, inputs cannot be
written, freed memory is gone. A process of its own dies where a kernel leaves its arrays; its last words tell where.
"""

import ctypes
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from knetpy import settings
from knetpy.kernels import kernel
from tests.kernels.backends import WHY_NOT, needs_numba
from tests.kernels.cases import FAMILIES
from tests.kernels.guarded import Memory

DRAWN = 12  # of each


def reason():
    """Why this cannot be tested here."""
    if sys.platform == "win32" or not hasattr(ctypes.CDLL(None), "mprotect"):
        return "there is no mprotect"
    return WHY_NOT


@pytest.mark.skipif(bool(reason()), reason=reason() or "-")
@pytest.mark.parametrize("side", ["begin", "end"])
def test_kernels_stay_within_their_arrays(side):
    command = [sys.executable, "-m", "tests.kernels.test_kernel_bounds", side]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} {done.stderr[-2000:]}"


def rows_apart(rng):
    """Matrices with an axis of one before their rows, which are not as far apart as it seems from that axis."""
    return "matmul", "matmul", (rng.normal(size=(3, 1, 4, 128))[:, :, :2], rng.normal(size=(128, 200))), {}


def beside_its_end(rng):
    """One-element windows that meet padding, but only behind x."""
    x, dy = rng.normal(size=(2, 2, 6, 10)), rng.normal(size=(2, 4, 7, 10))
    options = {"stride": (1, 1), "padding": ((0, 1), (0, 0)), "dilation": (1, 1), "groups": 1}
    return "conv", "conv_dw", (x, dy), {"window": (1, 1), **options}


def turned_mask(rng):
    q, k, v = (rng.normal(size=(n, 5)) for n in (33, 65, 65))
    options = {"mask": np.asfortranarray(rng.random((33, 65)) < 0.7), "causal": False, "scale": 1.0}
    return "attention", "attention", (q, k, v, None), options


def channels_before_groups(rng):
    """Channels of a group that lie further apart in memory than groups."""
    x, dy = rng.normal(size=(2, 8, 3, 9, 9)).transpose(0, 2, 1, 3, 4), rng.normal(size=(2, 3, 8, 9, 9))
    scale, stats = rng.normal(size=(1, 3, 8, 1, 1)), 1 + rng.random((2, 3, 1, 1, 1))
    options = {"axes": (2, 3, 4), "affine": scale.shape, "eps": 1e-5}
    return "norm", "norm_dx", (dy, x, stats, stats, scale), options


def more_rows_than_a_task_has(rng):
    given = [rng.normal(size=size).astype("f") for size in ((1, 389, 80), (2, 389, 20), (20, 80))]
    return "rnn", "rnn", (*given, None), {"cell": "lstm", "reverse": False, "lengths": None}


@needs_numba
@pytest.mark.parametrize(
    "problem", [rows_apart, beside_its_end, turned_mask, channels_before_groups, more_rows_than_a_task_has]
)
def test_layouts_that_led_astray(problem, monkeypatch):
    monkeypatch.setattr(settings, "_threads", 1)
    name, function, given, options = problem(np.random.default_rng(0))
    compare(kernel(name, function)(*given, **options), reference(name, function)(*given, **options), 1e-4)


def reference(name, function):
    return getattr(import_module(f"knetpy.kernels.reference.{name}"), function)


def compare(ours, wanted, tolerance):
    for x, y in zip(arrays(ours), arrays(wanted), strict=True):
        scale = np.max(np.abs(y), initial=1, where=np.isfinite(y))
        np.testing.assert_allclose(x, np.broadcast_to(y, x.shape), rtol=tolerance, atol=tolerance * scale)


def arrays(given):
    if isinstance(given, (list, tuple)):
        return [array for x in given for array in arrays(x)]
    return [] if given is None else [given]


def each_array(given, f):
    """What is given, with f(x) for its arrays."""
    if isinstance(given, (list, tuple)):
        return type(given)(each_array(x, f) for x in given)
    return f(given) if isinstance(given, np.ndarray) else given


# ------------------------------------------------------------------------------------------------------ process


def main(side):
    """Call all kernels, also for few elements, which NumPy would serve."""
    from knetpy.kernels.cpu import convwinograd, elementwise, reduce
    from knetpy.kernels.cpu import matmul as products

    products.BLAS = elementwise.SMALL = reduce.LARGE = convwinograd.CHANNELS = 0
    convwinograd.SAVED = -(10**9)
    settings.set_threads(1)
    memory = Memory(side)
    for name, draw in FAMILIES.items():
        for seed in range(DRAWN):
            dtype = (np.float32, np.float64)[seed % 2]
            for function, given, options in draw(np.random.default_rng(seed), dtype):
                print(name, function, seed, each_array(given, np.shape), options, flush=True)
                check(memory, name, function, given, options, 1e-3 if dtype is np.float32 else 1e-9)


def check(memory, name, function, given, options, tolerance):
    """Compare a kernel's result with the reference's; that of "step" is in its arguments."""
    with np.errstate(all="ignore"), memory.used():
        mine = each_array(given, np.array if function == "step" else memory.locked)
        options = {key: each_array(x, memory.locked) for key, x in options.items()}
        ours, wanted = kernel(name, function)(*mine, **options), reference(name, function)(*given, **options)
        compare(*((mine[1], given[1]) if function == "step" else (ours, wanted)), tolerance)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # what lies in this memory cannot outlive Python
