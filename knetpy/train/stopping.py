"""When to end a training: nothing gets better, nothing changes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..calls import told
from ..core.errors import label_of
from ..devices import host, on_gpu
from ..ops.arguments import count_of, number, one_of, real
from .arguments import function_of, iterable_of
from .around import Around


@told
def patience(predicate: Callable, n: int) -> Patience:
    """A function like `predicate` that is true only when predicate has been true `n` times in a row.

    Parameters:
      predicate: a function of any arguments.
      n: an integer of at least 1.
    Returns: a function of the same arguments, which returns a bool. Its attribute row is how often in a row predicate
      was true. `kn.save` keeps its state(), that number and the state() of a predicate that has one, and `kn.load`
      brings it back with restore(state).
    Raises: TypeError and ValueError for arguments of the wrong kind.

    >>> import knetpy as kn
    >>> enough = kn.train.patience(lambda loss: loss < 0.1, 2)
    >>> [enough(loss) for loss in (0.05, 0.2, 0.09, 0.08)]
    [False, False, False, True]
    """
    predicate = function_of("patience", "predicate", predicate, "patience(lambda loss: loss < 0.1, 3)")
    return Patience(predicate, count_of("patience", "n", n, least=1))


class Patience(Around):
    """What `patience` returns."""

    remembers = "row"

    def __init__(self, predicate: Callable, n: int):
        super().__init__(predicate, f"patience({label_of(predicate)}, {n})")
        self.n, self.row = n, 0

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        self.row = self.row + 1 if self.callback(*args, **kwargs) else 0
        return self.row >= self.n

    def _number(self) -> int:
        return self.row

    def _take(self, number: Any) -> None:
        self.row = count_of("restore", "row", number)


@told
def early_stopping(
    losses: Iterable,
    score: Callable | None = None,
    *,
    every: int = 1,
    patience: int = 5,
    min_delta: float = 0.0,
    mode: str = "min",
    on_best: Callable | None = None,
) -> EarlyStopping:
    """`losses` until a score has not improved for a while.

    Parameters:
      losses: an iterable of numbers, such as `minimize` around `cycle` of data.
      score=None: a function without arguments, such as one that evaluates the model on data that it is not trained on.
        None takes the mean of the losses since the last look.
      every=1: after how many losses to look at the score; len(data) looks once in an epoch.
      patience=5: how many looks in a row without improvement end it, at least 1.
      min_delta=0.0: by how much more than this a score must beat the best to be an improvement. NaN never is one.
      mode="min": "min" if smaller scores are better, "max" if larger ones are.
      on_best=None: a function without arguments, called after each improvement, for instance to save the model.
    Returns: an iterable of the same losses; the one at which it ends comes too. Its attributes best and waited are
      the best score so far and the looks since. A loop that was left early goes on with them in the next; after an end
      the next has all patience again. Its state() is a dict of numbers for saves, which restore(state) takes back.
    Raises: TypeError and ValueError for arguments of the wrong kind.

    >>> import knetpy as kn
    >>> steps = kn.train.early_stopping([3.0, 2.0, 2.5, 2.5, 1.0], patience=2)
    >>> list(steps), steps.best
    ([3.0, 2.0, 2.5, 2.5], 2.0)
    """
    name = "early_stopping"
    one_of(name, "mode", mode, ("min", "max"))
    if on_best is not None:
        function_of(name, "on_best", on_best, "on_best=lambda: ...")
    min_delta = number(name, "min_delta", min_delta, least=0)
    return EarlyStopping(looking(name, losses, score, every, patience), min_delta, mode, on_best)


@told
def plateau(
    losses: Iterable, score: Callable | None = None, *, every: int = 1, width: int = 5, min_change: float = 1e-6
) -> Plateau:
    """`losses` until a score hardly changes any more, for better or worse.

    Parameters:
      losses: an iterable of numbers, such as `minimize` around `cycle` of data.
      score=None: a function without arguments; None takes the mean of the losses since the last look.
      every=1: after how many losses to look at the score.
      width=5: how many looks in a row with hardly a change end it, at least 1.
      min_change=1e-6: a score that differs from the one before by less than this has hardly changed.
    Returns: an iterable as that of `early_stopping`; its attribute last is the score before.
    Raises: TypeError and ValueError for arguments of the wrong kind.

    >>> import knetpy as kn
    >>> list(kn.train.plateau([3.0, 2.0, 2.0, 2.0, 1.0], width=2))
    [3.0, 2.0, 2.0, 2.0]
    """
    min_change = number("plateau", "min_change", min_change, least=0)
    return Plateau(looking("plateau", losses, score, every, width, "width"), min_change)


def looking(name: str, losses: Any, score: Any, every: Any, patience: Any, option: str = "patience") -> tuple:
    """The checked arguments of what looks at a score."""
    if score is not None:
        function_of(name, "score", score, f"{name}(losses, lambda: kn.evaluate(model, data, kn.train.ZeroOne()))")
    every = count_of(name, "every", every, least=1)
    return iterable_of(name, "losses", losses), score, every, count_of(name, option, patience, least=1)


class Looking(ABC):
    """Losses, with a look at a score every so often, until too many looks in a row saw no progress."""

    kept: tuple[str, ...] = ("waited", "count", "total")  # the attributes that a save needs
    name = "early_stopping"
    on_best: Callable | None = None

    def __init__(self, given: tuple[Iterable, Callable | None, int, int]):
        self.losses, self.score, self.every, self.patience = given
        self.waited = self.count = 0
        self.total = 0.0  # of the losses since the last look

    @abstractmethod
    def progress(self, score: float) -> bool:
        """Whether a score shows progress; remembers what the next is compared with."""

    def __len__(self) -> int:
        return len(self.losses)  # type: ignore[arg-type]  # without a length it raises, as it should

    def __iter__(self) -> Iterator[Any]:
        if self.waited >= self.patience:
            self.waited = 0
        for loss in self.losses:
            self.look(real(self.name, "a loss", loss))
            yield loss
            if self.waited >= self.patience:
                return

    def look(self, loss: Any) -> None:
        """Count a loss, and look at the score if it is time."""
        self.count += 1
        self.total += loss
        if self.count >= self.every:
            score = float(
                real(self.name, "what score returns", self.score()) if self.score else self.total / self.count
            )
            before = self.state()
            self.count, self.total = 0, 0.0
            self.waited = 0 if self.progress(score) else self.waited + 1
            try:
                if not self.waited and self.on_best:
                    self.on_best()  # which may save all as it is now
            except BaseException:
                self.restore(before)
                raise

    def state(self) -> dict[str, Any]:
        """What a resumed training needs, as plain numbers."""
        return {
            name: host(getattr(self, name)).item() if on_gpu(getattr(self, name)) else getattr(self, name)
            for name in self.kept
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        if not isinstance(state, dict) or set(state) != set(self.kept):
            raise ValueError(f"restore: a state of {self} has {', '.join(self.kept)}, got {state!r:.80}")
        taken = {name: type(getattr(self, name))(state[name]) for name in self.kept}
        vars(self).update(taken)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.losses!r}, every={self.every}), {self.waited} of {self.patience} looks"


class EarlyStopping(Looking):
    """What `early_stopping` returns."""

    kept = (*Looking.kept, "best")

    def __init__(self, given: tuple, min_delta: float, mode: str, on_best: Callable | None):
        super().__init__(given)
        self.min_delta, self.mode, self.on_best = min_delta, mode, on_best
        self.best = math.inf if mode == "min" else -math.inf

    def progress(self, score: float) -> bool:
        """Whether a score is the best so far, by more than `min_delta`."""
        better = self.best - score if self.mode == "min" else score - self.best
        if not better > self.min_delta:
            return False
        self.best = score
        return True


class Plateau(Looking):
    """What `plateau` returns."""

    name = "plateau"
    kept = (*Looking.kept, "last")

    def __init__(self, given: tuple, min_change: float):
        super().__init__(given)
        self.min_change, self.last = min_change, math.inf

    def progress(self, score: float) -> bool:
        """Whether a score differs from the one before."""
        change, self.last = abs(score - self.last), score
        return change >= self.min_change  # NaN is none
