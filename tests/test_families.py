"""What `python -m knetpy warmup` compiles."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.families import families
from knetpy.kernels import dispatch

ROOT = Path(kn.__file__).parents[1]
needs_numba = pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())


@needs_numba
def test_every_kernel_has_been_called():
    """In the row of the table that says so, no kernel for the CPU is left."""
    for name in dir(kn):
        getattr(kn, name)
    tables = {name: table.served.copy() for name, table in dispatch._kernels.items()}
    for table in dispatch._kernels.values():
        table.clear()
        table.served.clear()
    try:
        for call in families(np.float32).values():
            call()
        missed = {
            n
            for n, t in dispatch._kernels.items()
            if not t.served and not dispatch._no_cpu_kernel(t.family, t.function)
        }
    finally:
        for name, served in tables.items():
            dispatch._kernels[name].served.update(served)
    assert not missed - {"pool.never_called"}


@pytest.mark.slow
@needs_numba
def test_the_command(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KNETPY_CACHE_DIR": str(tmp_path)}
    for pattern in (r"all kernels for float64: \d+\.\d s", "all kernels for float64 were kept from an earlier run"):
        command = [sys.executable, "-W", "error", "-m", "knetpy", "warmup", "--dtype", "float64"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        *lines, last = done.stdout.splitlines()
        assert re.fullmatch(pattern, last)
        assert [line.split(":")[0] for line in lines] == list(families("f8"))
        assert all(re.fullmatch(r"[a-z_, ]+: \d+\.\d s", line) for line in lines)
