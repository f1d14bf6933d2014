"""What the `metric` of a script says of its `test` data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import knetpy as kn
from knetpy.optim.optimizer import Optimizer
from knetpy.parameters.search import Search
from knetpy.train.arguments import is_iterable

from .outcome import Mistake

NEEDED = {"model": "a function from x to scores", "test": "an iterable of batches (x, y)"}


def scorer(file: str, names: dict[str, Any], opt: Optimizer) -> Callable[[], dict[str, Any]] | None:
    """A function that evaluates the metric among the names of a script; None if there is no metric."""
    if "metric" not in names:
        return None
    for name, what in NEEDED.items():
        if name not in names:
            raise Mistake(f"{file} defines metric, but not {name}, {what}, to evaluate it with")
    model, test, metric = (names[name] for name in ("model", "test", "metric"))
    if not is_iterable(test) or hasattr(test, "__next__"):
        raise Mistake(
            f"test in {file} must be an iterable of batches that can be gone through after every epoch, such as "
            f"kn.minibatch(x, y, 100, partial=True), got {type(test).__name__}"
        )
    try:
        kn.evaluate(model, (), metric)  # better now than after an epoch
    except Exception as wrong:
        own, _, sentence = str(wrong).partition("evaluate: ")
        if sentence and not own:  # else it is a metric of the user's, which wants data before it has a result
            raise Mistake(f"{file}: {sentence}") from None

    def score() -> dict[str, Any]:
        with ExitStack() as stack:
            for ema in averages(opt):
                stack.enter_context(ema.averaged(model))
            found = kn.evaluate(model, test, metric)
        numbers = found if isinstance(metric, dict) else {name_of(metric): found}
        return {f"test {name}": number for name, number in numbers.items()}

    return score


def averages(opt: Optimizer) -> list[kn.optim.EMA]:
    """The running means that are somewhere in an optimizer."""
    return [part for part in Search(kn.optim.EMA).over((opt,), {}).values() if isinstance(part, kn.optim.EMA)]


def name_of(metric: Any) -> str:
    """What a line calls a metric."""
    return getattr(metric, "__name__", type(metric).__name__).lower()
