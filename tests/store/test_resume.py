"""Training that is killed goes on from its last save and ends with the same bits as one that was not."""

import os
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

import knetpy as kn
from knetpy.tree import leaves
from tests.store.processes import kill_after, start
from tests.store.training import OUT_OF_SPACE

resource = pytest.importorskip("resource")  # limits of a file's size

NEVER = 10**9
EVERY = 3  # steps from save to save
RARELY = 16  # kills from one with worker processes to the next, and from one full disk to the next


class Trainings:
    """Processes that train in one folder, one after the other. The next is started meanwhile, as that takes longest."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        folder.mkdir()
        self.ready = self._start()

    def _start(self):
        process = self.stack.enter_context(start("tests.store.training"))
        self.stack.callback(process.kill)
        return process

    def go(self, steps, every=EVERY, workers=0, processes=False, last=False):
        """Let one go on from the last save to a step."""
        process, self.ready = self.ready, None if last else self._start()
        assert process.stdout.readline() == "ready\n"
        order = self.folder / "save", steps, every, self.folder / "end", workers, processes
        print(*order, file=process.stdin, flush=True)
        return process

    def written_by(self, process):
        """The files that a process is writing, or was when it was killed."""
        return [name for name in os.listdir(self.folder) if name.startswith(f".save.{process.pid}.")]


@contextmanager
def trainings(folder):
    with ExitStack() as stack:
        yield Trainings(folder, stack)


def kill(training, rng, in_write=False, processes=False):
    """Kill one at a random moment, or as soon as it is seen to write; what it was doing."""
    lines, seconds, workers = int(rng.integers(0, 3 * EVERY)), rng.uniform(0, 0.005), int(rng.integers(0, 3))
    process = training.go(NEVER, workers=2 if processes else workers, processes=processes)

    def wait():
        time.sleep(seconds)
        while in_write and process.poll() is None and not training.written_by(process):
            pass

    told = kill_after(process, lines, wait)
    return "writing" if training.written_by(process) else "training" if told else "loading"


def fill_the_disk(training, rng):
    """Let one run into a full disk at a random moment, as far as it can see."""
    process = training.go(NEVER, workers=2)
    assert process.stdout.readline()
    time.sleep(rng.uniform(0, 0.02))
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (int(rng.integers(0, 20_000)), most))
    told = process.communicate()[0]
    assert process.returncode == OUT_OF_SPACE and "File too large" in told and not training.written_by(process)


def finish(training, steps, **options):
    """Train to the end; the bits of all that was reached, by its path."""
    process = training.go(steps, last=True, **options)
    process.communicate()
    assert process.returncode == 0
    tree = kn.load(training.folder / "end")
    tree["moments"] = vars(tree["moments"])
    found = {path: np.asarray(x.value if isinstance(x, kn.Param) else x) for path, x in leaves(tree)}
    assert not any(x.dtype.hasobject for x in found.values())
    return {path: (x.dtype.str, x.shape, x.tobytes()) for path, x in found.items()}


def check_kills(folder, kills):
    rng = np.random.default_rng(kills)
    with trainings(folder / "killed") as training:
        doing = Counter()
        for n in range(kills):
            doing[kill(training, rng, in_write=n % 5 == 0, processes=n % RARELY == 1)] += 1
            if n % RARELY == 2 and sys.platform == "linux":  # which limits the files of another process
                fill_the_disk(training, rng)
        assert doing.total() == kills and min(doing["training"], doing["writing"]) > kills // 20, doing
        steps = kn.load(folder / "killed" / "save")["run"]["step"] + 20
        assert steps > kills  # it did go on
        found = finish(training, steps, workers=2)
    assert f"['run']['losses'][{steps - 1}]" in found
    dropped, number = kn.random.DROPOUT, np.dtype(np.int64).str
    assert found[f"['random']['calls'][{dropped}]"] == (number, (), steps.to_bytes(8, "little"))
    assert found["['moments']['count']"] == (number, (), steps.to_bytes(8, "little"))
    assert {f"['opt']['settings']['parts'][{n}]['states'][0]['arrays'][0]" for n in (1, 2)} <= set(found)  # Adam, EMA
    with trainings(folder / "whole") as training:
        assert finish(training, steps, every=NEVER) == found
    assert sorted(os.listdir(folder / "killed")) == ["end", "save", "save.1"]


def test_training_that_is_killed_fifty_times(tmp_path):
    check_kills(tmp_path, 50)


@pytest.mark.slow
def test_training_that_is_killed_two_hundred_times(tmp_path):
    check_kills(tmp_path, 200)
