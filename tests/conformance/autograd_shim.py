"""HIPS autograd's names over knetpy, so that code written for autograd runs on knetpy as it stands.

`install(source)` takes the folder of an unpacked source distribution of autograd and puts our `autograd`, `.numpy`,
`.core`, `.tracer`, `.extend` and `.builtins` where imports look for them. Everything else (`test_util` with its
checker, `wrap_util`, `misc`, the rest of `scipy` with its rules) is autograd's own and runs on these;
`scipy.special` and `scipy.stats` are those of `kn.scipy`. As a plugin of pytest
(`-p autograd_shim`) it takes the folder from the variable AUTOGRAD_TESTS.
"""

import builtins
import functools
import os
import sys
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np

import knetpy as kn
from knetpy.core.tape import unbroadcast
from knetpy.core.value import Value, bare
from knetpy.tree import leaves, tree_map

# ------------------------------------------------------------------------------------------ autograd.core, .tracer


def conjugate(tree):
    """autograd's complex gradients are the conjugates of ours, and PyTorch's."""
    return tree_map(lambda x: np.conj(x) if np.iscomplexobj(bare(x)) else x, tree)


def make_vjp(f, x):
    """(function of a cotangent, value)."""
    y, pullback = kn.vjp(f, x)
    return lambda dy: conjugate(pullback(conjugate(dy))[0]), y


def make_jvp(f, x):
    """A function of a tangent that gives (value, tangent)."""
    return lambda dx: kn.jvp(f, (x,), (dx,))


class vspace:
    """The vector space that a nested container of arrays and numbers lies in."""

    def __init__(self, tree):
        self.like = tree_map(lambda x: np.asarray(bare(x)), tree)
        arrays = leaves(self.like)
        self.kind = type(tree) if arrays[0][0] else None, [(path, x.shape, x.dtype) for path, x in arrays]
        self.iscomplex = any([x.dtype.kind == "c" for _, x in arrays])
        self.size = sum([x.size * (2 if x.dtype.kind == "c" else 1) for _, x in arrays])
        if any([x.dtype.kind not in "fc" for _, x in arrays]):
            raise TypeError(f"no vector space for {tree!r}")

    def __eq__(self, other):
        return self.kind == other.kind

    def zeros(self):
        return tree_map(np.zeros_like, self.like)

    def ones(self):
        return tree_map(np.ones_like, self.like)

    def randn(self):
        def drawn(like):
            x = np.array(np.random.randn(*like.shape))
            return (x + 1j * np.random.randn(*like.shape) if like.dtype.kind == "c" else x).astype(like.dtype)

        return tree_map(drawn, self.like)

    def add(self, x, y):
        return tree_map(lambda _, x, y: x + y, self.like, x, y)

    def scalar_mul(self, x, a):
        return tree_map(lambda _, x: x * a, self.like, x)

    def covector(self, x):
        return conjugate(x)

    def inner_prod(self, x, y):
        return sum([np.real(np.vdot(a, b)) for (_, a), (_, b) in zip(leaves(x), leaves(y))])


# ----------------------------------------------------------------------------------------------- autograd.extend


class primitive:
    """A function whose rules are given afterwards, by `defvjp`: a `kn.primitive` of the values among its arguments."""

    def __init__(self, f):
        self.f, self.vjps, self.__name__ = f, None, getattr(f, "__name__", "primitive")

    def __call__(self, *args, **options):
        values = [[x for _, x in leaves(a) if isinstance(x, Value)] for a in args]
        argnums = [n for n, found in enumerate(values) if found]

        def completed(xs):
            rest = iter(xs)
            return tree_map(lambda x: next(rest) if isinstance(x, Value) else x, list(args))

        def rule(dy, y, xs):
            if self.vjps is None:
                raise NotImplementedError(f"{self.__name__} has no rules")
            found = zip(argnums, self.vjps(argnums, y, completed(xs), options)(dy))
            return tuple([part for n, dx in found for part in _of_values(dx, args[n])])

        op = kn.primitive(lambda *xs: self.f(*completed(xs), **options), name=self.__name__, vjp=rule)
        return op(*[x for found in values for x in found])


