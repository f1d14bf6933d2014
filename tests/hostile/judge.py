"""What may come of a hostile call: the right answer, or an error in the caller's terms. And nothing stays behind."""

import os
from traceback import walk_tb

import numpy as np

import knetpy as kn
from knetpy import arrays, journal, settings
from knetpy.core import trace
from knetpy.optim import Optimizer
from knetpy.tree import leaves
from tests.hostile.calls import METHOD_CALLS, OPS
from tests.hostile.values import Boom, Changing, ChangingShape

ALLOWED = (kn.KnetpyError, TypeError, ValueError, MemoryError, OverflowError, Boom)
# Derivatives name the function that is differentiated.
OF_USER = (
    " of <lambda>",
    " of _loss",
    " of sin",
    " of sum",
    " of _boom",
    " of Loss",
    " of Hostile",
    " of gradient",
    "an operand is a",
    "was called with",
)
ALSO = {"update": ["gradient", "array", "argument"], "param": ["sizes", "shape", "array", "value"]}  # other names
ALSO |= {"gather": ["dimension"], "embed": ["dimension"], "hvp": ["in v"]}
ALSO |= {name: ["shape"] for name in (*kn.init.__all__, "rand", "randn")}
HERE, KNETPY = os.path.dirname(__file__), os.path.dirname(kn.__file__)
OF_CORE = (kn.EscapeError, kn.MutationError, kn.DerivativeError)  # these are about a value, whatever the function


def judge(drawn, alone=True):
    """Complaints about one hostile call: pairs (what, facts)."""
    before = Before(drawn)
    kn.seed(1)
    result, failure = outcome(drawn)
    failed = failure is not None
    complaints = about_failure(drawn, failure) if failed else about_result(drawn, result)
    del result, failure  # which may hold a pullback, and that its locks
    return complaints + before.changes(failed) + left_behind(alone)


def outcome(drawn, **how):
    try:
        return drawn.run(**how), None
    except (Exception, KeyboardInterrupt) as failure:
        files = [frame.f_code.co_filename for frame, _ in walk_tb(failure.__traceback__)]
        failure.of_caller = files[-1].startswith(HERE)
        failure.beyond_knetpy = [file.startswith(HERE) for file in files if file.startswith((HERE, KNETPY))][-1]
        return None, failure.with_traceback(None)


# ------------------------------------------------------------------------------------------------------ failures


def about_failure(drawn, failure):
    call, text = drawn.call, f"{type(failure).__name__}: {failure}" if not isinstance(failure, Boom) else "Boom"
    if isinstance(failure, RecursionError) and any("list of itself" in word for word in drawn.changed.values()):
        return []
    if caused_by_caller(failure) or own_words_of_python(failure, call):
        return []
    if isinstance(failure, (RuntimeWarning, UserWarning)):  # NumPy's and ours, where warnings are errors
        return []
    if isinstance(failure, PendingDeprecationWarning) and failure.beyond_knetpy:  # matrix * matrix in a user's function
        return []
    if not call.own or call in METHOD_CALLS:
        expected = outcome_of_numpy(drawn)
        if expected is not None and isinstance(failure, type(expected)):
            return []
    allowed = (*ALLOWED, IndexError) if call.name in text else ALLOWED if call.own else (*ALLOWED, NotImplementedError)
    allowed = (*allowed, KeyError) if call.name == "hvp" else allowed  # as a mapping from params says
    if call.name in ("hessian", "jacobian") and isinstance(failure, IndexError):  # of 64 axes
        return []
    if not isinstance(failure, allowed) or isinstance(failure, Warning):
        return [("kind of error", text)]
    if isinstance(failure, (MemoryError, *OF_CORE)):
        return []
    if of_function(drawn, failure) or isinstance(failure, kn.data.DataFileError):  # which names the file
        return []
    if drawn.same() and call.name != "update" and outcome(drawn, unchanged=True)[1] is None:  # update writes in place
        return [("refused what is the same", text)]
    called = [call.name, {"minimize": "update", "hvp": "in v"}.get(call.name, call.name)]
    if call.own and not any(name in text for name in called) and not any(f in text for f in OF_USER):
        return [("does not name the function", text)]
    names = {*drawn.changed, *call.operands, *call.options, *ALSO.get(call.name, ())}
    if call.own and not any(name in text for name in names):
        return [("does not name the argument", text)]
    return []


def caused_by_caller(failure):
    """Whether it was raised by a hostile method, or by a line of the function that was passed."""
    if failure.of_caller and isinstance(failure, (TypeError, ValueError)):
        return True
    while failure is not None:
        if isinstance(failure, Boom):
            return True
        failure = failure.__cause__ or failure.__context__
    return False


def of_function(drawn, failure):
    """Whether the function that was passed fails on its own, or an op in it has refused what it was given."""
    given = {name: x for name, x in drawn.operands.items() if name in ("f", "loss", "kernel")}
    if not given or given.keys() & drawn.changed.keys():
        return False
    if isinstance(failure, kn.KnetpyError) or "data" in drawn.changed:
        return True
    try:
        (f,) = given.values()
        f(drawn.operands.get("x"))
    except Exception as own:
        return type(own) is type(failure)
    return False


