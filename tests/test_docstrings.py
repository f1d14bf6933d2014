"""Every public name says in the same order what it takes, gives and raises, how it is differentiated, and an example.

The examples are run where they stand, by pytest's --doctest-modules; here is checked that each is found there.
"""

import ast
import builtins
import doctest
import inspect
import re
import sys
from functools import cache
from keyword import iskeyword
from math import sqrt
from types import ModuleType

import numpy as np
import pytest

import knetpy as kn

CONSTANTS = {"accuracy", "causal_mask", "onehot", "zeroone"}  # ops that have no derivative
TRANSFORMS = {"grad", "value_and_grad", "tape", "vjp", "jvp", "hvp", "jacobian", "hessian", "checkpoint", "gradcheck"}
MET = {
    "Gradients",
    "Record",
    "Result",
    "Param",
    "data.Columns",
    "data.Corpus",
    "data.Images",
    "data.Minibatches",
    "data.Reviews",
    "nn.Summary",
    "optim.Optimizer",
}  # not made
WORDS = {"parameters", "returns", "raises", "errors", "derivative", "derivatives", "source", "attributes"}
HEADING = re.compile(r"^(Parameters|Returns|Raises|Derivatives?|Attributes|Source)((?:,? (?:and )?[a-z]+)*): ?")
ENTRY = re.compile(r"(?:^\s*|(?<=[.;] ))((?:\*{0,2}\w+(?:=[^\s:]+)?, )*\*{0,2}\w+(?:=[^\s:]+)?): ", re.MULTILINE)
MEANING = {"np": np, "kn": kn, "sqrt": sqrt}  # of what defaults are written with


# ------------------------------------------------------------------------------------------------ what is public


def names_of(module):
    listed = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    things = {name: getattr(module, name) for name in listed}
    return {name: thing for name, thing in things.items() if getattr(thing, "__module__", "").startswith("knetpy.")}


@cache
def public():
    """{name as the user writes it after `kn.`: function or class}."""
    things = {name: getattr(kn, name) for name in kn.__all__}
    found = {name: thing for name, thing in things.items() if not isinstance(thing, ModuleType)}
    for name in sorted(set(things) - set(found) - {"ops"}):
        others = names_of(things[name]).items()
        found.update({f"{name}.{key}": thing for key, thing in others if thing not in found.values()})
    return dict(sorted(found.items()))


def is_error(thing):
    return isinstance(thing, type) and issubclass(thing, Exception)


FUNCTIONS = [name for name, thing in public().items() if not isinstance(thing, type)]
CLASSES = [name for name, thing in public().items() if isinstance(thing, type) and not is_error(thing)]


def parameters(name):
    """{parameter: default} of a function, or of what makes an instance."""
    thing = public()[name]
    given = inspect.signature(thing.__init__ if isinstance(thing, type) else thing).parameters.values()
    return {p.name: p.default for p in given if not p.name.startswith("_") and p.name not in ("self", "misplaced")}


# ------------------------------------------------------------------------------------------------ what a docstring says


@cache
def sections(name):
    """{section: its text}, a section being "parameters", "returns", "raises" or "derivative"."""
    found, now = {}, []
    for line in inspect.getdoc(public()[name]).splitlines():
        heading = HEADING.match(line)
        if heading:
            words = re.findall(r"\w+", heading[0].lower())
            assert set(words) <= WORDS | {"and"}, f"kn.{name}: no section is called {heading[0]!r}"
            now = [
                "raises" if word == "errors" else word.removesuffix("s") if word[0] == "d" else word for word in words
            ]
            line = line[heading.end() :]
        elif not line or line.startswith(">>>"):
            now = []
        for section in now:
            found[section] = found.get(section, "") + line + "\n"
    return found


def said(name, section):
    """What a docstring says in a section, then what it refers to."""
    own = sections(name).get(section, "")
    others = [_known(other, name) for other in re.findall(r"as (?:for )?`(\w+)`", own)]
    others = [said(other, section) for other in others if other != name]
    return [own, *sum(others, [])]


def _known(other, name):
    """The public name that a docstring means: of its own subpackage, of kn, or an initialiser."""
    near = f"{name.rpartition('.')[0]}.{other}"
    return near if near in public() else other if other in public() else f"init.{other}"


