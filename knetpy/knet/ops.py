"""Knet's operators: weights first, axes counted as in Julia, and its defaults."""

import numpy as np

from ..calls import speaking, told
from ..core.errors import ShapeError
from ..core.value import bare
from ..ops.activation import sigmoid
from ..ops.arguments import array_of, as_floating, count_of, flag, number, whole
from ..ops.conv import conv, conv_transpose
from ..ops.dropout import dropout as _dropout
from ..ops.linear import bmm as _bmm
from ..ops.linear import mat as _mat
from ..ops.pool import pool as _pool
from ..ops.softmax import logsoftmax as _logsoftmax
from ..ops.softmax import logsumexp as _logsumexp
from ..ops.softmax import softmax as _softmax
from ..ops.unpool import unpool as _unpool
from ..random import DROPOUT, drawing_from
from ..settings import training

tanh = np.tanh
sigm = speaking(sigmoid="sigm")(sigmoid)
MODES = {0: "max", 1: "mean", 2: "mean_valid", 3: "max"}


def _scaled(name, y, alpha):
    alpha = number(name, "alpha", alpha)
    return y if alpha == 1 else y * alpha


def one_number(name, option, given, known):
    """An option that is one of some numbers, as an int."""
    if whole(given) not in known:
        raise ValueError(f"{name}: {option} must be {' or '.join(map(str, known))}, got {given!r:.60}")
    return whole(given)


# ------------------------------------------------------------------------------------------- convolution, pooling


@speaking(conv="conv4", groups="group")
@told
def conv4(w, x, *, padding=0, stride=1, dilation=1, mode=0, alpha=1, group=1):
    """Convolution of x with the windows w: `conv` with w first, by default a true one, which turns the window round.

    Parameters:
      w: (O, C / group, *K), floating: Julia's (W1, W2, C, O) read from the last axis to the first, and so is x.
      x: (N, C, *S), of the same dtype, with 1, 2 or 3 spatial axes.
      padding=0, stride=1, dilation=1: a number, or one for each spatial axis in our order.
      mode=0: 0 for convolution, 1 for cross-correlation, which does not turn the window.
      alpha=1: a number that the result is multiplied by.
      group=1: in how many groups the channels are convolved.
    Returns: (N, O, *So) with So = 1 + (S + 2 * padding - (K - 1) * dilation - 1) // stride.

    >>> import numpy as np, knetpy as kn
    >>> w, x = np.array([[[1.0, 2.0, 3.0]]]), np.arange(1.0, 8.0).reshape(1, 1, 7)
    >>> kn.knet.conv4(w, x), kn.knet.conv4(w, x, mode=1)[0, 0, 0]
    (array([[[10., 16., 22., 28., 34.]]]), np.float64(14.0))
    """
    flip = one_number("conv4", "mode", mode, (0, 1)) == 0
    y = conv(x, w, padding=padding, stride=stride, dilation=dilation, groups=group, flip=flip)
    return _scaled("conv4", y, alpha)


@speaking(conv_transpose="deconv4", groups="group")
@told
def deconv4(w, x, *, padding=0, stride=1, dilation=1, mode=0, alpha=1, group=1):
    """The transpose of `conv4`: `conv_transpose` with w first.

    Parameters:
      w: (C, O / group, *K), floating: Julia's (W1, W2, O, C) read from the last axis to the first.
      x, padding=0, stride=1, dilation=1, mode=0, alpha=1, group=1: as for `conv4`.
    Returns: (N, O, *So) with So = (S - 1) * stride + (K - 1) * dilation + 1 - 2 * padding.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.deconv4(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 2.,  1., 20., 10.]]])
    """
    flip = one_number("deconv4", "mode", mode, (0, 1)) == 0
    y = conv_transpose(x, w, padding=padding, stride=stride, dilation=dilation, groups=group, flip=flip)
    return _scaled("deconv4", y, alpha)


