"""Files by name: what is said of one that is not there."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any

SHOWN = 5  # files that are named beside one that is not there


def file_named(caller: str, path: Any) -> str:
    """The name of a file that is there; else the error says what is there instead."""
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{caller}: path must be the name of a file, got {type(path).__name__}") from None
    if os.path.isdir(name):
        raise IsADirectoryError(f"{caller}: {name!r} is a folder; name a file in it")
    if os.path.islink(name) and not os.path.exists(name):
        raise FileNotFoundError(f"{caller}: {name!r} is a link to {os.readlink(name)!r}, which is not there")
    if not os.path.exists(name):
        raise FileNotFoundError(f"{caller}: there is no file {name!r}{_instead(name)}")
    return name


def _instead(name: str) -> str:
    """Where the missing file was looked for, and what is there that is called nearly so, or else is there."""
    folder, wanted = os.path.split(os.path.abspath(name))
    try:
        there = sorted(one for one in os.listdir(folder) if not one.startswith("."))
    except OSError:
        return f", nor a folder {folder}"
    stem = wanted.partition(".")[0].lower()
    near = [one for one in there if stem and one.lower().startswith(stem)] or get_close_matches(wanted, there, SHOWN)
    shown = (near or there)[:SHOWN]
    more = " and others" if len(shown) < len(near or there) else ""
    found = f"there {'are' if len(shown) > 1 else 'is'} {', '.join(shown)}{more}" if shown else "it is empty"
    return f" in {folder}; {found}"
