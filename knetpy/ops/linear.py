"""Matrices and products."""

import math

import numpy as np

from ..core.errors import ShapeError
from ..core.primitive import primitive
from ..kernels import kernel
from .arguments import array_of, as_floating, flag, flags, per_axis
from .bias import check_activation, check_bias, finished
from .matmul import _matmul
from .piecewise import relu

_kernel, _back = kernel("matmul", "matmul"), kernel("bias", "back")


def mat(x, dims=1):
    """`x` as a matrix: its first `dims` axes become rows, the others columns; images (N, C, H, W) become (N, C*H*W).

    Parameters:
      x: array with at least `dims` axes.
      dims=1: how many of its axes become rows, a whole number.
    Returns: (prod(x.shape[:dims]), prod(x.shape[dims:])), a view of x where NumPy can make one.
    Raises: ShapeError for more axes than x has, ValueError for another number.
    Derivative: dy in the shape of x.

    >>> import numpy as np, knetpy as kn
    >>> kn.mat(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    """
    x = array_of("mat", "x", x)
    shape, (dims,) = x.shape, per_axis("mat", "dims", dims, 1, 0)
    if dims > len(shape):
        raise ShapeError(f"mat: dims must be from 0 to {len(shape)} for x of shape {shape}, got {dims}")
    return np.reshape(x, (math.prod(shape[:dims]), math.prod(shape[dims:])))


def bmm(a, b, *, transpose_a=False, transpose_b=False):
    """Products of the matrices in two batches; `a @ b` is the same with NumPy's promotion and broadcasting.

    Parameters:
      a: (..., I, K), or (..., K, I) with transpose_a; floating, with three axes or more.
      b: (..., K, J), or (..., J, K) with transpose_b; of the dtype of a, with as many axes. The leading axes are equal,
        or 1 in one.
      transpose_a=False, transpose_b=False: whether the last two axes change places.
    Returns: (..., I, J).
    Raises: ShapeError, DtypeError.
    Derivative: by a and b.

    >>> import numpy as np, knetpy as kn
    >>> kn.bmm(np.ones((2, 3, 4)), np.ones((2, 5, 4)), transpose_b=True).shape
    (2, 3, 5)
    """
    a, b = as_floating("bmm", a=a, b=b)
    transpose_a, transpose_b = flags("bmm", transpose_a=transpose_a, transpose_b=transpose_b)
    _check_bmm(a.shape, b.shape, transpose_a, transpose_b)
    return _matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


def _check_bmm(a, b, transpose_a, transpose_b):
    if len(a) < 3 or len(a) != len(b):
        raise ShapeError(
            f"bmm: a and b must have equally many axes, three or more, got {a} and {b}; one matrix is w[None], and "
            "two of them are a @ b"
        )
    if any(m != n and 1 not in (m, n) for m, n in zip(a[:-2], b[:-2])):
        raise ShapeError(f"bmm: the leading axes of a {a} and b {b} must be equal, or 1 in one of them")
    i, j = len(a) - (2 if transpose_a else 1), len(b) - (1 if transpose_b else 2)
    if a[i] != b[j]:
        raise ShapeError(
            f"bmm: axis {i} of a {a} and axis {j} of b {b} are summed over and must agree, got {a[i]} and {b[j]}; see "
            "transpose_a= and transpose_b="
        )


def linear(x, w, bias=None, *, activation=None, transpose_w=False):
    """activation(x @ w + bias), over the last axis of x: a fully connected layer.

    Parameters:
      x: (..., I), floating. w: (I, O), of the same dtype. bias=None: (O,).
      activation=None: a function such as kn.relu, applied last.
      transpose_w=False: whether w is (O, I), as PyTorch has it.
    Returns: (..., O).
    Raises: ShapeError, DtypeError, TypeError.
    Derivative: by x, w and bias; at kinks that of the activation.

    >>> import numpy as np, knetpy as kn
    >>> kn.linear(np.ones((2, 3)), np.ones((3, 2)), np.array([0.0, -9.0]), activation=kn.relu)
    array([[3., 0.],
           [3., 0.]])
    """
    check_activation("linear", activation)
    x, w, bias = as_floating("linear", x=x, w=w, bias=bias, optional=("bias",))
    transpose_w = flag("linear", "transpose_w", transpose_w)
    _check_linear(x.shape, w.shape, bias, transpose_w)
    *leading, size = x.shape
    w = w.T if transpose_w else w
    if len(leading) == 1:
        return dense(x, w, bias, activation=activation)
    y = dense(np.reshape(x, (math.prod(leading), size)), w, bias, activation=activation)
    return np.reshape(y, (*leading, y.shape[-1]))


