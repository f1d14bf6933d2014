"""A progress bar around an iterable, with tqdm."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from time import monotonic as time
from typing import Any

import numpy as np

from ..calls import told
from ..devices import on_gpu
from ..ops.arguments import flag
from .arguments import is_iterable

SELDOM = 0.5  # seconds between two losses that are read from a GPU, which is waited for then
SMOOTHING = 0.05  # the weight of the newest loss in the mean that is shown


@told
def progress(iterable: Iterable, message: str | None = None, *, disable: bool | None = None) -> Progress:
    """`iterable`, with a bar that shows how far it is: done and total, time and time left, items per second.

    Around `minimize` it shows the running mean of the losses too, as it does for every iterable of real numbers.

    Parameters:
      iterable: anything; with a `len()` the bar knows its end and estimates the time left.
      message=None: a text before the bar.
      disable=None: True for no output. None, the default, shows the bar in a terminal or notebook and nothing where the
        output goes into a file or pipe; False shows it there too.
    Returns: an iterable of the same items, with the same `len()`. The bar is closed when the loop ends in whatever way.
    Raises: TypeError if the first argument is not iterable or the message is not a text.

    >>> import knetpy as kn
    >>> [x * x for x in kn.progress([1, 2, 3], disable=True)]
    [1, 4, 9]
    """
    if isinstance(iterable, str) or not is_iterable(iterable):
        raise TypeError(
            f"progress: the first argument must be an iterable to go through, got {type(iterable).__name__}; write "
            "progress(minimize(loss, data)) or progress(iterable, 'message')"
        )
    if not (message is None or isinstance(message, str)):
        raise TypeError(f"progress: message must be a text, got {type(message).__name__}")
    if disable is not None:
        disable = flag("progress", "disable", disable)
    return Progress(iterable, message, disable)


class Progress:
    """What `progress` returns."""

    def __init__(self, iterable: Iterable, message: str | None, disable: bool | None):
        self.iterable, self.message, self.disable = iterable, message, disable

    def __len__(self) -> int:
        return len(self.iterable)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[Any]:
        if self.disable:
            yield from self.iterable
            return
        losses, due = RunningMean(), 0.0
        with bar(self.iterable, self.message, self.disable) as shown:
            for item in self.iterable:
                number = isinstance(item, (float, np.floating)) or (on_gpu(item) and not item.shape and time() >= due)
                if not shown.disable and number:
                    shown.set_postfix_str(f"loss {losses.add(float(item)):.4g}", refresh=False)
                    due = time() + SELDOM
                shown.update()
                yield item

    def __repr__(self) -> str:
        return f"progress({self.iterable!r})"


class RunningMean:
    """The exponentially weighted mean of the numbers so far, without a bias to the start."""

    def __init__(self) -> None:
        self.mean = self.weight = 0.0

    def add(self, x: float) -> float:
        """Take one more number in, and return the mean."""
        self.weight += SMOOTHING * (1 - self.weight)
        self.mean += SMOOTHING / self.weight * (x - self.mean)
        return self.mean


def bar(iterable: Iterable, message: str | None, disable: bool | None) -> Any:
    """A bar for the place where the output goes: a widget, or text; text in a notebook goes where print goes."""
    try:
        total = len(iterable)  # type: ignore[arg-type]
    except TypeError:
        total = None
    options: dict[str, Any] = {"total": total, "desc": message, "disable": disable}
    if in_notebook():
        options["disable"] = bool(disable)  # there is no terminal, and yet somebody looks
        if find_spec("ipywidgets"):
            from tqdm.notebook import tqdm
        else:
            from tqdm.std import tqdm

            options["file"] = sys.stdout
    else:
        from tqdm.std import tqdm
    return tqdm(**options)


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return "IPKernelApp" in getattr(shell, "config", {})
