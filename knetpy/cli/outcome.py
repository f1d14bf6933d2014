"""How a command tells what it does, and how it ends."""

from __future__ import annotations


class Mistake(Exception):
    """The command cannot be carried out as it was given: exit status 2."""


class Failed(Exception):
    """The command began, and failed: exit status 1."""


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)
