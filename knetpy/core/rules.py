"""Derivative rules as their authors write them, turned once into functions of one shape, and what they read.

A rule asks by parameter name for what it needs: `dy` (the cotangent of the output), `y` (the output), an operand by its
name in the kernel's signature, `<operand>_shape` or `<operand>_dtype`, a keyword of the kernel, a saved value, `i`
(which of `*operands` it is for), and `out`. Inside, every rule is called as `rule(dy, y, *operands, **attrs)`.

`out` is dy itself (or the first of several) if nobody else has it, no other rule is to read it, no trace is active and
its memory has no gaps, so that the rule may write its result there; else None.
"""

import inspect
from functools import cache
from types import FunctionType
from typing import NamedTuple

import numpy as np

from .errors import PACKAGE

NOTHING, SPEC, ARRAY = range(3)  # how much of an operand a rule needs


class Spec(NamedTuple):
    """What is kept of an array when only its shape and dtype are read."""

    shape: tuple
    dtype: np.dtype


def spec(x):
    """Shape and dtype of an operand of any kind."""
    return Spec(x.shape, x.dtype) if hasattr(x, "dtype") else Spec(np.shape(x), np.result_type(x))


class Signature(NamedTuple):
    """A kernel's parameters: operands (positional), whether the last is `*operands`, attrs with defaults, saved."""

    operands: tuple
    variadic: bool
    attrs: tuple
    defaults: dict  # of attrs
    saves: tuple
    required: int  # operands without a default
    written: inspect.Signature


class Rule(NamedTuple):
    """A rule of uniform shape; whether it reads `y`; how much it reads of each operand; whether it asks for `out`."""

    call: object
    reads_y: bool
    reads: tuple
    reuses: bool = False


def signature_of(kernel, operands, saves):
    """The kernel's parameters; for a ufunc, which has none to ask for, the rules' names are the operands."""
    if isinstance(kernel, np.ufunc):
        written = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in operands])
        return Signature(tuple(operands), False, (), {}, saves, kernel.nin, written)
    written = inspect.signature(kernel)
    parameters = list(written.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    attrs = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in attrs if p.default is not p.empty}
    variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
    if variadic and len(positional) > 1:
        raise TypeError(f"primitive {kernel.__name__}: *{positional[-1].name} must be its only operand")
    taken = {"y", "dy", "i"} & {p.name for p in parameters}
    if taken:
        raise TypeError(
            f"primitive {kernel.__name__}: no parameter may be named {taken.pop()!r}; in rules y is the output, dy its "
            "cotangent, i an operand's number: rename it"
        )
    required = sum(p.default is p.empty for p in positional)
    names, options = [tuple([p.name for p in group]) for group in (positional, attrs)]
    return Signature(names, variadic, options, defaults, saves, required, written)


def adapt(rule, what, signature, first=("dy",)):
    """`rule` as a `Rule`: callable as rule(*first, y, *operands, **attrs). `what` names it in errors."""
    wanted = _parameters(rule)
    sources = _sources(signature, first)
    for name in wanted:
        if name not in sources:
            raise TypeError(f"{what} asks for {name!r}; it may ask for {', '.join(sources)}")
    reads = tuple(_amount(wanted, name) for name in signature.operands)
    star = "*" if signature.variadic else ""
    operands = [*signature.operands[:-1], *(star + name for name in signature.operands[-1:])]
    reuses = "out" in wanted and "out" not in (*signature.operands, *signature.attrs, *signature.saves)
    keywords = [*signature.attrs, *signature.saves, *["i"] * signature.variadic, *["out"] * reuses]
    if wanted == [*first, "y", *signature.operands] and not keywords:
        return Rule(rule, True, reads)
    head = ", ".join([*first, "y", *operands])
    if keywords:
        head += (", " if star else ", *, ") + ", ".join(f"{name}=None" for name in keywords)
    # One flat call: a closure that picks arguments by index would cost more than many rules do.
    source = f"lambda {head}: rule({', '.join(sources[name] for name in wanted)})"
    return Rule(eval(_compiled(source), {"rule": rule}), "y" in wanted, reads, reuses)


def _parameters(rule):
    if isinstance(rule, FunctionType):  # as inspect.signature, which would take most of the time of an import
        return list(rule.__code__.co_varnames[: rule.__code__.co_argcount + rule.__code__.co_kwonlyargcount])
    return list(inspect.signature(rule).parameters)


@cache
def _compiled(source):
    return compile(source, f"{PACKAGE}rule of a primitive", "eval")  # the file name says that it is no user's code


def _sources(signature, first):
    """Each name a rule may ask for, and the expression that gives it."""
    found = {name: name for name in (*first, "y", *signature.operands, *signature.attrs, *signature.saves, "out")}
    if signature.variadic:
        return found | {"i": "i"}
    for name in signature.operands:
        found[f"{name}_shape"], found[f"{name}_dtype"] = f"{name}.shape", f"{name}.dtype"
    return found


def _amount(wanted, operand):
    if operand in wanted:
        return ARRAY
    return SPEC if {f"{operand}_shape", f"{operand}_dtype"} & set(wanted) else NOTHING
