"""Products, logarithms and floors of the losses, with their limits where a factor is 0 or infinite."""

import numpy as np

from ..core.primitive import primitive


@primitive(elementwise=True, trusted=True, w=lambda dy, q: weighted(dy, q), q=lambda dy, w: dy * w)
def weighted(w, q):
    """w * q, and 0 where the weight w is 0, though q may be infinite; NaN stays."""
    return w * np.where(np.equal(w, 0) & np.isinf(q), 0, q)


@primitive(
    elementwise=True,
    trusted=True,
    w=lambda dy, p: weighted(dy, np.log(p)),
    p=lambda dy, w, p: dy * (w / np.where(_unread(w, p), 1, p)),
)
def xlogy(w, p):
    """w * log(p), and 0 where w is 0, though p may be 0; the derivative by p is 0 there. NaN stays."""
    with np.errstate(divide="ignore"):
        return w * np.log(np.where(_unread(w, p), 1, p))


def _unread(w, p):
    return np.equal(w, 0) & ~np.isnan(p)


@primitive(trusted=True, x=lambda dy: dy)
def floored(x, *, least):
    """max(x, least), through which the derivative passes as if it were x everywhere."""
    return np.maximum(x, max(least, float(np.finfo(x.dtype).tiny)))
