"""Sides that take turns, each in a process of its own, so that neither sees the other's threads or allocator.

A `Player` makes the function that a key names, and runs it when it is told to. `race` lets players run the same key in
turn and returns what each took in each round.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter, process_time, sleep

import numpy as np

CLOCKS = {"wall": perf_counter, "cpu": process_time}
SIDES = {  # name -> where it is
    "knetpy": ("bench.sides", "Knetpy"),
    "PyTorch": ("bench.sides", "Torch"),
    "torch.compile": ("bench.sides", "Compiled"),
    "JAX": ("bench.peers", "Jax"),
    "autograd": ("bench.peers", "Autograd"),
    "MLX": ("bench.peers", "Mlx"),
}
THREAD_VARIABLES = ("KNETPY", "OMP", "OPENBLAS", "MKL", "NUMBA")  # environment variables, read by imports
LONG = 1.0  # seconds; such a call needs no other before it to be warm
PAUSE = 0.01  # seconds in which a process that uses less than a tenth of a CPU has come to rest


def side_class(name):
    module, attribute = SIDES[name]
    return getattr(import_module(module), attribute)


class Player:
    """One side in this process; `build(side name, threads, key)` makes what it runs, one function at a time."""

    def __init__(self, name, threads, build, clock="wall"):
        side_class(name)(threads)  # ImportError if it is not installed
        self.name, self.threads, self.build, self.clock = name, threads, build, CLOCKS[clock]
        self.function = None

    def results(self, key, calls=3):
        """Samples of what the first calls of the function return."""
        self.function = None  # gives its memory back first
        self.function = self.build(self.name, self.threads, key)
        return [sample(self.function()) for _ in range(calls)]

    def turn(self, seconds):
        """The seconds of each call in about so many seconds, after one that counts only if it takes long itself."""
        end, first = perf_counter() + seconds, self.call()
        times = [first] if first > LONG else []
        while not times or perf_counter() < end:
            times.append(self.call())
        rest()
        return times

    def call(self):
        begin = self.clock()
        self.function()
        return self.clock() - begin

    def close(self):
        self.function = None


def rest():
    """Wait, a second at most, until no thread of this process spins: OpenBLAS's do for tens of milliseconds."""
    end, used = perf_counter() + 1, -1.0
    while process_time() - used > PAUSE / 10 and perf_counter() < end:
        used = process_time()
        sleep(PAUSE)


def sample(result):
    """Some thousand elements of an array, whatever its library and memory order."""
    flat = np.asarray(result).ravel()
    return flat[:: max(1, flat.size // 997)].copy()


class Remote:
    """A `Player` in a process of its own, with so many threads and CPUs; a call waits for the answer."""

    def __init__(self, name, threads, build, clock="wall"):
        self.name, context = name, multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, name, threads, build, clock), daemon=True)
        self.process, before = process, dict(os.environ)
        os.environ.update({f"{k}_NUM_THREADS": str(threads) for k in THREAD_VARIABLES}, KINETO_LOG_LEVEL="99")
        process.start()
        os.environ.clear()
        os.environ.update(before)
        theirs.close()
        self.answer()

    def answer(self):
        try:
            found, failure = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self.name} ended") from None
        if failure:
            raise RuntimeError(failure)
        return found

    def call(self, method, *arguments):
        self.pipe.send((method, arguments))
        return self.answer()

    def results(self, key, calls=3):
        return self.call("results", key, calls)

    def turn(self, seconds):
        return self.call("turn", seconds)

    def close(self):
        self.pipe.close()
        self.process.join()


def serve(pipe, *arguments):
    """What the process of a `Remote` does: make the player, then answer calls until the pipe ends."""
    _, threads, *_ = arguments
    if hasattr(os, "sched_setaffinity"):  # also holds those that cannot be told a number of threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    player, failure = attempt(Player, *arguments)
    pipe.send((None, failure))
    while player:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(getattr(player, method), *arguments))


def attempt(f, *arguments):
    """(what f returns, None), or (None, the text of its exception)"""
    try:
        return f(*arguments), None
    except Exception:
        return None, traceback.format_exc()


@dataclass
class Times:
    """What one side took: the median of its calls in each round, and the least of all, in seconds."""

    rounds: list = field(default_factory=list)
    least: float = float("inf")

    def add(self, times):
        self.rounds.append(statistics.median(times))
        self.least = min(self.least, *times)

    @property
    def median(self):
        return statistics.median(self.rounds)

    def ratio(self, other):
        """The median over the rounds of this side's time over the other's."""
        return statistics.median(a / b for a, b in zip(self.rounds, other.rounds))


def enter(names, threads, build, clock="wall", player=Remote, say=print):
    """The players of these names; a peer that is not installed, or cannot do it, is left out with a word."""
    found = []
    for name in names:
        try:
            found.append(player(name, threads, build, clock))
        except Exception as failure:
            leave_out(name, failure, say)
    return found


def agreed(players, key, tolerance=1e-4, say=print):
    """The players whose first three results for a key are the first player's; others are an error of the bench."""
    found, wanted = [], None
    for player in players:
        try:
            results = player.results(key)
        except Exception as failure:
            leave_out(player.name, failure, say)
            continue
        wanted = wanted or results
        for a, b in zip(wanted, results):
            if a.shape != b.shape or not np.abs(a - b).max() <= tolerance * np.abs(a).max():
                raise AssertionError(f"{key}: {player.name} computes something else than {players[0].name}")
        found.append(player)
    return found


def leave_out(name, failure, say):
    if name == "knetpy":
        raise failure
    reason = (f"{failure}".strip().splitlines() or [type(failure).__name__])[-1]
    say(f"  without {name}: {reason[:100]}")


def race(players, seconds, turn=0.1):
    """{name: Times} of players that go in turn, forward and backward, until each has had so many seconds."""
    times, rounds = {player.name: Times() for player in players}, 0
    end = perf_counter() + seconds * len(players)
    while rounds < 3 or perf_counter() < end:
        for player in players[:: -1 if rounds % 2 else 1]:
            times[player.name].add(player.turn(min(turn, seconds)))
        rounds += 1
    return times