def _of_values(dx, arg):
    """The parts of a cotangent that belong to the values in an argument."""
    parts = leaves(tree_map(lambda _: None, arg) if dx is None else dx)
    return [part for (_, part), (_, x) in zip(parts, leaves(arg)) if isinstance(x, Value)]


def defvjp_argnums(op, maker):
    """All rules at once: maker(argnums, ans, args, options)(g) gives a cotangent for each of argnums."""
    op.vjps = maker


def defvjp_argnum(op, maker):
    """One rule for all arguments: maker(argnum, ans, args, options)(g)."""
    defvjp_argnums(op, lambda argnums, *call: lambda g: [maker(n, *call)(g) for n in argnums])


def defvjp(op, *makers, argnums=None):
    """A rule for each argument: maker(ans, *args, **options)(g), or None where there is no derivative."""
    rules = dict(zip(argnums or count(), makers))

    def maker(n, ans, args, options):
        if n not in rules:
            raise NotImplementedError(f"{op.__name__} has no rule for argument {n}")
        return rules[n](ans, *args, **options) if rules[n] else lambda g: None

    defvjp_argnum(op, maker)


def no_forward_rule(*_):
    """knetpy transposes the rules of reverse mode."""


def missing(*_, **__):
    """Stands for what knetpy has no like of, so that tests of other things in the same file can be imported."""
    raise NotImplementedError


# ------------------------------------------------------------------------------------------------ autograd.numpy


