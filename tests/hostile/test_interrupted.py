"""A failure half-way leaves params, optimizer state and running moments as they were, and nothing running."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from tests.hostile.judge import left_behind

PACKAGE = str(Path(kn.__file__).parent)
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 1, 1, 0])


class Model:
    """Weights, running moments, an optimizer and a loss, in which something may happen."""

    def __init__(self):
        self.w, self.b = kn.param([[1, 2]] * 3), kn.param0(2)
        self.moments, self.opt = kn.Moments(), kn.Adam(0.1)
        self.happen = lambda x: x
        kn.update([self.w, self.b], kn.grad(self.loss)(X), self.opt)  # now there is a state to be kept

    def loss(self, x):
        y = kn.batchnorm(x @ self.w + self.b, self.moments)
        return kn.nll(self.happen(y), Y)

    def step(self):
        kn.update([self.w, self.b], kn.grad(self.loss)(X), self.opt)

    def state(self):
        states = [(s.t, *[a.tobytes() for a in s.arrays]) for s in self.opt.states.values()]
        moments = self.moments.mean.tobytes(), self.moments.var.tobytes(), self.moments.count
        return self.w.value.tobytes(), self.b.value.tobytes(), states, moments


def happens(how):
    raise how


def raising(failure, where):
    """A function that does nothing but raise when it is called or when its derivative is taken."""
    rule = (lambda dy: happens(failure)) if where == "rule" else (lambda dy: dy)
    kernel = (lambda x: happens(failure)) if where == "kernel" else (lambda x: x.copy())
    return kn.primitive(kernel, name="raising", x=rule)


@pytest.mark.parametrize("failure", [ZeroDivisionError("mine"), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
@pytest.mark.parametrize("where", ["function", "kernel", "rule"])
@pytest.mark.parametrize("way", ["step", "minimize", "tape", "checkpoint"])
def test_a_failure_in_the_pass_or_in_the_sweep(way, where, failure):
    model = Model()
    before = model.state()
    model.happen = (lambda y: happens(failure)) if where == "function" else raising(failure, where)
    ways = {
        "step": model.step,
        "minimize": lambda: list(kn.minimize(model.loss, [X], model.opt)),
        "tape": lambda: kn.tape(model.loss, X),
        "checkpoint": lambda: kn.grad(lambda: kn.checkpoint(model.loss)(X))(),
    }
    with pytest.raises(type(failure)):
        ways[way]()
    failure.__traceback__ = None
    assert model.state() == before and X.flags.writeable and left_behind(alone=True) == []
    model.happen = lambda x: x
    model.step()  # goes on as if nothing had been
    assert model.state() != before


class Interruption:
    """Ctrl-C before the instruction with a number, or the line, of those that knetpy runs in a call."""

    def __init__(self, number, kind):
        self.left, self.kind = number, kind

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = self.kind == "opcode"
        if event == self.kind:
            self.left -= 1
            if self.left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

    def during(self, f, *args):
        """Call f; whether it was interrupted."""
        before = sys.gettrace()
        try:
            sys.settrace(self)
            f(*args)
            return False
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)


@pytest.mark.parametrize("kind", ["line", pytest.param("opcode", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ctrl-C in a __del__ is said, and lost
def test_ctrl_c_anywhere_in_a_gradient(kind):
    x, c, w, b = np.linspace(1, 2, 4), np.ones(4), kn.param(np.eye(4)), kn.param0(4)
    gradient = kn.grad(lambda x: np.sum(kn.relu(x @ w.astype(x.dtype) + b.astype(x.dtype)) * x * c))
    gradient(x)
    number = 0
    while Interruption(number, kind).during(gradient, x):
        assert left_behind(alone=True) == [] and x.flags.writeable and c.flags.writeable, number
        number += 1
    assert number > 500


@pytest.mark.parametrize("number", range(12))
def test_ctrl_c_in_the_middle_of_an_update_waits_for_its_end(number):
    """All params have made the step, or none."""

    class Slow(kn.optim.Optimizer):
        def __init__(self, lr=1.0):
            self.lr = lr

        def step(self, w, g, state, t):
            w -= self.lr * g
            if next(steps) == number:
                signal.raise_signal(signal.SIGINT)

    steps, params = iter(range(100)), [kn.param(np.full(2, 5.0, np.float32)) for _ in range(6)]
    grads = {p: np.ones(2, np.float32) for p in params}
    opt = Slow()
    try:
        for _ in range(2):
            kn.update(params, grads, opt)
    except KeyboardInterrupt:
        pass
    assert len({p.value.tobytes() for p in params}) == 1
    assert {state.t for state in opt.states.values()} == {1 if number < 6 else 2}
    assert params[0].value[0] == 5 - (1 if number < 6 else 2)


@pytest.mark.parametrize("bad", [np.ones(3, np.float32), np.ones(2), None, np.full(2, np.nan, np.float32), "text"])
def test_an_update_that_is_refused_changes_nothing(bad):
    params, opt = [kn.param([1.0, 2.0]) for _ in range(3)], kn.Adam()
    grads = [np.ones(2, np.float32), np.ones(2, np.float32), bad]
    before = [p.value.tobytes() for p in params]
    try:
        kn.update(params, grads, opt, check_finite=True)
    except (TypeError, ValueError, kn.KnetpyError):
        assert [p.value.tobytes() for p in params] == before and not opt.states
    else:
        assert bad is None and [p.value.tobytes() == b for p, b in zip(params, before)] == [False, False, True]


def test_a_failure_in_the_body_of_the_loop_leaves_the_last_whole_step():
    model = Model()
    with pytest.raises(ZeroDivisionError):
        for _ in kn.minimize(model.loss, [X, X, X], model.opt):
            reached = model.state()
            happens(ZeroDivisionError())
    assert model.state() == reached and left_behind(alone=True) == []


def test_a_failure_in_a_write_that_was_deferred_comes_after_the_gradient():
    w = kn.param([1.0])

    def loss():
        kn.defer(lambda: happens(ZeroDivisionError()))
        return np.sum(w * w)

    with pytest.raises(ZeroDivisionError):
        kn.grad(loss)()
    assert left_behind(alone=True) == [] and w.value[0] == 1


class CtrlC(Interruption):
    """The same, as the system does it: by a signal, which may wait."""

    def __call__(self, frame, event, arg):
        try:
            return super().__call__(frame, event, arg)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("kind", ["line", pytest.param("opcode", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Ctrl-C in a __del__ is said, and lost
def test_ctrl_c_anywhere_in_a_training_step(kind):
    """Params, moments of the optimizer and running moments have made the step, or none of them has."""

    def begun():
        model = Model()
        model.b[...] = np.array([0.5, -0.25], np.float32)
        model.opt = kn.chain(kn.optim.ClipGlobalNorm(0.5), kn.LAMB(0.1), kn.optim.EMA(0.5))
        list(kn.minimize(model.loss, [X], model.opt))
        return model

    def reached(model):
        states = [(s.t, *[a.tobytes() for a in s.arrays]) for rule in model.opt.parts for s in rule.states.values()]
        return model.state()[0], model.state()[1], model.state()[3], states

    model = begun()
    before = reached(model)
    list(kn.minimize(model.loss, [X], model.opt))
    after, number, seen, on = reached(model), 0, set(), True
    assert before[0] != after[0] and before[2] != after[2]
    while on:
        model = begun()
        on = CtrlC(number, kind).during(lambda: list(kn.minimize(model.loss, [X], model.opt)))  # noqa: B023
        assert reached(model) in (before, after), number
        seen.add(reached(model) == after)
        number += 1
    assert seen == {False, True} and number > 500