def own_words_of_python(failure, call):
    """Whether Python refuses how the function was called."""
    return isinstance(failure, TypeError) and f"{getattr(call.f, '__name__', '')}()" in str(failure)


def outcome_of_numpy(drawn):
    """How the call fails on plain arrays, where NumPy answers for it."""
    for x in [*drawn.operands.values(), *drawn.options.values()]:
        if type(x) in (Changing, ChangingShape):
            x.begin_anew()  # NumPy is given the same
    try:
        drawn.call.f(*[kn.value(x) for x in drawn.operands.values()], **drawn.options)
    except Exception as failure:
        return failure.with_traceback(None)
    return None


# ------------------------------------------------------------------------------------------------------- results


def about_result(drawn, result):
    of_params = (
        drawn.call.own and drawn.call not in OPS and "param" in drawn.changed.values()
    )  # which make a difference
    if drawn.same() and not of_params and drawn.call.f is not np.empty_like:
        kn.seed(1)
        expected, failure = outcome(drawn, unchanged=True)
        return compared(result, expected) if failure is None else []
    own = (
        drawn.call.own
        and drawn.call.f not in (kn.pad, kn.take_along_axis, kn.stop_gradient, kn.value)
        and "f" not in drawn.call.operands
    )
    return wrong_kind(drawn, result) if own and drawn.mode == "plain" else []


def compared(result, expected):
    found, wanted = leaves(result), leaves(expected)
    if [path for path, _ in found] != [path for path, _ in wanted]:
        return [("another structure", f"{result!r:.80} for {expected!r:.80}")]
    for (path, x), (_, y) in zip(found, wanted):
        if not isinstance(getattr(y, "dtype", None), np.dtype):
            continue
        if getattr(x, "dtype", np.dtype("V")).newbyteorder("=") != y.dtype or x.shape != y.shape:
            return [("another dtype or shape", f"{path} {getattr(x, 'dtype', None)!r} for {y.dtype!r}")]
        if y.dtype.kind in "fiub" and not np.allclose(x, y, rtol=1e-4, atol=1e-5, equal_nan=True):
            return [("another value", f"{path}: {x!r:.80} for {y!r:.80}")]
    return []


def wrong_kind(drawn, result):
    """Of a floating result: a dtype that no argument has."""
    given = [x for _, x in inside([drawn.call.operands, drawn.operands, drawn.options])]
    if drawn.changed.keys() & {"dtype", "xtype", "ytype", "loss", "data"}:
        return []
    dtypes = {x.dtype.newbyteorder("=") for x in given if is_array(x)} | {np.dtype(np.float32)}
    for _, y in inside(result):
        if is_array(y) and y.dtype.kind in "fc" and y.dtype not in dtypes:
            return [("a dtype that nothing has", f"{y.dtype!r}")]
    return []


# ---------------------------------------------------------------------------------------------- what stays behind


def is_array(x):
    return issubclass(type(x), (np.ndarray, np.generic))  # isinstance would ask x


def inside(x, path="", depth=4):
    """[(path, leaf)] of containers, which may hold themselves."""
    nodes = list(x.items()) if isinstance(x, dict) else list(enumerate(x)) if type(x) in (list, tuple) else None
    if nodes is None or not depth:
        return [(path, x)]
    return [pair for key, part in nodes for pair in inside(part, f"{path}[{key}]", depth - 1)]


class Before:
    """The arrays and optimizers of a call as they were."""

    def __init__(self, drawn):
        self.drawn = drawn
        meddled = any("Meddler" in word for word in drawn.changed.values())
        self.kept = []
        for path, x in inside([drawn.operands, drawn.options]):
            array = x.value if type(x) is kn.Param else x
            if is_array(array) and array.shape and array.size < 10_000:
                content = None if meddled or array.dtype.hasobject else np.asarray(array).tobytes()
                self.kept.append((path, array, array.flags.writeable, content))

    def changes(self, failed):
        """Complaints about arguments that the call has changed."""
        for path, array, writeable, content in self.kept:
            if array.flags.writeable != writeable:
                return [("an array's lock is left", path)]
            if content is not None and np.asarray(array).tobytes() != content:
                if failed or self.drawn.call.name not in ("update", "minimize"):
                    return [("an argument was changed", path)]
        opt = self.drawn.operands.get("opt")
        if failed and self.drawn.call.name == "update" and isinstance(opt, Optimizer) and opt.states:
            return [("state of a failed update", repr(opt))]
        return []


def left_behind(alone):
    """Complaints about what the call has left running."""
    wrong = []
    if trace.active() != () or trace.sole_steps() is not None:
        wrong.append(("a trace is left active", repr(trace.active())))
    if kn.training() or settings._training.get() is not None or settings._overridden.get() is not None:
        wrong.append(("training mode is left on", ""))
    if journal._journal.get() is not None:
        wrong.append(("a journal is left open", ""))
    if alone and arrays._locks:
        wrong.append(("locks are left", str(len(arrays._locks))))
    return wrong
