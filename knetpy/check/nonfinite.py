"""Find where the first NaN or Inf comes from."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..core.errors import NonFiniteError, place
from ..core.trace import Trace, active, tracing
from ..core.value import bare
from ..devices import host


@contextmanager
def check_nonfinite() -> Iterator[None]:
    """While this is open, raise NonFiniteError at the first NaN or Inf, forward or backward, naming op and user line.

    Put grad, minimize or tape inside: it watches every call on values being differentiated and every cotangent. Slows
    down small ops: for finding a fault, not for training.

    Returns: a context, for one `with`.
    Raises: NonFiniteError inside of it.

    >>> import numpy as np, knetpy as kn
    >>> with kn.check_nonfinite():
    ...     kn.grad(lambda x: np.sqrt(x))(0.0)
    Traceback (most recent call last):
    ...
    knetpy.core.errors.NonFiniteError: the derivative of sqrt, of shape (), has 1 of 1 elements not finite ...
    """
    with tracing(_Watch(), *active()):
        yield


class _Watch(Trace):
    """Told of every call and every cotangent; follows nothing."""

    def observe(self, call, depth):
        for x in call.outs:
            _check(x.value, f"the result of {call.op.name}", call.frame.f_code, call.frame.f_lasti, call.seen)
        return False

    def watch(self, uid, step, dy, dxs):
        for dx in dxs:
            _check(
                bare(dx),
                f"the derivative of {step[-3].name}",
                step[-2],
                step[-1],
                dy if isinstance(dy, tuple) else (dy,),
            )


def _check(array, what, code, lasti, operands):
    if _finite(array):
        return
    array = host(array)
    bad = array[~np.isfinite(array)] if array.shape else np.asarray([array])
    kind = "NaN" if np.isnan(bad).any() else "Inf"
    guilty = [i for i, a in enumerate(operands) if not _finite(bare(a))]
    remark = f"; its operand {guilty[0]} was not finite to begin with" if guilty else ""
    raise NonFiniteError(
        f"{what}, of shape {array.shape}, has {len(bad)} of {array.size} elements not finite (first: {kind}), "
        f"at {place(code, lasti)}{remark}"
    )


def _finite(x):
    """Whether there is no NaN or Inf in it; integers, masks and None, an operand left out, have none."""
    return getattr(x, "dtype", np.dtype(bool)).kind not in "fc" or bool(np.isfinite(x).all())