class Numpy(ModuleType):
    """NumPy itself: its functions know knetpy's values. `array` is the one that NumPy lets nobody answer for."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(x, *args, **options):
        if not any([isinstance(leaf, Value) for _, leaf in leaves(x)]):
            return np.array(x, *args, **options)
        return np.copy(x) if isinstance(x, Value) else np.stack([Numpy.array(part) for part in x])


def wrap_namespace(old, new):
    """Every function of a module as a primitive that waits for its rules."""
    new.update({name: primitive(f) if callable(f) and not isinstance(f, type) else f for name, f in old.items()})


def unbroadcast_f(target, f):
    """f with its result summed back to the shape of `target`."""
    return lambda g: unbroadcast(f(g), np.shape(target))


def repeat_to_match_shape(g, shape, dtype, axis, keepdims):
    """g repeated along the axes that were reduced, and how often."""
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % max(len(shape), 1)
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    return np.broadcast_to(np.reshape(g, kept), shape), np.prod(shape) / np.prod(kept)


# ------------------------------------------------------------------------------------------------------ autograd


def operators(unary_to_nary):
    """autograd's operators, each by the transform of knetpy's that does the same."""

    def transform(ours, leave=lambda found: found):
        def theirs(f, argnum=0, **how):
            g = ours(f, tuple(argnum) if isinstance(argnum, list) else argnum, **how)
            return functools.wraps(g)(lambda *args, **options: leave(g(*args, **options)))

        return theirs

    def of_first(pair):
        return conjugate(pair[0]), pair[1]

    def of_second(pair):
        return pair[0], conjugate(pair[1])

    def holomorphic_grad(f, argnum=0):
        return transform(kn.grad, conjugate)(lambda *args: np.real(f(*args)), argnum)

    @unary_to_nary
    def elementwise_grad(f, x):
        y, pullback = kn.vjp(f, x)
        return pullback(np.ones_like(y))[0]

    @unary_to_nary
    def deriv(f, x):
        return kn.jvp(f, (x,), (vspace(x).ones(),))[1]

    @unary_to_nary
    def make_hvp(f, x):
        return lambda v: kn.hvp(f, (x,), (v,))[0], kn.grad(f, 0)(x)

    @unary_to_nary
    def ggnvp(f, x, g):
        y, pullback = kn.vjp(f, x)
        return lambda v: pullback(kn.hvp(g, (y,), (kn.jvp(f, (x,), (v,))[1],))[0])[0]

    def hessian_tensor_product(f, argnum=0):
        return lambda *args: kn.hvp(lambda x: f(*args[:argnum], x, *args[argnum + 1 : -1]), (args[argnum],), args[-1:])[
            0
        ]

    def tensor_jacobian_product(f, argnum=0):
        return kn.jacobian(lambda *args: np.tensordot(args[-1], f(*args[:-1]), np.ndim(args[-1])), argnum)

    return {
        "grad": transform(kn.grad, conjugate),
        "value_and_grad": transform(kn.value_and_grad, of_second),
        "grad_and_aux": lambda f, argnum=0: transform(kn.grad, of_first)(f, argnum, has_aux=True),
        "jacobian": transform(kn.jacobian),
        "hessian": transform(kn.hessian),
        "make_vjp": unary_to_nary(make_vjp),
        "make_jvp": unary_to_nary(make_jvp),
        "make_hvp": make_hvp,
        "make_ggnvp": lambda f, g=lambda y: np.sum(y**2) / 2, f_argnum=0: ggnvp(f, f_argnum, g),
        "elementwise_grad": elementwise_grad,
        "deriv": deriv,
        "hessian_tensor_product": hessian_tensor_product,
        "hessian_vector_product": hessian_tensor_product,
        "tensor_jacobian_product": tensor_jacobian_product,
        "checkpoint": kn.checkpoint,
        "holomorphic_grad": holomorphic_grad,
    }


def install(source):
    """Put the modules where imports find them; `source` is the folder of autograd's source distribution."""
    autograd = sys.modules["autograd"] = ModuleType("autograd")
    autograd.__path__ = [str(Path(source) / "autograd")]
    kinds = {name: getattr(builtins, name) for name in ("isinstance", "type", "tuple", "list", "dict")}
    forward = dict.fromkeys(("defjvp", "defjvp_argnum", "defjvp_argnums"), no_forward_rule)
    reverse = dict(defvjp=defvjp, defvjp_argnum=defvjp_argnum, defvjp_argnums=defvjp_argnums)
    core = dict(make_vjp=make_vjp, make_jvp=make_jvp, vspace=vspace, primitive=primitive, primitive_vjps={})
    rules = dict(unbroadcast_f=unbroadcast_f, repeat_to_match_shape=repeat_to_match_shape)

    _put("autograd.core", core)
    _put("autograd.tracer", dict(primitive=primitive, isbox=lambda x: isinstance(x, Value), getval=kn.value))
    _put("autograd.extend", dict(primitive=primitive, vspace=vspace, **reverse, **forward))
    _put("autograd.builtins", kinds)
    _put("autograd.misc.tracers", dict(const_graph=missing))
    sys.modules["autograd.numpy"] = autograd.numpy = Numpy("autograd.numpy")
    _put("autograd.numpy.numpy_wrapper", dict(wrap_namespace=wrap_namespace))
    _put("autograd.numpy.numpy_vjps", rules)
    for name in ("random", "linalg", "fft"):
        sys.modules[f"autograd.numpy.{name}"] = getattr(np, name)
    if find_spec("scipy"):
        for name in ("special", "stats"):
            sys.modules[f"autograd.scipy.{name}"] = getattr(kn.scipy, name)
        sys.modules["autograd.scipy.stats.multivariate_normal"] = kn.scipy.stats.multivariate_normal

    from autograd.wrap_util import unary_to_nary

    vars(autograd).update(operators(unary_to_nary) | kinds)


def _put(name, contents):
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(contents)


# ------------------------------------------------------------------------------------------- the plugin of pytest


def pytest_configure():
    """Before any test is imported."""
    install(os.environ["AUTOGRAD_TESTS"])
