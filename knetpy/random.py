"""Random numbers as a pure function of where they are drawn: seed, stream, call number, index.

The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC
2011). It has no state: block b of a draw is a function of the key (the seed) and the counter

    (low word of b, high word of b, low word of the call number, stream + 256 * (its high bits))

and four 32-bit words. Element i of a draw takes word i % 4 of block i // 4, in logical row-major order; a
float64 takes words 2i and 2i + 1. Any kernel on any device can therefore compute any element by itself and
get the same bits.
"""

from __future__ import annotations

import operator
import os
import reprlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from math import prod
from typing import Any

import numpy as np

from .graphs import capture
from .journal import recall
from .settings import whole

INIT, DROPOUT, SHUFFLE, USER = range(4)
STREAMS = 4

Position = tuple[int, int, int]  # seed, stream, call number

# ------------------------------------------------------------------------------------------------ positions

# One tuple, replaced as a whole: a thread sees the old seed with its counters or the new seed with its own.
_state = (int.from_bytes(os.urandom(8), "little"), tuple(count() for _ in range(STREAMS)))

__all__ = ["bits", "normal", "permutation", "rand", "randn", "restore", "seed", "state", "uniform"]


def seed(n: int) -> None:
    """Start all random numbers of knetpy over, as a function of `n`; without it they differ from run to run.

    It holds for every thread. NumPy's own generators are left alone.

    Parameters:
      n: an integer from 0 to 2**64 - 1.
    Raises: TypeError if n is not an integer, ValueError if it is out of range.

    >>> import knetpy as kn
    >>> kn.seed(1)
    >>> first = kn.random.rand(3)
    >>> kn.seed(1)
    >>> (kn.random.rand(3) == first).all().item()
    True
    """
    global _state
    number = whole(n)
    if number is None:
        raise TypeError(f"seed: n must be an integer, got {reprlib.repr(n)} of type {type(n).__name__}")
    if not 0 <= number < 2**64:
        raise ValueError(f"seed: n must be from 0 to 2**64 - 1, got {number}")
    _state = (number, tuple(count() for _ in range(STREAMS)))


def state() -> dict[str, Any]:
    """Where all random numbers of knetpy stand, for `kn.random.restore`.

    Returns: a dict of the seed and of the call numbers that the streams have reached.

    >>> import knetpy as kn
    >>> before = kn.random.state()
    >>> x = kn.random.rand(3)
    >>> kn.random.restore(before)
    >>> (kn.random.rand(3) == x).all().item()
    True
    """
    key, calls = _state
    return {"seed": key, "calls": [_reached(counter) for counter in calls]}


def _reached(counter: Any) -> int:
    return int(repr(counter)[len("count(") : -1])  # the one way to ask a counter that does not move it


def restore(state: Any) -> None:
    """Let all random numbers of knetpy go on from where they stood.

    Parameters:
      state: what `kn.random.state` returned.
    Raises: TypeError or ValueError for anything else; nothing is changed then.

    >>> import knetpy as kn
    >>> kn.random.restore({"seed": 1, "calls": [0, 0, 0, 0]})  # the same as kn.seed(1)
    """
    global _state
    if not isinstance(state, dict) or set(state) != {"seed", "calls"} or not isinstance(state["calls"], list):
        raise TypeError(f"restore: state must be what kn.random.state() returned, got {reprlib.repr(state)}")
    numbers = [state["seed"], *state["calls"]]
    if len(numbers) != 1 + STREAMS or not all(type(n) is int and 0 <= n < 2**64 for n in numbers):
        raise ValueError(
            f"restore: state must have a seed and {STREAMS} calls, integers from 0 to 2**64 - 1, "
            f"got {reprlib.repr(state)}"
        )
    _state = (numbers[0], tuple([count(n) for n in numbers[1:]]))


def take(stream: int) -> Position:
    """The next position of `stream` (INIT, DROPOUT, SHUFFLE or USER): (seed, stream, call number).

    Each is handed out once, to whichever thread asks; a replayed computation gets those of its first run
    again.
    """
    position, into = recall(lambda: _next(stream)), capture()
    if into:
        into.drawn(position, lambda: take(stream))
    return position


_own: ContextVar[tuple | None] = ContextVar("knetpy_random", default=None)  # a state that only one thread or task has


