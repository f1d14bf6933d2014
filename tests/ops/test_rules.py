"""The house rule about rules: they are written in functions that can themselves be differentiated.

A rule, or a helper of its module that it names, that falls back on bare arrays gives a right first derivative and, in
silence, a wrong second one. Looked for in the source: `bare(x)` and `x.value` (but as constants: in comparisons and in
functions that have no derivative), kernels, NumPy's functions that do not answer for values, writing in place. Rules of
primitives with `composed=` may do all that: they are meant for bare arrays.
"""

import ast
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.core.primitive import Primitive
from knetpy.core.value import NUMPY
from knetpy.ops import load
from knetpy.ops.constants import NAMES

load()  # the table of NumPy's functions is then complete
OPS = sorted(Path(kn.ops.__file__).parent.glob("*.py"))
DECLARATIONS = {
    "primitive",
    "activation",
    "slope_of",
}  # and what the module makes of it: partial(primitive, ...), functions with **rules
NO_RULES = {"kernel", "numpy", "name", "outputs", "saves", "check", "composed", "elementwise", "trusted"}
OF_OPS = {"spells", "constant"}  # further decorators of what may be called freely
WRITES = {"at", "fill", "itemset", "partition", "put", "resize", "sort"}
MAKERS = {  # NumPy's functions that take sizes, dtypes and the like, no operands
    "arange",
    "dtype",
    "empty",
    "errstate",
    "eye",
    "finfo",
    "full",
    "ones",
    "zeros",
    "broadcast_shapes",
    "promote_types",
}
ONLY_LIKE = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "fromiter"}  # answers to like=
CONSTANT = {*NAMES, "isnan", "isfinite"}  # of a bare array they give nothing that has a derivative


class Module:
    """One source file: its functions, its kernels, and the rules that it declares."""

    def __init__(self, source):
        self.tree = ast.parse(source)
        self.declarations = DECLARATIONS | {name for node in self.tree.body for name in _declared_by(node)}
        self.functions, self.kernels, self.looked_at = {}, set(), set()
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef):
                if not {getattr(d, "id", _called(d)) for d in node.decorator_list} & (OF_OPS | self.declarations):
                    self.functions[node.name] = node
            elif isinstance(node, ast.Assign):
                if isinstance(node.value, ast.Lambda):
                    self.functions |= dict.fromkeys(_names(node), node.value)
                elif "kernel" in {_called(n) for n in ast.walk(node.value)} and _called(node.value) not in DECLARATIONS:
                    self.kernels |= set(_names(node))

    def rules(self):
        """(name of the operand, rule as an expression) of every rule that may be differentiated itself."""
        for call in ast.walk(self.tree):
            if isinstance(call, ast.Call) and _called(call) in self.declarations:
                if not any(k.arg == "composed" for k in call.keywords):
                    yield from [(k.arg, k.value) for k in call.keywords if k.arg and k.arg not in NO_RULES]

    def wrong(self):
        """(line, what is wrong) in the rules and in what they call, each once, in order."""
        found, seen = set(), set()
        waiting = [rule for _, rule in self.rules()]
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                found |= set(self._wrong_in(node))
                self.looked_at |= {n.lineno for n in ast.walk(node) if isinstance(n, (ast.FunctionDef, ast.Lambda))}
                named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                waiting += [self.functions[name] for name in named & set(self.functions)]
        return sorted(found)

    def _wrong_in(self, rule):
        given = {a.arg for f in ast.walk(rule) if isinstance(f, ast.arguments) for a in [*f.posonlyargs, *f.args]}
        made = {
            target.id
            for n in ast.walk(rule)
            if isinstance(n, ast.Assign) and _numpys(n.value)
            for target in n.targets
            if isinstance(target, ast.Name)
        }
        for node in _outside_of_constants(rule):
            if isinstance(node, ast.Call):
                name, numpys = _called(node), _numpys(node)
                if name == "bare":
                    yield node.lineno, "bare() of something whose derivative is wanted"
                elif name in self.kernels or name == "kernel":
                    yield node.lineno, f"a kernel, {name}, instead of a primitive"
                elif numpys and not _serves(numpys):
                    yield node.lineno, f"np.{numpys}, which takes no values"
                elif not numpys and isinstance(node.func, ast.Attribute) and name in WRITES:
                    yield node.lineno, f".{name}(), which writes in place"
                if any(k.arg == "out" for k in node.keywords):
                    yield node.lineno, "out=, which writes in place"
            elif isinstance(node, ast.Attribute) and node.attr == "value":
                yield node.lineno, ".value of something whose derivative is wanted"
            elif isinstance(node, ast.AugAssign) and _root(node.target) in given:
                yield node.lineno, f"{_root(node.target)} is written in place"
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _root(node) in given | made:
                yield node.lineno, f"{_root(node)} is written in place"


