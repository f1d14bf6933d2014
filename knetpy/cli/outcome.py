"""How a command tells what it does, and how it ends."""

from __future__ import annotations

import os
import sys

UNHEARD = 141  # what a shell says of a program that wrote to a pipe that nobody reads, as after `| head`


class Mistake(Exception):
    """The command cannot be carried out as it was given: exit status 2."""


class Failed(Exception):
    """The command began, and failed: exit status 1."""


def say(line: str) -> None:
    """Print at once, also into a pipe; end quietly if nobody reads that any more."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries once more at its end
        raise SystemExit(UNHEARD) from None
