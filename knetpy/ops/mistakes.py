"""Calls that cannot be made, told in the user's words: a misspelled option, one argument too many, a file not there."""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable)
SHOWN = 5  # files that are named beside one that is not there


def helpful(way: str, **elsewhere: str) -> Callable[[F], F]:
    """Decorate a function: a call with arguments that it does not take is told which it has, and to write `way`.

    `elsewhere` are options of other libraries, and what they are called here. Right calls take the same time.
    """

    def decorate(f: F) -> F:
        explain = functools.partial(_explained, f, way, elsewhere)

        def call(*args, **options):
            try:
                return f(*args, **options)
            except TypeError as error:
                if error.__traceback__.tb_next is None and (why := explain(args, options)):  # f has not begun
                    raise TypeError(why) from None
                raise

        # with the globals of f, or doctest takes it for a function of this module and leaves its examples out
        same = types.FunctionType(call.__code__, f.__globals__, f.__name__, None, call.__closure__)
        return functools.update_wrapper(same, f)  # type: ignore[return-value]

    return decorate


def _explained(f: Callable, way: str, elsewhere: dict[str, str], args: tuple, options: dict) -> str:
    """What is wrong with a call's arguments; nothing if Python's own message says it."""
    parameters = inspect.signature(f).parameters
    name = f.__qualname__.removesuffix(".__init__")
    names = [p for p in parameters if p != "self"]
    for option in options:
        if option not in parameters:
            near = get_close_matches(option, names, 1, 0.7)
            here = elsewhere.get(option) or (near[0] if near else "")
            return f"{name} has no option {option!r}; {f'write {here}: ' if here else ''}it has {', '.join(names)}"
    most = sum(p.kind is not p.KEYWORD_ONLY for p in parameters.values())
    if len(args) > most:
        method = "self" in parameters
        return f"{name} takes at most {most - method} arguments without a name, got {len(args) - method}; write {way}"
    return ""


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
