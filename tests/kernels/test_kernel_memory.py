"""Freed memory is used again: a second round of large arrays finds its pages in place."""

import os
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="counts page faults, which only Unix tells")

ROUNDS = """
import resource
import numpy as np
import knetpy.kernels.cpu
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def round():
    a, b = [np.ones(1 << 18, "f4") for _ in range(2)]
round()
before = faults()
for _ in range(50):
    round()
print(faults() - before)
"""


def faults_of(**environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    run = subprocess.run(
        [sys.executable, "-c", ROUNDS], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return int(run.stdout)


def has_glibc():
    return os.name == "posix" and "CS_GNU_LIBC_VERSION" in os.confstr_names and bool(os.confstr("CS_GNU_LIBC_VERSION"))


@pytest.mark.skipif("not has_glibc()", reason="the C library is not glibc")
def test_pages_are_found_once():
    pages = 2 * (1 << 20) // 4096  # of one round
    assert faults_of() < pages


@pytest.mark.skipif("not has_glibc()", reason="the C library is not glibc")
def test_the_users_own_settings_hold():
    assert faults_of(MALLOC_MMAP_THRESHOLD_="65536") > 50 * 2 * (1 << 20) // 4096 / 2
