"""Nothing leaks, nothing that no rule reads is kept, nothing waits for the cycle collector."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import knetpy as kn
from knetpy import grad, param


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Array(np.ndarray):
    """An array that can be referred to weakly and watched."""


def watched(shape):
    return np.ones(shape).view(Array)


def test_arrays_that_no_rule_reads_are_gone_before_the_sweep(no_collector):
    alive = {}

    def f(x):
        a = x * 2.0  # a constant factor: neither operand's array is read by the rule for x
        b = a + 1.0
        alive["a"], alive["b"] = weakref.ref(a.value), weakref.ref(b.value)
        c = np.sin(b)
        del a
        assert alive["a"]() is None, "add reads none of its operands"
        del b
        assert alive["b"]() is not None, "the rule of sin reads its operand"
        return np.sum(c)

    grad(f, 0)(np.ones(3))
    assert alive["b"]() is None


def test_sum_keeps_a_shape_and_no_array(no_collector):
    def f(x):
        y = x + 1.0
        ref = weakref.ref(y.value)
        z = np.sum(y)
        del y
        assert ref() is None
        return z

    grad(f, 0)(np.ones(3))


@pytest.mark.parametrize("transform", ["grad", "vjp", "jvp", "tape", "jacobian", "hessian", "checkpoint"])
def test_nothing_waits_for_the_collector(no_collector, transform):
    w = param(np.ones(3))
    refs = []

    def f(x):
        y = np.sin(x * w)
        refs.append(weakref.ref(y.value))
        return np.sum(y)

    x = np.ones(3)
    run = {
        "grad": lambda: grad(f)(x),
        "vjp": lambda: kn.vjp(f, x)[1](1.0),
        "jvp": lambda: kn.jvp(f, (x,), (x,)),
        "tape": lambda: kn.tape(f, x),
        "jacobian": lambda: kn.jacobian(f)(x),
        "hessian": lambda: kn.hessian(f)(x),
        "checkpoint": lambda: grad(lambda x: kn.checkpoint(f)(x) * 2.0)(x),
    }[transform]
    run()
    assert refs and all(ref() is None for ref in refs)


def test_a_param_dies_with_its_last_name(no_collector):
    def use(w):
        grad(lambda: np.sum(w * w))()
        grad(lambda x: np.sum(w * x), 0)(np.ones(3))
        return weakref.ref(w)

    ref = use(param(np.ones(3)))
    assert ref() is None


def test_a_failed_call_leaves_nothing(no_collector):
    x, refs = np.ones(3), []

    def f(x):
        y = np.sin(x)
        refs.append(weakref.ref(y.value))
        raise KeyError("mine")

    try:
        grad(f, 0)(x)
    except KeyError:
        pass
    assert refs[0]() is None and x.flags.writeable and kn.core.trace.active() == ()


LEAK = """
import resource, numpy as np, knetpy as kn
w = kn.param(np.ones(4, "f4"))
x = np.ones(4, "f4")
gradient = kn.grad(lambda x: np.sum(np.tanh(w * x)))
def calls(n):
    for _ in range(n):
        gradient(x)
calls(2000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calls({calls})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_many_calls_do_not_grow_the_process():
    grown = subprocess.run(
        [sys.executable, "-c", LEAK.format(calls=100_000)], capture_output=True, text=True, check=True
    )
    unit = 1024 if sys.platform == "darwin" else 1
    assert int(grown.stdout) / unit < 2048, "kilobytes grown in 100,000 calls"
