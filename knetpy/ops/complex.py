"""Complex numbers: the functions that are not analytic, each with the transpose of its derivative.

As in all rules the pairing is Re(sum(dy * dx)), see `core.tape`. At 0 the derivatives of `abs`, `angle` and `sign` are
0, as PyTorch's.
"""

import math

import numpy as np

from ..core.primitive import constant, primitive
from ..core.value import bare
from .spelling import spells


def is_complex(x):
    """Whether an array, bare or not, is complex."""
    return x.dtype.kind == "c"


def conjugated(x):
    """The conjugate of an array; a real one as it is."""
    return np.conjugate(x) if is_complex(x) else x


_real = primitive(lambda x: x.real, name="real", elementwise=True, x=lambda dy: dy)  # recording gives x's dtype
_imag = primitive(lambda x: x.imag, name="imag", elementwise=True, x=lambda dy: dy * -1j)


@spells(np.real)
def real(val):
    """`np.real` and `x.real`.

    >>> import knetpy as kn
    >>> kn.grad(lambda z: np.real(z * z))(1 + 2j)
    np.complex128(2-4j)
    """
    return _real(val)


@spells(np.imag)
def imag(val):
    """`np.imag` and `x.imag`."""
    return _imag(val)


def _over_nonzero(a, x):
    """a / x, and 0 where x is 0, as are its derivatives."""
    zero = x == 0
    return np.where(zero, 0, a) / np.where(zero, x.dtype.type(1), x)


_angle = primitive(lambda x: np.angle(x), name="angle", elementwise=True, x=lambda dy, x: _over_nonzero(dy * -1j, x))


@spells(np.angle)
def angle(z, deg=False):
    """`np.angle`; of real numbers it is a constant, and the derivative at 0 is 0.

    >>> import knetpy as kn
    >>> kn.grad(np.angle)(1j)
    np.complex128(-1+0j)
    """
    return _angle(z) * (180 / math.pi) if deg else _angle(z)


_sign_of_real = constant(np.sign)
_sign = primitive(  # it moves along the circle only
    lambda x: np.sign(x),
    name="sign",
    elementwise=True,
    x=lambda dy, y, x: _over_nonzero(np.imag(dy * y) * 1j * np.conjugate(y), np.abs(x)),
)


@spells(np.sign)
def sign(x, /):
    """`np.sign`: of complex numbers x / abs(x), and 0 at 0, as is its derivative; of real ones a constant."""
    return _sign(x) if is_complex(x) else _sign_of_real(x)


@spells(np.real_if_close)
def real_if_close(a, tol=100):
    """`np.real_if_close`: the real parts, if the imaginary ones are as small as rounding errors."""
    return real(a) if is_complex(a) and np.isrealobj(np.real_if_close(bare(a), tol)) else +a