@told
def pool(x, *, window=2, padding=0, stride=None, mode=0, maxpoolingNanOpt=1, alpha=1):
    """The largest or the mean of the elements under each place of a window: `kn.pool` with Knet's modes.

    Parameters:
      x: (N, C, *S), floating: Julia's (X1, X2, C, N) read from the last axis to the first.
      window=2, padding=0, stride=None: a number, or one for each spatial axis in our order; by default the window.
      mode=0: 0 or 3 for the largest, 1 for the mean with the padding counted, 2 for the mean without it.
      maxpoolingNanOpt=1: 1 for a NaN to be the largest, 0 for it to be passed over, as if it were -Inf.
      alpha=1: a number that the result is multiplied by.
    Returns: (N, C, *So) with So = 1 + (S + 2 * padding - window) // stride.

    >>> import numpy as np, knetpy as kn
    >>> x = np.arange(1.0, 7.0).reshape(1, 1, 6)
    >>> [kn.knet.pool(x, padding=1, mode=mode).ravel().tolist() for mode in (0, 1, 2)]
    [[1.0, 3.0, 5.0, 6.0], [0.5, 2.5, 4.5, 3.0], [1.0, 2.5, 4.5, 6.0]]
    """
    mode = MODES[one_number("pool", "mode", mode, MODES)]
    if one_number("pool", "maxpoolingNanOpt", maxpoolingNanOpt, (0, 1)) == 0 and mode == "max":
        (x,) = as_floating("pool", x=x)
        x = np.where(np.isnan(x), -np.inf, x)
    return _scaled("pool", _pool(x, window, padding=padding, stride=stride, mode=mode), alpha)


@told
def unpool(x, *, window=2, padding=0, stride=None, mode=0, maxpoolingNanOpt=1, alpha=1):
    """An inverse of `pool`, pool(unpool(x)) = x: each element is spread over its place of the window.

    Parameters:
      x, window=2, padding=0, stride=None, mode=0, maxpoolingNanOpt=1, alpha=1: those of the `pool` that it undoes.
    Returns: (N, C, *S) with S = (So - 1) * stride + window - 2 * padding.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.unpool(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """
    counts = one_number("unpool", "mode", mode, MODES) == 1
    one_number("unpool", "maxpoolingNanOpt", maxpoolingNanOpt, (0, 1))
    alpha = number("unpool", "alpha", alpha)
    if alpha == 0:
        raise ValueError("unpool: alpha must not be 0, which pool would multiply by")
    (x,) = as_floating("unpool", x=x)
    y = _unpool(x, window, padding=padding, stride=stride)
    if counts:  # what pool divides by, the padding too, is more than it finds
        ones = np.ones_like(bare(y), shape=(1, 1, *y.shape[2:]))
        shares = _pool(ones, window, padding=padding, stride=stride, mode="mean")
        y = _unpool(x / shares, window, padding=padding, stride=stride)
    return _scaled("unpool", y, 1 / alpha)


# ------------------------------------------------------------------------------------------- matrices, elements


@told
def mat(x, *, dims=None):
    """`x` as a matrix: its last `dims` axes, Julia's first, become columns, the others rows.

    Parameters:
      x: an array, (N, C, H, W) for Julia's (W, H, C, N); the matrix, too, is the transpose of Julia's.
      dims=None: how many axes become columns, by default all but the first: a row for each image. 1 is for sequences
        (B, T, H).
    Returns: (the product of the other sizes, the product of the last `dims` sizes).

    >>> import numpy as np, knetpy as kn
    >>> [kn.knet.mat(np.zeros((3, 2, 8, 8)), dims=dims).shape for dims in (None, 4, 2, 1, 0)]
    [(3, 128), (1, 384), (6, 64), (48, 8), (384, 1)]
    """
    x = array_of("mat", "x", x)
    ndim = len(x.shape)
    dims = max(ndim - 1, 0) if dims is None else count_of("mat", "dims", dims)
    if dims > ndim:
        raise ShapeError(f"mat: dims must be from 0 to {ndim} for x of shape {x.shape}, got {dims}")
    return _mat(x, ndim - dims)


@speaking(transpose_a="transA", transpose_b="transB", a="A", b="B")
@told
def bmm(A, B, *, transA=False, transB=False):
    """Products of the matrices in two batches, which are the first axes, Julia's last; matrices are not turned round.

    Parameters:
      A: (..., M, K), or (..., K, M) with transA; floating, with three axes or more. Julia's is (M, K, ...).
      B: (..., K, N), or (..., N, K) with transB, of the same dtype.
      transA=False, transB=False: whether the last two axes change places.
    Returns: (..., M, N).

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.bmm(np.ones((2, 3, 4)), np.ones((2, 5, 4)), transB=True).shape
    (2, 3, 5)
    """
    return _bmm(A, B, transpose_a=transA, transpose_b=transB)


