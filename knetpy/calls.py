"""Calls and names that Python refuses, told in a sentence: what is missing or unknown, and what may have been meant."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MappingProxyType
from typing import NoReturn, TypeVar

F = TypeVar("F", bound=Callable)
Kind = TypeVar("Kind", bound=type)
_NOTHING: Mapping[str, str] = MappingProxyType({})


def told(f: F, name: str = "", way: str = "", elsewhere: Mapping[str, str] = _NOTHING) -> F:
    """Decorate a public function; `name` is what the user calls it. A call that is right costs one call more.

    way: how it is called, for who gave too many arguments. elsewhere: options of other libraries, and theirs here.

    >>> from knetpy.calls import told
    >>> @told
    ... def double(x, *, times=1):
    ...     return x * 2 ** times
    >>> double(1, tmes=2)
    Traceback (most recent call last):
        ...
    TypeError: double has no argument 'tmes'; did you mean times? It takes x, times=1
    """
    explain = functools.partial(_sentence, f, name or f.__qualname__.removesuffix(".__init__"), way, elsewhere)

    def call(*args, **options):
        try:
            return f(*args, **options)
        except TypeError as error:
            if error.__traceback__.tb_next is not None:
                raise  # f was called, and says something
            raise TypeError(explain(args, options) or str(error)) from None

    # With the globals of f, or doctest takes it for a function of this module and leaves its examples out.
    same = FunctionType(call.__code__, f.__globals__, f.__name__, None, call.__closure__)
    return functools.update_wrapper(same, f)  # type: ignore[return-value]


def telling(way: str = "", **elsewhere: str) -> Callable[[F], F]:
    """`told` as a decorator with a way to call it and the options that other libraries have in its place."""
    return functools.partial(told, way=way, elsewhere=elsewhere)


def told_class(cls: Kind, elsewhere: Mapping[str, str] = _NOTHING) -> Kind:
    """The same for a class, which is called to make an instance."""
    cls.__init__ = told(cls.__init__, cls.__name__, elsewhere=elsewhere)  # type: ignore[misc]
    return cls


def speaking(**words: str) -> Callable[[F], F]:
    """Decorate a function that calls another and has other names: of errors that come out of it, each word is replaced.

    >>> from knetpy.calls import speaking
    >>> @speaking(double="twice", x="number")
    ... def twice(number):
    ...     raise TypeError("double: x must be a number, got an axe")
    >>> twice(None)
    Traceback (most recent call last):
        ...
    TypeError: twice: number must be a number, got an axe
    """
    known = re.compile(rf"(?<![\w.'\"])({'|'.join(words)})(?!\w)")

    def explain(error: Exception) -> None:
        if error.args and isinstance(error.args[0], str):
            error.args = (known.sub(lambda found: words[found[0]], error.args[0]), *error.args[1:])

    def decorate(f: F) -> F:
        def call(*args, **options):
            try:
                return f(*args, **options)
            except (TypeError, ValueError) as error:
                explain(error)
                raise

        same = FunctionType(call.__code__, f.__globals__, f.__name__, None, call.__closure__)
        return functools.update_wrapper(same, f)  # type: ignore[return-value]

    return decorate


def _sentence(f: Callable, name: str, way: str, elsewhere: Mapping[str, str], args: tuple, options: dict) -> str:
    parameters = {p.name: p for p in inspect.signature(f).parameters.values() if p.name not in ("self", "misplaced")}
    args = args[1:] if "self" in inspect.signature(f).parameters else args
    shown = [re.sub(r"<function (\w+) at \w+>", r"\1", str(p.replace(annotation=p.empty))) for p in parameters.values()]
    takes = f"takes {', '.join(shown) or 'nothing'}"
    places = [key for key, p in parameters.items() if p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_KEYWORD]
    named = {key for key, p in parameters.items() if p.kind is not p.VAR_POSITIONAL}
    unknown = next((key for key in options if key not in named), None)
    if unknown is not None:
        here = f"; did you mean {elsewhere[unknown]}? It" if unknown in elsewhere else nearest(unknown, parameters)
        return f"{name} has no argument {unknown!r}{here} {takes}"
    if len(args) > len(places):
        by_name = [str(p).partition(":")[0].partition("=")[0] for key, p in parameters.items() if key not in places]
        rest = f"; write {way}" if way else f"; the others by name: {', '.join(by_name)}" if by_name else ""
        many = f"{len(places)} argument{'s' * (len(places) != 1)}" if places else "no arguments"
        return f"{name} takes {many} by position, got {len(args)}{rest}"
    if twice := [key for key in places[: len(args)] if key in options]:
        return f"{name}: {twice[0]} is given twice, by position and by name"
    given = {*places[: len(args)], *options}
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [key for key, p in parameters.items() if p.default is p.empty and p.kind not in several]
    missing = [key for key in wanted if key not in given]
    return f"{name}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; it {takes}" * bool(missing)


def nearest(name: str, known: Iterable[str]) -> str:
    """How a sentence about an unknown name goes on: which of the known may be meant, and `it`, of whom is said more."""
    from difflib import get_close_matches  # where something is wrong there is time to load it

    found = get_close_matches(name, list(known), 1)
    return f"; did you mean {found[0]}? It" if found else "; it"


def no_attribute(owner: str, name: str, write: str, known: Iterable[str] = ()) -> AttributeError:
    """The error of a name that `owner` does not have: what to write instead, or which of the known may be meant.

    Python would add the nearest name of its own (IPython would not), beside the point where we know what to write.
    """
    from difflib import get_close_matches

    near = [] if write else get_close_matches(name, list(known), 1)
    end = f": write {write}" if write else f". Did you mean: {near[0]!r}?" if near else ""
    return AttributeError(f"{owner} has no attribute {name!r}{end}", name=None)


def spelled(name: str, known: Iterable[str]) -> str:
    """The known name of the same letters but for capitals, underscores and an ending, as of LeakyReLU and nll_loss."""
    ours = {one.replace("_", "").lower(): one for one in known}
    letters = name.replace("_", "").lower()
    return ours.get(letters) or ours.get(letters.removesuffix("loss"), "")


def pointing(module: str, elsewhere: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module: names of other libraries lead to ours, other names to the nearest that it has."""

    def missing(name: str) -> NoReturn:
        known = [n for n, x in vars(sys.modules[module]).items() if callable(x) and not n.startswith("_")]
        known = [] if name.startswith("_") else known
        same = spelled(name, known)
        write = elsewhere.get(name) or (f"kn.{module.rpartition('.')[2]}.{same}" if same else "")
        raise no_attribute(f"module {module!r}", name, write, known)

    return missing
