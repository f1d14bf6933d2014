"""`kn.show.history`: the curves of a training that redraw themselves while it runs.

What belongs to training is imported when it is called, for `import knetpy` imports this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..ops.arguments import number
from .curves import html

if TYPE_CHECKING:
    from .recorder import History, Recorded

SHARE = 10  # a drawing that took so long is followed by at least so many times that without one


def history(losses: Iterable, *, seconds: float = 1.0) -> Live:
    """The same losses, with curves in the notebook that redraw themselves while the loop runs.

    Outside of a notebook nothing is drawn.

    Parameters:
      losses: what `history(losses)` of a `kn.History` returned, whose columns are drawn; or any losses, such as
        `kn.minimize` gives, which are recorded for it. `kn.progress` may be around the whole.
      seconds=1.0: the least time between two drawings. Drawing takes at most about a tenth of the time, so that it
        comes more seldom where it is slow.
    Returns: an iterable of the same losses, with the same `len()`; its attribute history is the `kn.History`. The last
      state is drawn when the loop ends in whatever way.
    Raises: TypeError if the first argument is not iterable, ValueError for negative seconds.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> shown = kn.show.history(kn.minimize(lambda: (w * w).sum(), [()] * 3, kn.SGD(lr=0.25)))
    >>> for loss in shown:
    ...     pass
    >>> shown.history
    History of 3 steps: loss 0.0625
    """
    from ..train.arguments import iterable_of
    from .recorder import History, Recorded

    if isinstance(losses, History):
        raise TypeError(
            "show.history: write show.history(history(losses)), which draws while the loop runs; a History alone "
            "displays itself, and history.plot() draws it"
        )
    losses = iterable_of("show.history", "losses", losses)
    seconds = number("show.history", "seconds", seconds, 0)
    return Live(losses if isinstance(losses, Recorded) else History()(losses), seconds)


class Live:
    """What `show.history` returns."""

    def __init__(self, losses: Recorded, seconds: float):
        self.losses, self.seconds, self.history = losses, seconds, losses.history

    def __len__(self) -> int:
        return len(self.losses)

    def __iter__(self) -> Iterator[Any]:
        from ..train.bar import in_notebook

        if not in_notebook():
            yield from self.losses
            return
        from IPython.display import display

        place = display(_Shown(self.history), display_id=True)
        due, share = perf_counter(), 0  # the first record is drawn at once; what that imports is no drawing's time
        try:
            for loss in self.losses:
                if (begin := perf_counter()) >= due:
                    place.update(_Shown(self.history))
                    end = perf_counter()
                    due, share = end + max(self.seconds, share * (end - begin)), SHARE
                yield loss
        finally:
            place.update(_Shown(self.history))

    def __repr__(self) -> str:
        return f"show.history({self.losses!r})"


class _Shown:
    """A History as it is when it is sent to the notebook."""

    def __init__(self, history: History):
        self.history = history

    def _repr_html_(self) -> str:
        return html(self.history)

    def __repr__(self) -> str:
        return repr(self.history)