def _outside_of_constants(node):
    """All nodes but those from which no derivative could come: comparisons, shapes and dtypes, floor, ones_like..."""
    constant = isinstance(node, ast.Compare)
    constant |= isinstance(node, ast.Attribute) and node.attr in ("shape", "dtype", "size", "ndim")
    constant |= isinstance(node, ast.Call) and _numpys(node) in CONSTANT
    if not constant:
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _outside_of_constants(child)


def _called(node):
    """The last name of what is called: `primitive` of `core.primitive(...)`."""
    f = node.func if isinstance(node, ast.Call) else None
    return f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else None


def _numpys(node):
    """`add.at` of the call np.add.at(...); None if it is none of NumPy's."""
    names, f = [], node.func if isinstance(node, ast.Call) else None
    while isinstance(f, ast.Attribute):
        names, f = [f.attr, *names], f.value
    return ".".join(names) if isinstance(f, ast.Name) and f.id == "np" else None


def _serves(name):
    """Whether NumPy's function of this name may be called in a rule."""
    f = np
    for part in name.split("."):
        f = getattr(f, part)
    if name in ONLY_LIKE:
        return False
    return name in MAKERS or f in NUMPY or (isinstance(f, type) and issubclass(f, np.generic))


def _declared_by(node):
    """The names that a statement gives to partial(primitive, ...), or to a function that hands **rules on."""
    if isinstance(node, ast.Assign) and _called(node.value) == "partial":
        return _names(node) if getattr(node.value.args[0], "id", None) in DECLARATIONS else []
    if isinstance(node, ast.FunctionDef):
        calls = [n for n in ast.walk(node) if _called(n) in DECLARATIONS]
        return [node.name] if any(k.arg is None for call in calls for k in call.keywords) else []
    return []


