"""What a step that is captured as a CUDA graph needs of optimizers: numbers new at each launch, and counting."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..graphs import capture
from .state import State


def numbers(rule: Any, states: list[State], given: dict[int, tuple]) -> dict[int, Any]:
    """The numbers of a rule's formula for each t, to be read at each launch: with settings and t as they are then."""
    into, by_t = capture(), {state.t + 1: state for state in states}

    def ask(state: State) -> tuple:
        return rule._at(1 + max([s.t for s in states])).numbers(state.t + 1)

    return {t: into.changing(given[t], partial(ask, state)) for t, state in by_t.items()}  # type: ignore[union-attr]


def count(rule: Any, states: list[State]) -> None:
    """Count the update when the step is launched, which it may be as long as the rule has these states and arrays."""
    into, arrays = capture(), [[*map(id, state.arrays)] for state in states]

    def same() -> bool:
        pairs = zip(states, arrays)
        return all([rule.states.get(s.key) is s and [*map(id, s.arrays)] == own for s, own in pairs])

    into.again.append(partial(rule._count, states))  # type: ignore[union-attr]
    into.fixed.append(same)  # type: ignore[union-attr]
