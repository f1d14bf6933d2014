"""Threads and training mode."""

import asyncio
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from knetpy import settings
from knetpy.settings import default_training, restore_training, set_threads, threads, training

# ------------------------------------------------------------------------------------------------- threads


@pytest.fixture
def fresh_threads(monkeypatch):
    monkeypatch.setattr(settings, "_threads", None)
    monkeypatch.delenv("KNETPY_NUM_THREADS", raising=False)
    return monkeypatch


def in_thread(f):
    """What f() returns on another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(f()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no CPU affinity")
def test_threads_default_to_the_cpus_of_this_process():
    few = {min(os.sched_getaffinity(0))}
    code = f"import os; os.sched_setaffinity(0, {few}); from knetpy.settings import threads; print(threads())"
    env = {k: v for k, v in os.environ.items() if k != "KNETPY_NUM_THREADS"}
    assert subprocess.check_output([sys.executable, "-c", code], env=env, text=True).strip() == "1"


def test_threads_from_the_environment(fresh_threads):
    fresh_threads.setenv("KNETPY_NUM_THREADS", " 3 ")
    assert threads() == 3


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5", "²"])
def test_threads_from_a_wrong_environment(fresh_threads, wrong):
    fresh_threads.setenv("KNETPY_NUM_THREADS", wrong)
    with pytest.raises(ValueError, match="KNETPY_NUM_THREADS"):
        threads()


def test_set_threads_holds_for_every_thread(fresh_threads):
    assert set_threads(np.int32(7)) is None
    assert threads() == 7 and type(threads()) is int
    assert in_thread(threads) == 7
    in_thread(lambda: set_threads(5))
    assert threads() == 5


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-2, ValueError), (1.0, TypeError), (True, TypeError)])
def test_set_threads_checks(fresh_threads, wrong, error):
    set_threads(2)
    with pytest.raises(error, match="set_threads"):
        set_threads(wrong)
    assert threads() == 2


# ------------------------------------------------------------------------------------------- training mode


def test_training_overrides_nest_and_end():
    assert training() is False
    with training(True):
        assert training() is True
        with training(False):
            assert training() is False
        assert training() is True
    assert training() is False


def test_training_ends_on_an_exception():
    with pytest.raises(ZeroDivisionError), training(True):
        raise ZeroDivisionError
    assert training() is False and settings.decided() is None


def test_one_override_serves_nested_blocks_and_threads():
    on = training(True)
    with on, training(False), on:
        assert training()
        barrier = threading.Barrier(2, timeout=10)

        def other():
            before = training()
            with on:
                barrier.wait()  # both threads are inside now
                barrier.wait()
                during = training()
            return before, during, training()

        results = []
        thread = threading.Thread(target=lambda: results.append(other()))
        thread.start()
        barrier.wait()
        with on:
            pass
        barrier.wait()
        thread.join()
        assert results == [(False, True, False)]
        assert training()
    assert not training()


def test_training_is_per_task():
    async def task(flag):
        with training(flag):
            await asyncio.sleep(0)
            return training()

    async def both():
        return await asyncio.gather(task(True), task(False))

    assert asyncio.run(both()) == [True, False]


@pytest.mark.parametrize("wrong", [1, "yes", 0])
def test_training_checks(wrong):
    with pytest.raises(TypeError, match="True or False"):
        training(wrong)


def test_the_outermost_default_decides():
    outer = default_training(False)
    inner = default_training(True)
    assert training() is False
    restore_training(inner)
    assert training() is False
    restore_training(outer)
    again = default_training(True)
    assert training() is True
    restore_training(again)
    assert training() is False


def test_an_override_wins_over_defaults_on_both_sides():
    with training(False):
        token = default_training(True)
        assert training() is False
        restore_training(token)
    token = default_training(True)
    with training(False):
        assert training() is False
    assert training() is True
    restore_training(token)
