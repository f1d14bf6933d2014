"""Ctrl-C at a moment when nothing is half done."""

from __future__ import annotations

# The module `signal` makes enums of the same numbers, which takes as long as a small update.
import _signal  # type: ignore[import-not-found]
import threading
from typing import Any


class uninterrupted:  # noqa: N801  in lower case, as it is used
    """Let Ctrl-C wait until the block has ended, so that it cannot leave half of it done.

    >>> import signal
    >>> from knetpy.interrupts import uninterrupted
    >>> done = []
    >>> try:
    ...     with uninterrupted():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done.append("the block")
    ... except KeyboardInterrupt:
    ...     done.append("then the interrupt")
    >>> done
    ['the block', 'then the interrupt']
    """

    __slots__ = ("before", "received")

    def __enter__(self) -> None:
        self.received, self.before = False, _signal.getsignal(_signal.SIGINT)
        waits = isinstance(getattr(self.before, "__self__", None), uninterrupted)  # the block stands in another
        alone = threading.current_thread() is threading.main_thread()  # signals come to the main thread only
        if waits or not alone or self.before in (None, _signal.SIG_IGN):
            self.before = None
        else:
            _signal.signal(_signal.SIGINT, self._receive)

    def _receive(self, *_: Any) -> None:
        self.received = True

    def __exit__(self, *_: Any) -> None:
        if self.before is not None:
            _signal.signal(_signal.SIGINT, self.before)
            if self.received:
                _signal.raise_signal(_signal.SIGINT)