def _names(node):
    """The names that an assignment sets."""
    return [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _root(node):
    """`x` of x, x[i], x.T[i]."""
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return getattr(node, "id", None)


# --------------------------------------------------------------------------------------------------- the package


@pytest.mark.parametrize("path", OPS, ids=lambda path: path.stem)
def test_rules_are_written_in_differentiable_functions(path):
    found = Module(path.read_text(encoding="utf-8")).wrong()
    assert found == [], "\n".join(f"{path.name}:{line}: {what}" for line, what in found)


def primitives():
    """The primitives that the modules of ops hold."""
    for path in OPS:
        module = import_module(f"knetpy.ops.{path.stem}") if path.stem != "__init__" else kn.ops
        found = [getattr(x, "primitive", None) for x in vars(module).values()]
        yield from [op for op in found if isinstance(op, Primitive)]


def test_all_rules_are_looked_at():
    """What the package has made of its source: every rule that is not on bare arrays is in what was looked through."""
    modules = {str(path): Module(path.read_text(encoding="utf-8")) for path in OPS}
    for module in modules.values():
        module.wrong()
    codes = set()
    for op in primitives():
        for rule in (*op.declared.values(), op.vjp, op.jvp):
            if rule is not None and op.composed is None:
                written = rule.call.__globals__.get("rule", rule.call)  # see core.rules.adapt
                if hasattr(written, "__code__"):
                    codes.add((written.__code__.co_filename, written.__code__.co_firstlineno))
    assert len(codes) > 80
    assert [(file, line) for file, line in codes if file in modules and line not in modules[file].looked_at] == []


# ------------------------------------------------------------------------------------------------ the test itself

FINE = {
    "ops": "f = primitive(np.sin, x=lambda dy, x: dy * np.cos(x))",
    "no rule": "f = primitive(np.sign, x=None)",
    "constants": "f = primitive(k, x=lambda dy, x: np.where(bare(x) > 0, dy, 0) * np.floor(x.value))",
    "a shape": "f = primitive(k, x=lambda dy, x: np.reshape(dy, bare(x).shape))",
    "makers": "f = primitive(k, x=lambda dy, n: dy * np.ones(n) * np.float64(2))",
    "fused": "f = primitive(k, x=lambda dy, x: _dx(bare(dy), x.value), composed=g)\n_dx = kernel('a', 'dx')",
    "a primitive": "@primitive(x=lambda dy: _g(dy))\ndef _g(x):\n    return np.asarray(x)",
    "a kernel in a primitive": "_k = kernel('a', 'b')\n_f = primitive(lambda x: _k(x), x=lambda dy: _f(dy))",
    "a list": "def r(dy):\n    parts = [0]\n    parts[0] = dy\n    return parts[0]\nf = primitive(k, x=r)",
    "a checked argument": "def f(x):\n    return g(np.asarray(bare(x)))\ng = primitive(k, x=lambda dy: dy)",
}
WRONG = {
    "bare": ("f = primitive(k, x=lambda dy, x: dy * bare(x))", "bare"),
    "value": ("f = primitive(k, x=lambda dy, x: dy * x.value)", ".value"),
    "no function of values": ("f = primitive(k, x=lambda dy, x: dy * np.frombuffer(x))", "np.frombuffer"),
    "no rule for it": ("f = primitive(k, x=lambda dy, x: dy * np.packbits(x))", "np.packbits"),
    "in a decorator": ("@primitive(x=lambda dy, x: dy * bare(x))\ndef f(x):\n    return x", "bare"),
    "vjp": ("f = primitive(k, vjp=lambda dy, x: (dy * bare(x),))", "bare"),
    "jvp": ("f = primitive(k, jvp=lambda dx, x: dx * bare(x))", "bare"),
    "a function": ("def r(dy, x):\n    return dy * bare(x)\nf = primitive(k, x=r)", "bare"),
    "a helper": ("def h(x):\n    return bare(x)\nf = primitive(k, x=lambda dy, x: dy * h(x))", "bare"),
    "a helper's helper": ("h = lambda x: bare(x)\ng = lambda x: h(x)\nf = primitive(k, x=lambda x: g(x))", "bare"),
    "handed on": (
        "def declare(kernel, **rules):\n    return primitive(kernel, **rules)\n"
        "f = declare(k, x=lambda dy, x: dy * bare(x))",
        "bare",
    ),
    "partial": ("op = partial(primitive, trusted=True)\n@op(x=lambda dy, x: bare(x))\ndef f(x):\n    return x", "bare"),
    "a kernel": ("_dx = kernel('a', 'dx')\nf = primitive(k, x=lambda dy: _dx(dy))", "_dx"),
    "kernels": ("_a, _b = [kernel('a', n) for n in 'ab']\nf = primitive(k, x=lambda dy: _b(dy))", "_b"),
    "a kernel at once": ("f = primitive(k, x=lambda dy: kernel('a', 'b')(dy))", "kernel"),
    "add.at": (
        "def r(dy, key, x_shape):\n    g = np.zeros(x_shape)\n    np.add.at(g, key, dy)\n    return g\n"
        "f = primitive(k, x=r)",
        "np.add.at",
    ),
    "into an operand": ("def r(dy, x):\n    dy[x > 0] = 0\n    return dy\nf = primitive(k, x=r)", "dy is written"),
    "into an array": (
        "def r(dy, key, x_shape):\n    g = np.zeros(x_shape)\n    g[key] = dy\n    return g\nf = primitive(k, x=r)",
        "g is written",
    ),
    "augmented": ("def r(dy, x):\n    dy *= x\n    return dy\nf = primitive(k, x=r)", "dy is written"),
    "out": ("f = primitive(k, x=lambda dy, x: np.multiply(dy, x, out=dy))", "out="),
    "a method": ("f = primitive(k, x=lambda dy: dy.sort())", ".sort()"),
}


@pytest.mark.parametrize("kind", FINE)
def test_honest_rules_are_not_reported(kind):
    assert Module(FINE[kind]).wrong() == []


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_rules_are_found(kind):
    source, fact = WRONG[kind]
    (found,) = Module(source).wrong()
    assert fact in found[1]
    assert found[0] <= len(source.splitlines())
