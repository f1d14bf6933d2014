"""What `python -m knetpy warmup` compiles."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import knetpy as kn
from knetpy.families import families
from knetpy.kernels import dispatch

ROOT = Path(kn.__file__).parents[1]
needs_numba = pytest.mark.skipif(bool(dispatch._no_numba()), reason=dispatch._no_numba())


CALLED = """
import numpy as np
import knetpy as kn
from knetpy.families import families
from knetpy.kernels import dispatch

for name in dir(kn):
    getattr(kn, name)
for call in families(np.float32).values():
    call()
for name, table in dispatch._kernels.items():
    if not table.served and not dispatch._lacks("cpu", table.family, table.function):
        print(name)
"""


@needs_numba
def test_every_kernel_is_called():
    run = subprocess.run([sys.executable, "-c", CALLED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not run.stdout.split()


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