def stated(name):
    """{parameter: the default that is stated, or ...}."""
    found = {}
    for text in reversed(said(name, "parameters")):
        for entry in ENTRY.finditer(text):
            for token in entry[1].split(", "):
                parameter, _, default = token.lstrip("*").partition("=")
                found[parameter] = eval(default, dict(MEANING)) if default else inspect.Parameter.empty
    return found


@cache
def doctests(module):
    return doctest.DocTestFinder(exclude_empty=True).find(sys.modules[module], globs={})


def example(name):
    return doctest.DocTestParser().get_examples(inspect.getdoc(public()[name]))


# ------------------------------------------------------------------------------------------------ the rules


@pytest.mark.parametrize("name", public())
def test_the_first_paragraph_is_a_sentence(name):
    first = inspect.getdoc(public()[name]).partition("\n\n")[0]
    assert first.endswith("."), f"kn.{name}: {first}"
    assert len(first.splitlines()) <= 2


@pytest.mark.parametrize("name", FUNCTIONS + [name for name in CLASSES if name not in MET])
def test_every_parameter_is_explained_with_its_default(name):
    takes, explained = parameters(name), stated(name)
    assert set(takes) <= set(explained), f"kn.{name} does not explain {set(takes) - set(explained)}"
    wrong = {p: default for p, default in takes.items() if not same(default, explained[p])}
    assert not wrong, f"kn.{name} does not state these defaults: {wrong}"
    own = {p for entry in ENTRY.finditer(sections(name).get("parameters", "")) for p in re.findall(r"^\w+", entry[1])}
    assert own <= set(takes), f"kn.{name} has no parameters {own - set(takes)}"


def same(default, stated):
    return default is stated or (type(default) is type(stated) or not isinstance(default, bool)) and default == stated


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_it_returns_and_raises(name):
    annotation = inspect.signature(public()[name]).return_annotation
    assert annotation in (None, "None") or "returns" in sections(name), f"kn.{name} does not say what it returns"
    if name in TRANSFORMS or is_op(name):
        assert "raises" in sections(name), f"kn.{name} does not say what it raises"


def is_op(name):
    return public()[name].__module__.startswith("knetpy.ops.")


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if is_op(name)])
def test_how_it_is_differentiated(name):
    said = "no derivative" if name in CONSTANTS else "erivative"
    assert said in inspect.getdoc(public()[name]) or "derivative" in sections(name)


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_what_it_mentions_exists(name):
    text = inspect.getdoc(public()[name])
    for error in re.findall(r"\b\w+Error\b", text):
        assert any(hasattr(place, error) for place in (kn, builtins, np.exceptions, kn.check, kn.data)), (
            f"kn.{name}: {error}"
        )
    for mentioned in re.findall(r"`(?:kn\.)?([a-z_0-9]{3,})`", text):
        places = (kn, kn.init, kn.train, kn.data, kn.nn, kn.knet, public()[name])
        known = (
            any(hasattr(place, mentioned) for place in places) or mentioned in signature(name) or iskeyword(mentioned)
        )
        assert known, f"kn.{name}: what is `{mentioned}`?"


def signature(name):
    return inspect.signature(public()[name]).parameters


@pytest.mark.parametrize("name", [name for name in FUNCTIONS + CLASSES if name != "Result"])
def test_there_is_an_example_that_is_run_and_can_be_copied(name):
    thing = public()[name]
    found = doctests(thing.__module__)
    assert any(test.name == f"{thing.__module__}.{thing.__qualname__}" and test.examples for test in found)
    code = ast.parse("".join(step.source for step in example(name)))
    nodes = list(ast.walk(code))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)} | set(dir(builtins))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    assert used <= bound, f"kn.{name}: the example does not say what {used - bound} is"


@pytest.mark.parametrize("name", CLASSES)
def test_every_attribute_is_explained(name):
    cls = public()[name]
    for attribute in attributes(cls):
        own = inspect.getattr_static(cls, attribute, None)
        doc = inspect.getdoc(own) if inspect.isroutine(own) or isinstance(own, property) else ""
        whole = "\n".join(inspect.getdoc(base) or "" for base in cls.__mro__ if base.__module__.startswith("knetpy."))
        assert doc or re.search(rf"\b{attribute}\b", whole), f"kn.{name}.{attribute} is explained nowhere"


def attributes(cls):
    """What the class and its bases in knetpy define without an underscore in front."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("knetpy.")]
    names = {name for base in bases for name in (*vars(base), *getattr(base, "__annotations__", {}))}
    return sorted(name for name in names if not name.startswith("_"))
