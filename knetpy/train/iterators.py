"""Iterators around data or losses: how much of them, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from ..calls import told
from ..ops.arguments import count_of, number, real
from .arguments import iterable_of

FLAT, TINY = 1e-6, 1e-30  # of the mean, and beyond it: losses that reach zero approach it for ever


@told
def repeat(data: Iterable, epochs: int) -> Repeat:
    """`data`, gone through `epochs` times; its `len()` is that many times the length of data.

    Parameters:
      data: an iterable that can be gone through again, such as `kn.minibatch` or a list.
      epochs: an integer of at least 0.
    Returns: an iterable of the same items. As `cycle` it ends if two rounds give nothing.
    Raises: TypeError if data is an iterator, which is used up after one pass, or epochs is not an integer; ValueError
      if it is negative.

    >>> import knetpy as kn
    >>> list(kn.train.repeat("ab", 2)), len(kn.train.repeat("ab", 10))
    (['a', 'b', 'a', 'b'], 20)
    """
    epochs = count_of("repeat", "epochs", epochs)
    return Repeat(iterable_of("repeat", "data", data, again=True), epochs)


class Repeat:
    """What `repeat` returns."""

    def __init__(self, data: Iterable, epochs: int):
        self.data, self.epochs = data, epochs

    def __len__(self) -> int:
        return self.epochs * len(self.data)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        return _rounds(self.data, range(self.epochs))

    def __repr__(self) -> str:
        return f"repeat({self.data!r}, {self.epochs})"


@told
def cycle(data: Iterable) -> Cycle:
    """`data`, gone through again and again without end; for loops that something else ends, such as `take`.

    Unlike itertools.cycle it keeps no copy of the items: each round goes through data anew, shuffled anew if it is so.

    Parameters:
      data: an iterable that can be gone through again, such as `kn.minibatch` or a list.
    Returns: an iterable of the same items. It ends if two rounds give nothing: one may be what was left of an epoch
      that a restored loader had come to the end of.
    Raises: TypeError if data is an iterator, which is used up after one pass.

    >>> import knetpy as kn
    >>> list(kn.train.take(kn.train.cycle("ab"), 5))
    ['a', 'b', 'a', 'b', 'a']
    """
    return Cycle(iterable_of("cycle", "data", data, again=True))


class Cycle:
    """What `cycle` returns."""

    def __init__(self, data: Iterable):
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        return _rounds(self.data, count())

    def __repr__(self) -> str:
        return f"cycle({self.data!r})"


def _rounds(data: Iterable, numbers: Iterable) -> Iterator[Any]:
    """The items of data, anew for each of the numbers; none any more once two rounds have given nothing."""
    empty = 0
    for _ in numbers:
        empty += 1
        for item in data:
            empty = 0
            yield item
        if empty == 2:
            return


@told
def take(losses: Iterable, n: int) -> Take:
    """The first `n` of `losses`, or of anything; around `minimize` no further step is made.

    Parameters:
      losses: an iterable.
      n: an integer of at least 0.
    Returns: an iterable of the same items, whose `len()` is at most n.
    Raises: TypeError if n is not an integer, ValueError if it is negative.

    >>> import knetpy as kn
    >>> list(kn.train.take("abc", 2))
    ['a', 'b']
    """
    n = count_of("take", "n", n)
    return Take(iterable_of("take", "losses", losses), n)


class Take:
    """What `take` returns."""

    def __init__(self, losses: Iterable, n: int):
        self.losses, self.n = losses, n

    def __len__(self) -> int:
        try:
            return min(self.n, len(self.losses))  # type: ignore[arg-type]
        except TypeError:
            return self.n  # of what may be endless

    def __iter__(self) -> Iterator[Any]:
        left = self.n
        if left:
            for item in self.losses:
                left -= 1
                yield item
                if not left:
                    return

    def __repr__(self) -> str:
        return f"take({self.losses!r}, {self.n})"


@told
def converge(losses: Iterable, alpha: float = 0.1) -> Converge:
    """`losses` until they fall no more: until the running mean of their change is above zero, hardly below it, or NaN.

    Parameters:
      losses: an iterable of numbers, such as `minimize` around `cycle` of data.
      alpha=0.1: the weight, above 0 and at most 1, of the newest loss in both running means (of the losses, and of what
        each differs from that mean). Batches whose losses vary much take a smaller one. After 1 / alpha losses a change
        of less than a millionth of the mean ends it too.
    Returns: an iterable of the same losses; the one at which it ends comes too. Each loop over it starts anew.
    Raises: TypeError and ValueError for arguments of the wrong kind.
    Source: Knet.jl's function of that name.

    >>> import knetpy as kn
    >>> list(kn.train.converge([4.0, 2.0, 1.0, 2.0, 3.0, 4.0], alpha=0.5))
    [4.0, 2.0, 1.0, 2.0, 3.0]
    """
    alpha = number("converge", "alpha", alpha, 0, 1, above=0)
    return Converge(iterable_of("converge", "losses", losses), alpha)


class Converge:
    """What `converge` returns."""

    def __init__(self, losses: Iterable, alpha: float):
        self.losses, self.alpha = losses, alpha

    def __len__(self) -> int:
        return len(self.losses)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[Any]:
        mean, trend = None, 0.0
        for n, loss in enumerate(self.losses):
            now = real("converge", "a loss", loss)
            yield loss
            mean = now if mean is None else mean
            difference = now - mean
            mean += self.alpha * difference
            trend += self.alpha * (difference - trend)
            least = FLAT * abs(mean) + TINY if n * self.alpha >= 1 else 0.0
            if not trend <= -least:  # NaN too: it never falls again
                return

    def __repr__(self) -> str:
        return f"converge({self.losses!r}, {self.alpha})"
