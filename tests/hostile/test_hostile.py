"""Whatever is passed to knetpy's functions: an error in the caller's terms or the right answer, and nothing else."""

import json
import subprocess
import sys

import pytest

import knetpy as kn
from tests.hostile.calls import CALLS

SEED = 1
ELSEWHERE = {"check_nonfinite", "param0", "threads", "xavier"}  # these take nothing, or are called by another name

pytest.importorskip("resource")  # limits of memory


def complaints(begin, end, file, threads=1, python=()):
    """What is to be said of the calls from `begin` to `end`; each process that dies is one more complaint."""
    found = []
    while begin < end:
        command = [sys.executable, *python, "-m", "tests.hostile.run", *map(str, (SEED, begin, end, threads, file))]
        done = subprocess.run(command, capture_output=True, text=True)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        found += [line for line in said if "what" in line]
        if any("done" in line for line in said):
            return found
        under_way = [int(n) for n in file.read_text().replace("\0", " ").split()]
        found.append({"what": "the process died", "n": under_way, "facts": done.stderr[:3000]})
        begin = max(under_way, default=end) + 1
    return found


def test_every_public_function_is_called():
    called = {call.f for call in CALLS} | {call.name for call in CALLS} | ELSEWHERE
    public = [(name, getattr(kn, name)) for name in kn.__all__]
    functions = [(name, f) for name, f in public if callable(f) and not isinstance(f, type)]
    assert [name for name, f in functions if f not in called and name not in called] == []


def test_some_hostile_calls(tmp_path):
    assert complaints(0, 1000, tmp_path / "at") == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_hostile_calls(part, tmp_path):
    assert complaints(10_000 * part, 10_000 * (part + 1), tmp_path / "at") == []


@pytest.mark.slow
def test_hostile_calls_on_eight_threads(tmp_path):
    assert complaints(0, 20_000, tmp_path / "at", threads=8) == []


@pytest.mark.slow
def test_hostile_calls_where_warnings_are_errors(tmp_path):
    assert complaints(0, 10_000, tmp_path / "at", python=["-W", "error", "-X", "dev"]) == []
