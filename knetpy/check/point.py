"""A function at a point: what it can be differentiated by, and its value anywhere near, always from the same draws."""

import numbers
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DerivativeError, NonFiniteError, label_of
from ..core.tape import Tape
from ..core.trace import Call, active
from ..core.value import Param, Value, bare
from ..devices import beside, host, on_gpu
from ..journal import Journal
from ..parameters.search import named_params
from ..transforms.boundary import _alias, settings
from ..transforms.run import run
from ..tree import leaves, tree_map
from .derivatives import combined, floating
from .errors import GradcheckError


class Variable(NamedTuple):
    """One array that derivatives are taken by: its name, where it starts, how large a step of each element is."""

    name: str
    start: Any
    scale: np.ndarray
    param: Param | None
    version: int
    like: Any  # what it was given as: steps are worked out on the CPU and taken where that is


class Point:
    """The function f and the values of its floating arguments and of the Params that it touches.

    The first run records what f draws and makes (journal.recall); all others replay that. Side effects are not made.
    """

    def __init__(self, f, args):
        self.f, self.name, self.args, self.journal = f, label_of(f), args, Journal()
        self.variables = [_variable(name, x) for name, x in self._arguments()]
        touched = self._first_run()
        held = {f"argument {n}": a for n, a in enumerate(args) if any(isinstance(x, Param) for _, x in leaves(a))}
        names = {p.uid: name for name, p in named_params(f, **held).items()}
        self.variables += [_variable(f"param {names.get(uid, '')}".rstrip(), p) for uid, p in touched.items()]
        if not self.variables:
            raise DerivativeError(
                f"gradcheck: {self.name} touched no param and was given no floating array or number to differentiate "
                "by; whole numbers and integer arrays are constants: write x.astype(float)"
            )
        self.scale, self.chosen = 1.0, None  # of the outputs: their size; (number, flat index) of one element

    def _arguments(self):
        for n, arg in enumerate(self.args):
            for (path, x), is_setting in zip(leaves(arg), settings(arg)):
                if is_variable(x) and not is_setting:
                    yield f"argument {n}{path}", x

    def _first_run(self):
        """Run f once, as a transform does; {serial number: Param that it touched}."""
        tape = Tape()
        try:
            with self.journal.recording():
                run(
                    self.f,
                    self._rebuilt(iter([beside(v.start, v.like) for v in self.variables])),
                    {},
                    tape,
                    training=False,
                )
            return {uid: p for uid, (p, _) in tape.touched.items() if not p.frozen}
        finally:
            tape.end()

    def check(self):
        """Raise unless f is a function with finite floating values here."""
        for v in self.variables:
            _check_finite(v.start, v.name, self.name)
        first, second = self.outputs(), self.outputs()
        if not first:
            raise DerivativeError(f"gradcheck: {self.name} returned no floating array; a derivative needs one")
        for n, y in enumerate(first):
            _check_finite(y, f"output [{n}]" if len(first) > 1 else "the output", self.name)
        if len(first) != len(second) or not all(map(np.array_equal, first, second)):
            raise GradcheckError(
                f"{self.name} gave different values in two runs; differences need a function of its arguments. Random "
                "numbers of kn.random repeat themselves here, others must be drawn outside",
                "random",
            )
        self.scale = _size(np.concatenate([np.ravel(y) for y in first])) or 1.0
        self.shapes, self.dtypes = [y.shape for y in first], [y.dtype for y in first]

    def precision(self):
        """The least precise dtype of variables and outputs, at most float64."""
        dtypes = [v.start.real.dtype for v in self.variables] + self.dtypes
        return min([np.dtype(np.float64), *dtypes], key=lambda dtype: dtype.itemsize)

    def outputs(self, direction=None, t=0.0):
        """The floating arrays that f returns there, on plain arrays."""
        with self.journal.replaying():
            return [np.array(host(bare(y))) for y in floating(self.f(*self._rebuilt(iter(self.at(direction, t)))))]

    def loss(self, *xs):
        """A scalar function of all that f returns, or one chosen element by their size; Params must hold `xs`."""
        for v, x in zip(self.variables, xs):
            if v.param is not None and isinstance(x, Value):
                _let_stand_for(v.param, x)
        with self.journal.replaying():
            ys = floating(self.f(*self._rebuilt(iter(xs))))
        if self.chosen is not None:
            n, i = self.chosen
            return np.reshape(ys[n], -1)[i].astype(np.float64) / self.scale
        return combined(ys, self.scale, np.float64)

    def at(self, direction=None, t=0.0):
        """The variables t times `direction` from here; Params are set to it."""
        xs = []
        for n, v in enumerate(self.variables):
            x = np.array(v.start) if direction is None else np.array(v.start + t * direction[n], v.start.dtype)
            x = beside(x if isinstance(v.start, np.ndarray) else x[()], v.like)
            xs.append(x)
            if v.param is not None:
                v.param.writable()[...] = x
        return xs

    def there(self, direction):
        """A direction where the variables are."""
        return [beside(d, v.like) for d, v in zip(direction, self.variables)]

    def narrow(self):
        """Make steps as large as each element, where this is smaller."""
        sizes = [np.abs(v.start).astype(np.float64) for v in self.variables]
        scales = [np.minimum(np.where(s == 0, v.scale, s), v.scale) for s, v in zip(sizes, self.variables)]
        self.variables = [v._replace(scale=s) for v, s in zip(self.variables, scales)]

    def restore(self):
        """Give every Param its values and its version back."""
        for v in self.variables:
            if v.param is not None:
                v.param.writable()[...] = beside(v.start, v.like)
                v.param.version = v.version

    def _rebuilt(self, xs):
        """The arguments, with `xs` in the places of the variables."""
        fixed = iter(settings(self.args))
        return tree_map(lambda x: x if next(fixed) or not is_variable(x) else next(xs), self.args)


def is_variable(x):
    """Whether gradcheck takes derivatives by a leaf of an argument; Params it finds where they are touched."""
    if isinstance(getattr(x, "dtype", None), np.dtype):
        return x.dtype.kind in "fc" and not isinstance(x, Value)
    return isinstance(x, numbers.Complex) and not isinstance(x, numbers.Integral)


def _variable(name, x):
    number = None if hasattr(x, "dtype") else np.float64 if isinstance(x, numbers.Real) else np.complex128
    start = np.array(host(bare(x)), number)
    start = start if isinstance(x, np.ndarray | Param) or on_gpu(x) else start[()]
    size = _size(start)
    param = x if isinstance(x, Param) else None
    scale = np.full(start.shape, max(size, 1e-2) if size else 1.0)
    return Variable(name, start, scale, param, getattr(x, "version", 0), x)


def _size(array):
    """The root mean square of an array, 0 of an empty one."""
    return float(np.sqrt(np.mean(np.square(np.abs(array), dtype=np.float64)))) if array.size else 0.0


def _check_finite(x, what, name):
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        index = tuple(bad[0].tolist())
        raise NonFiniteError(
            f"gradcheck: {what} of {name} has {len(bad)} of {np.size(x)} elements not finite, the first {x[index]}"
            + (f" at {index}" if index else "")
            + "; differences need finite values"
        )


def _let_stand_for(p, x):
    """Let the Param p be the value x for every trace that follows x: f may use p from anywhere."""
    call = Call(_alias.primitive, (x,), [p.value], {}, p.value, [p])
    for depth, trace in enumerate(active()):
        call.uids = [x.uid if trace.follows(x) else None]
        trace.observe(call, depth)
