"""Recording is per thread and per task."""

import asyncio
import threading

import numpy as np

import knetpy as kn
from knetpy import grad, param


def test_grad_in_eight_threads_at_once():
    w, shared = param(np.arange(1.0, 4.0)), np.ones(3)
    wrong, barrier = [], threading.Barrier(8)

    def work(k):
        x = np.full(3, float(k))
        gradient = grad(lambda x: np.sum(np.tanh(w * x) * shared))
        expected = x / np.cosh(w.value * x) ** 2
        barrier.wait()
        for _ in range(300):
            if not np.allclose(gradient(x)[w], expected) or not np.allclose(
                grad(lambda x: np.sum(np.tanh(w * x)), 0)(x), w.value / np.cosh(w.value * x) ** 2
            ):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and shared.flags.writeable


def test_training_mode_of_one_thread_is_not_anothers():
    inside, done = threading.Event(), threading.Event()

    def work():
        def loss(x):
            inside.set()
            done.wait(10)
            return np.sum(x)

        grad(loss, 0)(np.ones(2))

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    assert not kn.training() and kn.core.trace.active() == ()
    done.set()
    thread.join()


def test_tasks_that_interleave():
    async def slope(k):
        async def recorded():
            x = kn.core.value.Result(np.float64(k))
            tape = kn.core.tape.Tape(params=False)
            tape.leaf(x)
            with kn.core.trace.tracing(tape):
                y = x
                for _ in range(3):
                    y = y * x
                    await asyncio.sleep(0)
            return kn.core.tape.sweep(tape.steps, {y.uid: np.float64(1)})[x.uid]

        return await recorded()

    async def main():
        return await asyncio.gather(*[slope(k) for k in range(1, 6)])

    assert asyncio.run(main()) == [4.0 * k**3 for k in range(1, 6)]