@contextmanager
def drawing_from(position: Position) -> Iterator[None]:
    """In this block, and in this thread or task only, all random numbers are a function of `position` alone.

    For work that threads and processes share, whose numbers must not depend on who does it, and when.
    """
    low, high = bits(position, 2).tolist()
    token = _own.set((low | high << 32, tuple(count() for _ in range(STREAMS))))
    try:
        yield
    finally:
        _own.reset(token)


def _next(stream: int) -> Position:
    key, calls = _own.get() or _state
    return key, stream, next(calls[stream])  # next() of an itertools.count is atomic


# ----------------------------------------------------------------------------------- functions of a position


def bits(position: Position, n: int) -> np.ndarray:
    """The first 32-bit words of the draw at a position.

    Parameters:
      position: (seed, stream, call number), three integers.
      n: how many, an integer of at least 0.
    Returns: (n,), uint32; the same position gives the same words.

    >>> import knetpy as kn
    >>> kn.random.bits((0, 3, 0), 2).dtype
    dtype('uint32')
    """
    key, stream, call = position
    words = np.empty(((n + 3) // 4, 4), np.uint32)
    for start in range(0, len(words), 4096):  # in pieces that stay in the cache
        piece = words[start : start + 4096]
        blocks = np.arange(start, start + len(piece), dtype=np.uint64)
        counter = (blocks & _LOW, blocks >> _32, call & 0xFFFFFFFF, stream | call >> 32 << 8)
        for column, word in enumerate(philox(counter, (key & 0xFFFFFFFF, key >> 32))):
            piece[:, column] = word
    return words.reshape(-1)[:n]


def uniform(position: Position, shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """Uniform numbers k / 2**d from 0 to below 1, with as many binary digits d as the dtype holds (11, 24 or 53).

    float64 takes the upper 27 bits of word 2i and the upper 26 of word 2i + 1 of `kn.random.bits`, the others the upper
    bits of word i.

    Parameters:
      position: (seed, stream, call number), three integers.
      shape: an integer or a tuple.
      dtype=np.float32: or float16, or float64.
    Returns: array of that shape and dtype; the same position gives the same numbers.
    Raises: TypeError for another dtype.

    >>> import knetpy as kn
    >>> x = kn.random.uniform((0, 3, 0), (2, 3))
    >>> x.shape, bool((x == kn.random.uniform((0, 3, 0), (2, 3))).all())
    ((2, 3), True)
    """
    dtype, n = _floating(dtype), _size(shape)
    if dtype == np.float64:
        words = bits(position, 2 * n)
        return (((words[0::2] >> 5) * 2.0**26 + (words[1::2] >> 6)) * 2.0**-53).reshape(shape)
    digits = np.finfo(dtype).nmant + 1
    return ((bits(position, n) >> (32 - digits)) * 2.0**-digits).astype(dtype).reshape(shape)


def normal(position: Position, shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """Standard normal numbers by Box and Muller's formula in float64.

    Elements 2j and 2j + 1 are r cos(t) and r sin(t), r = sqrt(-2 log u), t = 2 pi v. u and v, never 0, come from
    elements 2j and 2j + 1: (word + 1/2) / 2**32, or, for float64, `kn.random.uniform` + 2**-54.

    Parameters:
      position: (seed, stream, call number), three integers.
      shape: an integer or a tuple.
      dtype=np.float32: or float16, or float64.
    Returns: array of that shape and dtype; the same position gives the same numbers.
    Raises: TypeError for another dtype.

    >>> import knetpy as kn
    >>> kn.random.normal((0, 3, 0), 4).shape
    (4,)
    """
    dtype, n = _floating(dtype), _size(shape)
    even = n + n % 2
    if dtype == np.float64:
        u = uniform(position, even, np.float64) + 2.0**-54
    else:
        u = (bits(position, even) + 0.5) * 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(-1)[:n].astype(dtype).reshape(shape)


def permutation(position: Position, n: int) -> np.ndarray:
    """The numbers 0 to n - 1 in random order.

    Parameters:
      position: (seed, stream, call number), three integers.
      n: how many, an integer of at least 0.
    Returns: (n,), int64; the same position gives the same order.

    >>> import knetpy as kn
    >>> sorted(kn.random.permutation((0, 2, 0), 4).tolist())
    [0, 1, 2, 3]
    """
    words = bits(position, 2 * n).astype(np.uint64)
    keys = words[0::2] | words[1::2] << _32  # 64 bits: two of a million are equal once in 40 million draws
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def _floating(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(f"random numbers come as float16, float32 or float64, not as {dtype}")
    return dtype


def _size(shape: Any) -> int:
    return prod(shape) if isinstance(shape, tuple) else int(shape)


# --------------------------------------------------------------------------------------------------- Philox

_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLY = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85


def philox(counter: tuple, key: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Philox4x32-10: four counter words (arrays or numbers) and two key words to four words, in uint64."""
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    for r in range(10):
        k0, k1 = (np.uint64((word + r * step) & 0xFFFFFFFF) for word, step in zip(key, _WEYL, strict=True))
        left, right = c0 * _MULTIPLY[0], c2 * _MULTIPLY[1]  # 32 x 32 bits: the product fits 64
        c0, c1, c2, c3 = (right >> _32) ^ c1 ^ k0, right & _LOW, (left >> _32) ^ c3 ^ k1, left & _LOW
    return c0, c1, c2, c3


# ------------------------------------------------------------------------------------------ for the user


def rand(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """Random numbers uniform from 0 to below 1, from the stream that `seed` resets.

    Parameters:
      *shape: the sizes as numbers or as one tuple; none give a zero-dimensional array.
      dtype=np.float32: or float16, or float64.
    Returns: array of that shape and dtype.
    Raises: TypeError for another dtype and for a shape that is not made of integers, ValueError for a negative one.

    >>> import knetpy as kn
    >>> x = kn.random.rand(2, 3)
    >>> x.shape, x.dtype.name, bool((x >= 0).all() and (x < 1).all())
    ((2, 3), 'float32', True)
    """
    shape, dtype = as_shape("rand", shape), as_dtype("rand", dtype, drawn=True)
    return uniform(take(USER), shape, dtype)


def randn(*shape: Any, dtype: Any = np.float32) -> np.ndarray:
    """Random numbers with the standard normal distribution, from the stream that `seed` resets.

    Parameters:
      *shape: the sizes as numbers or as one tuple; none give a zero-dimensional array.
      dtype=np.float32: or float16, or float64.
    Returns: array of that shape and dtype.
    Raises: TypeError for another dtype and for a shape that is not made of integers, ValueError for a negative one.

    >>> import knetpy as kn
    >>> kn.random.randn((2, 3), dtype="float64").dtype.name
    'float64'
    """
    shape, dtype = as_shape("randn", shape), as_dtype("randn", dtype, drawn=True)
    return normal(take(USER), shape, dtype)


def as_shape(name: str, shape: tuple) -> tuple[int, ...]:
    """The shape that the caller of `name(*shape)` or `name(shape)` means, as a tuple of Python ints."""
    given = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    try:
        sizes = tuple([operator.index(n) for n in given])
    except TypeError:
        sizes = ()
    if len(sizes) < len(given) or any(isinstance(n, bool) for n in given):
        raise TypeError(
            f"{name}: a shape is made of integers, got {reprlib.repr(given)}; write {name}(2, 3) or {name}((2, 3))"
        )
    if any(n < 0 for n in sizes):
        raise ValueError(f"{name}: a shape cannot be negative, got {sizes}")
    if len(sizes) > 64 or max(prod(sizes) * 8, *sizes, 0) > sys.maxsize:
        raise ValueError(f"{name}: no array has the shape {reprlib.repr(sizes)}; it would be too large")
    return sizes


def as_dtype(name: str, given: Any, *, option: str = "dtype", drawn: bool = False) -> np.dtype:
    """The dtype that the caller of a function means; of drawn numbers a floating one."""
    try:
        dtype = None if given is None or isinstance(given, tuple) else np.dtype(given)  # tuples have a shape, too
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None:
        raise TypeError(
            f"{name}: {option} must be one of NumPy's dtypes, such as np.float32, got {reprlib.repr(given)}"
        )
    if drawn and (dtype.kind != "f" or dtype.itemsize > 8):
        raise TypeError(f"{name}: {option} must be float16, float32 or float64, got {dtype}")
    return dtype if dtype.isnative else dtype.newbyteorder("=")
