"""`np.fft`: discrete Fourier transforms of any kind.

They are linear, so that their derivatives are transforms again: of `fft` and `ifft` they are themselves (the matrix is
symmetric), and `rfft` and `irfft` are each other's, but for weights. Transforms along several axes are taken axis by
axis, as NumPy does, so that an axis may be repeated.
"""

import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..core.primitive import primitive
from ..devices import beside
from .axes import refuse
from .complex import conjugated
from .spelling import spells

_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _fitted(x, n, axis):
    """`x` cut off or filled up with zeros to size n: the transpose of what a transform does to its operand."""
    size = x.shape[axis]
    if size > n:
        return x[(slice(None),) * axis + (slice(n),)]
    return x if size == n else np.pad(x, [(0, n - size if a == axis else 0) for a in range(len(x.shape))])


def _twice(n, axis, like):
    """How often each number that `irfft` takes stands in the whole spectrum of n: 2, but 1 for the mirrored ones."""
    mirrored = [(2 * k) % n == 0 for k in range(n // 2 + 1)]
    counts = np.where(mirrored, 1, 2).astype(like.dtype)
    return beside(np.expand_dims(counts, tuple(range(1, len(like.shape) - axis))), like)


def _fft_rule(dy, x_shape, n, axis, norm):
    return _fitted(_fft(dy, n=n, axis=axis, norm=norm), x_shape[axis], axis)


def _ifft_rule(dy, x_shape, n, axis, norm):
    return _fitted(_ifft(dy, n=n, axis=axis, norm=norm), x_shape[axis], axis)


def _rfft_rule(dy, x_shape, n, axis, norm):
    half = np.conj(dy / _twice(n, axis, dy))
    return _fitted(_irfft(half, n=n, axis=axis, norm=_OPPOSITE[norm]), x_shape[axis], axis)


def _irfft_rule(dy, x_shape, n, axis, norm):
    half = np.conj(_rfft(dy, n=n, axis=axis, norm=_OPPOSITE[norm]))
    return _fitted(half * _twice(n, axis, dy), x_shape[axis], axis)


_fft = primitive(lambda x, *, n, axis, norm: np.fft.fft(x, n, axis, norm), name="fft", x=_fft_rule)
_ifft = primitive(lambda x, *, n, axis, norm: np.fft.ifft(x, n, axis, norm), name="ifft", x=_ifft_rule)
_rfft = primitive(lambda x, *, n, axis, norm: np.fft.rfft(x, n, axis, norm), name="rfft", x=_rfft_rule)
_irfft = primitive(lambda x, *, n, axis, norm: np.fft.irfft(x, n, axis, norm), name="irfft", x=_irfft_rule)


def _along(op, x, n, axis, norm, size=lambda m: m):
    """The transform along one axis; `size` of the axis is the default of n."""
    axis = normalize_axis_index(operator.index(axis), len(x.shape))
    n = size(x.shape[axis]) if n is None else operator.index(n)
    return op(x, n=n, axis=axis, norm=norm)


def _of_half(m):
    return 2 * (m - 1)


def _axes(x, s, axes):
    """[(size, axis)] of a transform along several axes."""
    if axes is None:
        axes = range(len(x.shape)) if s is None else range(-len(s), 0)
    axes = [normalize_axis_index(operator.index(a), len(x.shape)) for a in axes]
    sizes = [-1] * len(axes) if s is None else list(s)
    if len(sizes) != len(axes):
        raise ValueError(f"np.fft: s has {len(sizes)} sizes for {len(axes)} axes; give a size for each axis")
    return [(x.shape[a] if n == -1 else n, a) for n, a in zip(sizes, axes)]


def _along_all(op, x, pairs, norm):
    for n, axis in reversed(pairs):
        x = _along(op, x, n, axis, norm)
    return x


@spells(np.fft.fft)
def fft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.fft`.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.abs(np.fft.fft(x))[0])(np.array([3.0, 4.0]))
    array([1., 1.])
    """
    refuse("fft.fft", out=out)
    return _along(_fft, a, n, axis, norm)


@spells(np.fft.ifft)
def ifft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.ifft`."""
    refuse("fft.ifft", out=out)
    return _along(_ifft, a, n, axis, norm)


@spells(np.fft.rfft)
def rfft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.rfft`."""
    refuse("fft.rfft", out=out)
    return _along(_rfft, a, n, axis, norm)


@spells(np.fft.irfft)
def irfft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.irfft`; the imaginary parts that it does not read have derivative 0."""
    refuse("fft.irfft", out=out)
    return _along(_irfft, a, n, axis, norm, _of_half)


@spells(np.fft.hfft)
def hfft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.hfft`."""
    refuse("fft.hfft", out=out)
    return _along(_irfft, conjugated(a), n, axis, _OPPOSITE.get(norm, norm), _of_half)


@spells(np.fft.ihfft)
def ihfft(a, n=None, axis=-1, norm=None, out=None):
    """`np.fft.ihfft`."""
    refuse("fft.ihfft", out=out)
    return np.conj(_along(_rfft, a, n, axis, _OPPOSITE.get(norm, norm)))


@spells(np.fft.fftn)
def fftn(a, s=None, axes=None, norm=None, out=None):
    """`np.fft.fftn`.

    >>> import knetpy as kn
    >>> kn.grad(lambda x: np.real(np.fft.fftn(x)[0, 0]))(np.ones((2, 2)))
    array([[1., 1.],
           [1., 1.]])
    """
    refuse("fft.fftn", out=out)
    return _along_all(_fft, a, _axes(a, s, axes), norm)


@spells(np.fft.ifftn)
def ifftn(a, s=None, axes=None, norm=None, out=None):
    """`np.fft.ifftn`."""
    refuse("fft.ifftn", out=out)
    return _along_all(_ifft, a, _axes(a, s, axes), norm)


@spells(np.fft.rfftn)
def rfftn(a, s=None, axes=None, norm=None, out=None):
    """`np.fft.rfftn`."""
    refuse("fft.rfftn", out=out)
    *others, (n, axis) = _axes(a, s, axes)
    return _along_all(_fft, _along(_rfft, a, n, axis, norm), others, norm)


@spells(np.fft.irfftn)
def irfftn(a, s=None, axes=None, norm=None, out=None):
    """`np.fft.irfftn`."""
    refuse("fft.irfftn", out=out)
    *others, (n, axis) = _axes(a, s, axes)
    n = _of_half(n) if s is None else n
    return _along(_irfft, _along_all(_ifft, a, others[::-1], norm), n, axis, norm, _of_half)


@spells(np.fft.fft2)
def fft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """`np.fft.fft2`."""
    return fftn(a, s, axes, norm, out)


@spells(np.fft.ifft2)
def ifft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """`np.fft.ifft2`."""
    return ifftn(a, s, axes, norm, out)


@spells(np.fft.rfft2)
def rfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """`np.fft.rfft2`."""
    return rfftn(a, s, axes, norm, out)


@spells(np.fft.irfft2)
def irfft2(a, s=None, axes=(-2, -1), norm=None, out=None):
    """`np.fft.irfft2`."""
    return irfftn(a, s, axes, norm, out)


def _shifted(x, axes, by):
    """`x` rolled along axes by what `by` makes of their sizes."""
    axes = tuple(range(len(x.shape))) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
    return np.roll(x, tuple([by(x.shape[a]) for a in axes]), tuple(axes))


@spells(np.fft.fftshift)
def fftshift(x, axes=None):
    """`np.fft.fftshift`."""
    return _shifted(x, axes, lambda n: n // 2)


@spells(np.fft.ifftshift)
def ifftshift(x, axes=None):
    """`np.fft.ifftshift`."""
    return _shifted(x, axes, lambda n: -(n // 2))