def dense(x, w, bias=None, *, activation):
    """activation(x @ w + bias) of matrices; bias and ReLU at the store of the product."""
    if bias is not None and activation in (None, relu):
        return (_affine if activation is None else _rectified)(x, w, bias)
    return finished(_matmul(x, w), bias, activation, -1)


# Two, as only one keeps its value for its derivative.
_affine = primitive(
    lambda x, w, bias: _kernel(x, w, bias=bias),
    name="linear",
    composed=lambda x, w, bias: _matmul(x, w) + bias,
    x=lambda dy, w: _matmul(dy, w.T),
    w=lambda dy, x: _matmul(x.T, dy),
    bias=lambda dy: _back(dy, None, None)[1],
)
_rectified = primitive(
    lambda x, w, bias: _kernel(x, w, bias=bias, activation="relu"),
    name="linear",
    composed=lambda x, w, bias: relu(_matmul(x, w) + bias),
    through=lambda dy, y, out: _back(dy, y, "relu", out=out),  # (cotangent of the sums, of the bias)
    x=lambda dy, w: _matmul(dy[0], w.T),
    w=lambda dy, x: _matmul(x.T, dy[0]),
    bias=lambda dy: dy[1],
)


def _check_linear(x, w, bias, transpose_w):
    if not x or len(w) != 2:
        raise ShapeError(f"linear: x must be (..., I) and w a matrix, got {x} and {w}")
    size, out = reversed(w) if transpose_w else w
    layout = "(O, I)" if transpose_w else "(I, O)"
    if x[-1] != size:
        other = "; write transpose_w=" + str(not transpose_w) if x[-1] == out else "; images become rows with kn.mat(x)"
        raise ShapeError(
            f"linear: w {w} is {layout} with I = {size}, but the last axis of x {x} has {x[-1]} elements{other}"
        )
    check_bias("linear", bias, out, f"output (w {w})")


def bilinear(x1, x2, w, bias=None):
    """For each output o the product x1 @ w[o] @ x2, plus bias; PyTorch's bilinear.

    Parameters:
      x1, x2: (..., I) and (..., J), floating, of one dtype, with the same leading axes.
      w: (O, I, J). bias=None: (O,).
    Returns: (..., O).
    Raises: ShapeError, DtypeError.
    Derivative: by x1, x2, w and bias.

    >>> import numpy as np, knetpy as kn
    >>> kn.bilinear(np.ones((4, 2)), np.ones((4, 3)), np.ones((1, 2, 3))).tolist()
    [[6.0], [6.0], [6.0], [6.0]]
    """
    x1, x2, w, bias = as_floating("bilinear", x1=x1, x2=x2, w=w, bias=bias, optional=("bias",))
    _check_bilinear(x1.shape, x2.shape, w.shape, bias)
    o, i, j = w.shape
    leading = x1.shape[:-1]
    n = math.prod(leading)
    y = _matmul(np.reshape(x1, (n, i)), np.reshape(np.transpose(w, (1, 0, 2)), (i, o * j)))
    y = _matmul(np.reshape(y, (n, o, j)), np.reshape(x2, (n, j, 1)))
    y = np.reshape(y, (*leading, o))
    return y if bias is None else y + bias


def _check_bilinear(x1, x2, w, bias):
    if not x1 or not x2 or len(w) != 3 or (x1[-1], x2[-1]) != w[1:]:
        raise ShapeError(f"bilinear: x1 (..., I), x2 (..., J) and w (O, I, J) do not fit, got {x1}, {x2} and {w}")
    if x1[:-1] != x2[:-1]:
        raise ShapeError(f"bilinear: the leading axes of x1 {x1} and x2 {x2} must be equal; see np.broadcast_to")
    check_bias("bilinear", bias, w[0], f"output (w {w})")
