"""What is called beside a training: callbacks, and how often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..calls import told
from ..core.errors import label_of
from ..ops.arguments import count_of, flags, number, real
from .arguments import function_of, iterable_of
from .around import Around
from .signals import Skip, Stop


@told
def tap(losses: Iterable, *callbacks: Callable) -> Tap:
    """`losses`, with each callback called as callback(loss) for every one of them, in order.

    Parameters:
      losses: an iterable, such as `minimize(...)`.
      *callbacks: functions of one argument, such as those that `every` and `throttle` make. One that raises
        `kn.train.Stop` ends the loop; that loss comes no more, its step has been made.
    Returns: an iterable of the same losses, with the `len()` of losses.
    Raises: TypeError for arguments of the wrong kind, RuntimeError for a callback that raises `kn.train.Skip`: it is
      too late to leave the step out.

    >>> import knetpy as kn
    >>> seen = []
    >>> list(kn.train.tap([3.0, 2.0, 1.0], kn.train.every(2)(seen.append))), seen
    ([3.0, 2.0, 1.0], [2.0])
    """
    for callback in callbacks:
        function_of("tap", "a callback", callback, "tap(losses, lambda loss: print(loss))")
    return Tap(iterable_of("tap", "losses", losses), callbacks)


class Tap:
    """What `tap` returns."""

    def __init__(self, losses: Iterable, callbacks: tuple[Callable, ...]):
        self.losses, self.callbacks = losses, callbacks

    def __len__(self) -> int:
        return len(self.losses)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[Any]:
        for loss in self.losses:
            if not self._call(loss):
                break
            yield loss
        for callback in self.callbacks:
            if isinstance(callback, Throttle):
                callback.finish()

    def _call(self, loss: Any) -> bool:
        """Call the callbacks, and tell whether the loop goes on."""
        try:
            for callback in self.callbacks:
                callback(loss)
        except Stop:
            return False
        except Skip:
            raise RuntimeError(
                "tap: a callback raised kn.train.Skip, but the step of this loss has been made; raise it in the "
                "loss function or in minimize's before"
            ) from None
        return True

    def __repr__(self) -> str:
        return f"tap({', '.join([repr(self.losses), *map(label_of, self.callbacks)])})"


@told
def every(n: int, *misplaced: Any) -> Callable[[Callable], Every]:
    """A decorator: of `n` calls of the function only the last calls it, so the n-th, the 2n-th and so on.

    Parameters:
      n: an integer of at least 1.
    Returns: a decorator. What it makes takes the function's arguments, returns its result or None, and has attributes
      n, callback and count, the calls so far. `kn.save` keeps its state(), the count and the state() of a callback
      that has one, and `kn.load` brings it back with restore(state).
    Raises: TypeError if n is not an integer, ValueError if it is less than 1.

    >>> import knetpy as kn
    >>> @kn.train.every(2)
    ... def show(loss):
    ...     print(loss)
    >>> for loss in (0.5, 0.25, 0.125, 0.0625):
    ...     show(loss)
    0.25
    0.0625
    """
    alone("every", n, misplaced)
    n = count_of("every", "n", n, least=1)
    return lambda callback: Every(n, function_of("every", "callback", callback, "every(100)(callback)"))


def alone(name: str, first: Any, misplaced: tuple) -> None:
    """Raise if there is more than the number, before or behind it: throttle(f, 10) is Flux's."""
    if misplaced:
        given = (first, *misplaced)
        n = next((f"{x:g}" for x in given if isinstance(x, (int, float))), "10")
        what = next((label_of(x) for x in given if callable(x)), "callback")
        raise TypeError(f"{name} takes one number and returns a decorator: write {name}({n})({what})")


class Every(Around):
    """What `every(n)(callback)` returns."""

    def __init__(self, n: int, callback: Callable):
        super().__init__(callback, f"every({n})({label_of(callback)})")
        self.n, self.count = n, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return None if self.count % self.n else self.callback(*args, **kwargs)

    def _number(self) -> int:
        return self.count

    def _take(self, number: Any) -> None:
        self.count = count_of("restore", "count", number)


@told
def throttle(
    seconds: float, *misplaced: Any, leading: bool = True, trailing: bool = False
) -> Callable[[Callable], Throttle]:
    """A decorator: the function is called at most once in so many seconds; calls in between do nothing.

    Parameters:
      seconds: a number of at least 0. The time runs from the end of a call that went through.
      leading=True: whether the first call goes through; else the time runs from it.
      trailing=False: whether the last call, if it was held back, goes through after all when the loop of `tap` comes to
        its end; after a break, when finish() is called, a method of what was made.
    Returns: a decorator. What it makes takes the function's arguments and returns its result or None. `kn.save` keeps
      its state(), the seconds left to wait and the state() of a callback that has one, and `kn.load` brings it back
      with restore(state); a call that is held back is not kept.
    Raises: TypeError for arguments of the wrong kind, ValueError if seconds is negative or infinite.

    >>> import knetpy as kn
    >>> show = kn.train.throttle(60, trailing=True)(print)
    >>> for loss in kn.train.tap([0.5, 0.25, 0.125], show):
    ...     pass
    0.5
    0.125
    """
    alone("throttle", seconds, misplaced)
    seconds = number("throttle", "seconds", seconds, least=0)
    leading, trailing = flags("throttle", leading=leading, trailing=trailing)
    way = "throttle(10)(callback)"
    return lambda callback: Throttle(seconds, function_of("throttle", "callback", callback, way), leading, trailing)


class Throttle(Around):
    """What `throttle(seconds)(callback)` returns."""

    remembers = "wait"

    def __init__(self, seconds: float, callback: Callable, leading: bool = True, trailing: bool = False):
        super().__init__(callback, f"throttle({seconds:g})({label_of(callback)})")
        self.seconds, self.trailing = seconds, trailing
        self.due = -math.inf if leading else math.nan  # of the clock that no change of the date moves; NaN: not yet set
        self.held: tuple[tuple, dict] | None = None  # the arguments of the last call, if it was held back

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        now = time.monotonic()
        self.due = now + self.seconds if math.isnan(self.due) else self.due
        if now < self.due:
            self.held = (args, kwargs) if self.trailing else None
            return None
        self.held = None
        try:
            return self.callback(*args, **kwargs)
        finally:
            self.due = time.monotonic() + self.seconds

    def finish(self) -> Any:
        """Let the last call through if it was held back."""
        if self.held is None:
            return None
        (args, kwargs), self.due = self.held, -math.inf
        return self(*args, **kwargs)

    def _number(self) -> float:
        return self.due - time.monotonic()  # that clock has another zero in the next process

    def _take(self, number: Any) -> None:
        self.due = time.monotonic() + real("restore", "wait", number)
        self.held = None
