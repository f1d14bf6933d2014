"""`gradcheck`: derivatives of every mode and order against differences of values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import DerivativeError
from ..core.trace import active
from ..ops.arguments import number, whole
from ..settings import default_training, restore_training
from ..transforms.run import check_callable
from .derivatives import MODES
from .errors import GradcheckError
from .explain import explained
from .order import Order
from .point import Point
from .suspect import suspect

# By dtype: the step (times the size of a variable), the relative tolerance, by how much the step is made smaller.
PRECISION = {
    "float64": (1e-3, 1e-6, (1, 1 / 8, 1 / 64, 1 / 512, 1 / 4096)),
    "float32": (2e-2, 1e-3, (1, 1 / 2, 1 / 4, 1 / 16)),
    "float16": (1e-1, 5e-2, (1, 1 / 2, 1 / 4)),
}


@dataclass
class Report:
    """What was checked: by which variables, in which modes, and the largest relative error of each order.

    True if all was right, else `failure` holds the error.
    """

    name: str
    variables: list[str]
    modes: list[str]
    tolerance: float | None
    errors: dict[int, float] = field(default_factory=dict)
    failure: GradcheckError | None = None

    def __bool__(self) -> bool:
        return self.failure is None

    def __repr__(self) -> str:
        if self.failure:
            return f"gradcheck: {self.failure}"
        errors = ", ".join(f"{error:.1e} at order {n}" for n, error in self.errors.items())
        return (
            f"gradcheck: the derivatives of {self.name} are right\n"
            f"by {', '.join(self.variables)}\n"
            f"in modes {', '.join(self.modes)}\n"
            f"largest relative error: {errors}; tolerance {self.tolerance:g}"
        )


def gradcheck(
    f: Callable,
    *args: Any,
    order: int = 2,
    modes: str | Iterable[str] = "all",
    tolerance: float | None = None,
    step: float | None = None,
    seed: int = 0,
    raises: bool = True,
) -> Report:
    """Check the derivatives of f against differences of its values, along random directions.

    Parameters:
      f: any function of arrays; it may return arrays of any shape and containers of them. It is run many times, always
        with the same random numbers and without side effects, not in training mode unless within `kn.training(True)`.
      args: floating and complex arrays and numbers, Params, nested containers; derivatives are checked by all of these
        and by every Param that f touches. Integers and everything else are constants. Params are changed in place for
        the differences and then get their old values back to the last bit.
      order=2: 1, 2 (also second derivatives) or 3.
      modes="all": "all", or some of "reverse", "forward"; "reverse-over-reverse", "forward-over-reverse",
        "reverse-over-forward", "forward-over-forward"; of order 3 "reverse-over-reverse-over-reverse",
        "forward-over-reverse-over-reverse", "forward-over-forward-over-forward".
      tolerance=None: relative; by default 1e-6 in float64, 1e-3 in float32, 5e-2 in float16, as the least precise of
        arguments, params and outputs. Differences cannot tell more there, and less where f has many kinks:
        check in float64 where you can.
      step=None: of the differences, relative to the root mean square of each variable; by default 1e-3, 2e-2, 1e-1.
        Where f varies quickly it is made smaller, and relative to each element.
      seed=0: of the directions; NumPy's and knetpy's own random numbers are left alone.
      raises=True: if False, a failure is returned in the report instead of raised.
    Returns: a `Report`, true if all derivatives are right; it prints what was checked and the largest error.
    Raises: `check.GradcheckError` (an AssertionError), which names the argument or param, an element that is
      wrong, the mode, and the primitive and line that are to blame; also where f has no derivative (at a kink) or does
      not give the same value twice. DerivativeError if there is nothing to check, NonFiniteError for NaN or Inf.

    >>> import numpy as np, knetpy as kn
    >>> x, w = np.array([0.5, -1.0]), kn.param(np.array([[1.0, 2.0], [0.5, 1.0]]))
    >>> kn.gradcheck(lambda x: np.tanh(x @ w), x).modes[:3]
    ['reverse', 'forward', 'reverse-over-reverse']
    >>> cube = kn.primitive(lambda x: x ** 3, name="cube", x=lambda dy, x: dy * 2 * x ** 2)
    >>> kn.gradcheck(lambda x: cube(x) + 1, x)
    Traceback (most recent call last):
    ...
    knetpy.check.errors.GradcheckError: the derivative of <lambda> by argument 0, element (1,), is wrong...
    """
    check_callable(f, "gradcheck", "{}(f, x)")
    for option, given in (("tolerance", tolerance), ("step", step)):
        if given is not None:
            number("gradcheck", option, given, above=0)
    start = whole(seed)
    if start is None or start < 0:
        raise ValueError(f"gradcheck: seed must be an integer >= 0, got {seed!r:.60}")
    chosen = _modes(order, modes)
    if any(trace.derives for trace in active()):
        raise DerivativeError("gradcheck runs transforms of its own; call it outside of grad and the others")
    mode = default_training(False)
    try:
        with np.errstate(all="ignore"):
            return _checked(Point(f, args), _Plan(chosen, tolerance, step, start), raises)
    finally:
        restore_training(mode)


def _modes(order, modes):
    """{order: {mode: its transforms}} of what was asked for."""
    given, order = order, whole(order)
    if order not in (1, 2, 3):
        raise ValueError(f"gradcheck: order must be 1, 2 or 3, got {given!r:.60}")
    if not isinstance(modes, (str, list, tuple, set)):
        raise TypeError(f'gradcheck: modes must be "all" or a list of modes, got {modes!r:.60}')
    known = [name for n in range(1, order + 1) for name in MODES[n]]
    wanted = known if modes == "all" else [modes] if isinstance(modes, str) else list(modes)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f'gradcheck: modes must be "all" or among {", ".join(known)} at order {order}, got {name!r}'
            )
    if not wanted:
        raise ValueError('gradcheck: modes is empty; "all" checks all')
    found = {n: {name: ways for name, ways in MODES[n].items() if name in wanted} for n in range(1, order + 1)}
    return {n: ways for n, ways in found.items() if ways}


@dataclass
class _Plan:
    """What is to be checked, and how."""

    modes: dict
    tolerance: float | None
    step: float | None
    seed: int

    def run(self, point):
        """(its check, relative error, `Failure` or None) of each order."""
        point.check()
        dtype = point.precision()
        step, tolerance, shrinking = PRECISION[dtype.name]
        steps = [float(step if self.step is None else self.step) * s for s in shrinking]
        how = tolerance if self.tolerance is None else self.tolerance, steps, np.finfo(dtype).eps, self.seed
        for n, ways in self.modes.items():
            check = Order(point, n, ways, *how)
            error, failure = check.run()
            if failure and failure.kind == "rough":  # where f varies quickly: again with steps as small as each element
                point.narrow()
                check = Order(point, n, ways, *how)
                error, failure = check.run()
            yield check, error, failure

    def wrong(self, point):
        """(order, number of the variable or None, mode) of the first failure, if that is a wrong derivative."""
        for check, _, failure in self.run(point):
            if failure:
                (mode, _), *_ = check.worst(failure.direction, check.line(failure.direction))
                return (check.order, failure.variable, mode) if failure.kind == "wrong" else None
        return None


def _checked(point, plan, raises):
    """The report of all orders, or of the first failure."""
    names = [f"{v.name} {v.start.shape}" for v in point.variables]
    report = Report(point.name, names, [mode for ways in plan.modes.values() for mode in ways], plan.tolerance)
    try:
        for check, error, failure in plan.run(point):
            report.tolerance, report.errors[check.order] = check.tolerance, error
            if failure:
                raise explained(check, failure)
    except GradcheckError as failure:
        if failure.kind == "wrong":
            failure.suspect = suspect(point, plan.wrong)
            failure.args = (f"{failure}; {failure.suspect or 'no primitive is wrong when it is checked by itself'}",)
        if raises:
            raise failure from None
        report.failure = failure
    finally:
        point.restore()
    return report