@told
def invx(x):
    """1 / x, which Knet had before Julia wrote 1 ./ x as quickly.

    Parameters:
      x: a floating array.
    Returns: an array of its shape and dtype.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.invx(np.array([1.0, 4.0]))
    array([1.  , 0.25])
    """
    (x,) = as_floating("invx", x=x)
    return 1 / x


@told
def dropout(x, p, *, seed=0, drop=None):
    """Zero each element with probability p and divide the others by 1 - p, in training mode; else x as it is.

    Parameters:
      x: a floating array. p: a number from 0 to 1.
      seed=0: 0 to draw from the stream that `kn.seed` begins; another integer draws the same elements at every call
        and leaves the stream alone, where Knet began it anew.
      drop=None: True or False to decide by it instead of by `training`.
    Returns: an array of the shape and dtype of x.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.dropout(np.ones(4), 0.5), kn.knet.dropout(np.ones(4), 0.5, seed=1, drop=True)
    (array([1., 1., 1., 1.]), array([2., 0., 2., 2.]))
    """
    seed = count_of("dropout", "seed", seed)
    if seed >= 2**64:
        raise ValueError(f"dropout: seed must be less than 2**64, got {seed}")
    with training(training() if drop is None else flag("dropout", "drop", drop)):
        if not seed:
            return _dropout(x, p)
        with drawing_from((seed, DROPOUT, 0)):
            return _dropout(x, p)


def axis_of_dims(name, x, dims):
    """Our axes of Julia's `dims`, counted from the last; None for all."""
    if dims is None:
        return None
    ndim = len(x.shape)
    found = [whole(d) for d in dims] if isinstance(dims, (tuple, list)) else [whole(dims)]
    if not all([d is not None and 1 <= d <= ndim for d in found]):
        raise ValueError(
            f"{name}: dims must be from 1, the last axis, to {ndim}, the first, or None for all, got {dims!r:.60}; "
            f"x has shape {x.shape}"
        )
    return tuple([-d for d in found])


@told
def softmax(x, *, dims=None):
    """exp(x) / sum(exp(x)), over the whole array if no `dims` are given.

    Parameters:
      x: a floating array.
      dims=None: over which axes it sums up to 1, a number or a tuple of them as in Julia: 1 is our last axis, -1, and 2
        the one before it. None, Julia's colon, is for all.
    Returns: an array of the shape and dtype of x.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.softmax(np.zeros((2, 2))).tolist(), kn.knet.softmax(np.zeros((2, 2)), dims=1).tolist()
    ([[0.25, 0.25], [0.25, 0.25]], [[0.5, 0.5], [0.5, 0.5]])
    """
    (x,) = as_floating("softmax", x=x)
    return _softmax(x, axis_of_dims("softmax", x, dims))


@told
def logsoftmax(x, *, dims=None):
    """log(softmax(x)), over the whole array if no `dims` are given; also called `logp`.

    Parameters and returns: as for `softmax`.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.logp(np.array([[0.0, 0.0], [0.0, 1000.0]]), dims=1).round(3).tolist()
    [[-0.693, -0.693], [-1000.0, 0.0]]
    """
    (x,) = as_floating("logsoftmax", x=x)
    return _logsoftmax(x, axis_of_dims("logsoftmax", x, dims))


logp = logsoftmax


@told
def logsumexp(x, *, dims=None):
    """log(sum(exp(x))), of the whole array if no `dims` are given.

    Parameters: as for `softmax`.
    Returns: a scalar; with dims an array in which these axes stay with size 1, as Julia's sums have them.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.logsumexp(np.zeros((2, 2))).round(3), kn.knet.logsumexp(np.zeros((2, 3)), dims=1).shape
    (np.float64(1.386), (2, 1))
    """
    (x,) = as_floating("logsumexp", x=x)
    return _logsumexp(x, axis_of_dims("logsumexp", x, dims), keepdims=dims is not None)
