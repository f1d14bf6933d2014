"""What holds for the whole program or for the computation under way: device of new params, threads, training mode.

Training mode lives in a `ContextVar`, so every thread and every asyncio task has its own. This module imports nothing
of knetpy: any other module may ask it.
"""

from __future__ import annotations

import operator
import os
import reprlib
from contextvars import ContextVar
from typing import Any, overload

device = "cpu"  # where new params are made; `knetpy.default_device` sets it
deterministic = True  # whether sums on a GPU have an order; `knetpy.kernels.deterministic` sets it
tensor_cores = "off"  # what factors convolutions on a GPU multiply there; `knetpy.kernels.tensor_cores` sets it

# ------------------------------------------------------------------------------------------------- threads

_threads: int | None = None  # None until somebody asks, so that a bad environment variable cannot break the import


def threads() -> int:
    """The number of threads that kernels use, in every Python thread of this process.

    Until `set_threads` is called it is the environment variable KNETPY_NUM_THREADS, else the number of CPUs that this
    process may run on.

    Returns: an int.
    Raises: ValueError if KNETPY_NUM_THREADS is set to anything but a whole number of at least 1.

    >>> import knetpy as kn
    >>> kn.threads() >= 1
    True
    """
    if _threads is None:
        set_threads(_default_threads())
    return _threads  # type: ignore[return-value]  # set on the line above


def set_threads(n: int) -> None:
    """Let kernels use `n` threads from now on, in every Python thread; results do not depend on it.

    Parameters:
      n: an integer of at least 1.
    Raises: TypeError if n is not an integer, ValueError if it is less than 1.

    >>> import knetpy as kn
    >>> before = kn.threads()
    >>> kn.set_threads(2)
    >>> kn.threads()
    2
    >>> kn.set_threads(before)
    """
    global _threads
    wanted = whole(n)
    if wanted is None:
        raise TypeError(f"set_threads: n must be an integer, got {reprlib.repr(n)} of type {type(n).__name__}")
    if wanted < 1:
        raise ValueError(f"set_threads: n must be at least 1, got {wanted}")
    _threads = wanted


def _default_threads() -> int:
    wanted = os.environ.get("KNETPY_NUM_THREADS", "").strip()
    if not wanted:
        # a container or a batch system often grants fewer CPUs than the machine has
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"the environment variable KNETPY_NUM_THREADS must be a whole number from 1, got {wanted!r}")
    return int(wanted)


# ------------------------------------------------------------------------------------------- training mode

_training: ContextVar[bool | None] = ContextVar("knetpy_training", default=None)  # None: nobody has decided
_overridden: ContextVar[tuple | None] = ContextVar("knetpy_overridden", default=None)  # (flag before, the rest)


class _Override:
    """`with training(flag):`. It keeps nothing itself: one object serves nested blocks and many threads."""

    def __init__(self, flag: bool):
        self.flag = flag

    def __repr__(self) -> str:
        return f"training({self.flag}), which holds inside a block: with kn.training({self.flag}): ..."

    def __enter__(self) -> None:
        _overridden.set((_training.get(), _overridden.get()))
        _training.set(self.flag)

    def __exit__(self, *exception: object) -> None:
        before, rest = _overridden.get()  # type: ignore[misc]  # __enter__ has set it
        _training.set(before)
        _overridden.set(rest)


@overload
def training() -> bool: ...
@overload
def training(flag: bool) -> _Override: ...
def training(flag: bool | None = None) -> bool | _Override:
    """Whether the model runs in training mode (dropout drops, batch statistics are used and remembered).

    Parameters:
      flag=None: None asks; True or False makes a context in which it is so, in this thread or task only. The same one
        may be entered again, also nested.
    Returns: a bool, true while `grad`, `value_and_grad`, `tape` or a step of a training loop runs, and false everywhere
      else; of nested transforms the outermost decides. With a flag, what stands after `with`.
    Raises: TypeError if flag is given and is neither True nor False.

    >>> import knetpy as kn
    >>> kn.training()
    False
    >>> with kn.training(True):
    ...     kn.training()
    True
    """
    if flag is None:
        return _training.get() is True
    if not isinstance(flag, bool):
        raise TypeError(f"training: flag must be True or False, got {flag!r}")
    return _Override(flag)


decided = _training.get  # True, False, or None where nobody has decided


def default_training(flag: bool) -> bool | None:
    """Set training mode unless somebody outside has; give the result to `restore_training`.

    For transforms, which do this on every call: two operations instead of a context manager.
    """
    before = decided()
    if before is None:
        _training.set(flag)
    return before


def restore_training(before: bool | None) -> None:
    """Undo `default_training`, in the thread or task that called it."""
    _training.set(before)


def whole(n: Any) -> Any:
    """A whole number of any type, NumPy's too, as an int; None of what is none."""
    try:
        return None if isinstance(n, bool) else operator.index(n)
    except TypeError:
        return None
