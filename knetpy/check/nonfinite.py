"""Find where the first NaN or Inf comes from."""

from contextlib import contextmanager

import numpy as np

from ..core.errors import NonFiniteError, place
from ..core.primitive import Trace
from ..core.value import active, bare, traces


@contextmanager
def check_nonfinite():
    """While this is open, raise NonFiniteError at the first NaN or Inf, forward or backward, naming op and user line.

    Watches every call on params and on values being differentiated, and every cotangent. Slows down small ops: for finding a
    fault, not for training.

    >>> import knetpy as kn
    >>> with kn.check_nonfinite():
    ...     kn.grad(lambda x: np.sqrt(x))(0.0)
    Traceback (most recent call last):
    ...
    knetpy.core.errors.NonFiniteError: ...
    """
    token = traces.set((_Watch(), *active()))
    try:
        yield
    finally:
        traces.reset(token)


class _Watch(Trace):
    """Told of every call and every cotangent; follows nothing."""

    def observe(self, call, depth):
        for x in call.outs:
            _check(x.value, f"the result of {call.op.name}", call.code, call.lasti, call.seen)
        return False

    def watch(self, uid, step, dy):
        for part in dy if isinstance(dy, tuple) else (dy,):
            _check(bare(part), f"the derivative that enters {step[-3].name} backwards", step[-2], step[-1], ())


def _check(array, what, code, lasti, operands):
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return
    bad = array[~np.isfinite(array)] if array.shape else np.asarray([array])
    kind = "NaN" if np.isnan(bad).any() else "Inf"
    guilty = [i for i, a in enumerate(operands) if not np.isfinite(bare(a)).all()]
    remark = f"; operand {guilty[0]} was not finite to begin with" if guilty else ""
    raise NonFiniteError(
        f"{what}, of shape {array.shape}, has {len(bad)} of {array.size} elements not finite (first: {kind}), "
        f"at {place(code, lasti)}{remark}"
    )
