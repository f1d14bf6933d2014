"""`r += v` and its like of a value being differentiated."""

import operator

import numpy as np

from ..core.errors import DtypeError, ShapeError
from ..core.value import Result


def _augmented(name, sign):
    """It makes a new value, as r = r + v, but of the shape and dtype of r: NumPy would write into r."""
    plainly = getattr(operator, name)

    def method(self, other):
        y = plainly(self, other)
        if not self.shape or (y.dtype == self.dtype and y.shape == self.shape):  # NumPy replaces its scalars
            return y
        advice = f"write r = r {sign} v for a new one"
        if y.shape != self.shape:
            raise ShapeError(f"r {sign}= v: r of shape {self.shape} cannot hold a result of shape {y.shape}; {advice}")
        if not np.can_cast(y.dtype, self.dtype, "same_kind"):
            raise DtypeError(f"r {sign}= v: r of {self.dtype} cannot hold a result of {y.dtype}; {advice}")
        return y.astype(self.dtype)

    method.__name__ = f"__i{name}__"
    return method


_SIGNS = dict(add="+", sub="-", mul="*", truediv="/", floordiv="//", mod="%", pow="**", matmul="@")
for _name, _sign in _SIGNS.items():
    setattr(Result, f"__i{_name}__", _augmented(_name, _sign))
