"""Functions around functions that a resumed training goes on with where they were."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any


class Around(ABC):
    """A function around another. What it remembers is one number, which saves keep with the state of the other."""

    callback: Any
    remembers = "count"  # what a save calls the number

    def __init__(self, callback: Callable, name: str):
        self.callback, self.__name__ = callback, name

    @abstractmethod
    def _number(self) -> float:
        """The number to save."""

    @abstractmethod
    def _take(self, number: Any) -> None:
        """Go on from a number that was saved."""

    def state(self) -> dict[str, Any]:
        """What a resumed training needs: a number, and the state of the function if that has one."""
        return {self.remembers: self._number(), **({"callback": self.callback.state()} if self._inner() else {})}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        known = [self.remembers, *(["callback"] if self._inner() else [])]
        if not isinstance(state, dict) or set(state) != set(known):
            raise ValueError(f"restore: a state of {self} has {' and '.join(known)}, got {state!r:.80}")
        before = self._number()
        self._take(state[self.remembers])
        try:
            if self._inner():
                self.callback.restore(state["callback"])
        except BaseException:
            self._take(before)
            raise

    def _inner(self) -> bool:
        """Whether the function has a state of its own."""
        return all(callable(getattr(self.callback, name, None)) for name in ("state", "restore"))

    def __repr__(self) -> str:
        return self.__name__
