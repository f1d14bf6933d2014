"""What a side can be told to do with a workload: make steps, tell the peak memory of a step, count its arithmetic.

Each is a `build` for `turns.Player`: (tasks, side name, threads, key), where tasks are {key: (workload, sizes)}.
"""

from __future__ import annotations

import gc
import tracemalloc
from functools import partial

from .sides import Knetpy
from .turns import side_class
from .workloads import WORKLOADS


def made(tasks, name, threads, key):
    """The side and the task on it."""
    (workload, sizes), make = tasks[key], side_class(name)
    if workload not in getattr(make, "workloads", WORKLOADS):
        raise LookupError(f"the bench does not have {workload} in it")
    side = make(threads)
    return side, WORKLOADS[workload](side, **sizes)


def steps(tasks, name, threads, key):
    """A function that makes a step."""
    side, task = made(tasks, name, threads, key)
    return side.step(task)


# ------------------------------------------------------------------------------------------------- memory


def peaks(tasks, name, threads, key):
    """A function that returns the peak of the bytes that a step allocates above params, gradients, state and batch.

    That is the peak of all that the step allocates, without the size of the gradients, which are among it.
    """
    side, task = made(tasks, name, threads, key)
    return partial(traced if name == "knetpy" else profiled, side, task, side.step(task))


def traced(side, task, step):
    """By Python's own book-keeping, in which NumPy enters its arrays; knetpy has no pool of its own."""
    step(), step()  # the optimizer's state is there, the gradients are not
    tracemalloc.start()
    step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most - task.train * sum(w.value.nbytes for w in side.weights)


def profiled(side, task, step):
    """By PyTorch's profiler, which sees what its allocator gives and takes."""
    profiler = side.torch.profiler
    step(), step()
    for w in side.weights:
        w.grad = None
    gc.collect()  # what an earlier workload left would be given back in the middle of this one
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most - task.train * sum(w.nbytes for w in side.weights)


# ------------------------------------------------------------------------------------------------- arithmetic


class Counting(Knetpy):
    """Adds up the multiplications and additions of products and convolutions: forward, and twice that backward.

    What the derivative by the data would take is left out, the upper half of causal attention too.
    """

    flops, train, data = 0, True, None

    def count(self, x, terms):
        self.flops += 2 * terms * (1 if not self.train else 2 if self.kn.value(x) is self.data else 3)

    def linear(self, x, w, b, activation):
        self.count(x, x.size * w.shape[1])
        return super().linear(x, w, b, activation)

    def convolve(self, x, w, *how):
        y = super().convolve(x, w, *how)
        self.count(x, y.size * w[0].size)
        return y

    def recur(self, x, wx, wh, *biases):
        self.count(x, x.shape[0] * x.shape[1] * (wx.size + wh.size))
        return super().recur(x, wx, wh, *biases)

    def attention(self, qkv, heads):
        n, time, width = qkv.shape
        self.count(qkv, n * time * (time + 1) // 2 * width // 3 * 2)
        return super().attention(qkv, heads)


def counts(tasks, name, threads, key):
    """A function that returns the floating-point operations of a step."""
    workload, sizes = tasks[key]
    side = Counting(threads)
    task = WORKLOADS[workload](side, **sizes)
    side.train, side.data = task.train, task.x

    def count():
        side.flops = 0
        task.forward(task.x)
        return side.flops

    return count
