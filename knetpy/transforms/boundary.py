"""The boundary of a transform: arguments are renamed on the way in; what comes out belongs to the caller."""

import numbers
from collections.abc import Mapping
from sys import getrefcount

import numpy as np

from ..core.errors import DerivativeError, DtypeError, label_of
from ..core.primitive import primitive
from ..core.trace import active
from ..core.value import Result, Value
from ..devices import on_gpu
from ..tree import children, leaves, tree_map

# The same array under a new name: other uses of it are then constants for the transform that renamed it.
_alias = primitive(lambda x: x, name="alias", x=lambda dy: dy)


def is_number(x):
    """A Python or NumPy number; booleans are not."""
    return isinstance(x, numbers.Number) and not isinstance(x, (bool, np.bool_))


def enter(tree, trace, what):
    """`tree` with a fresh Result, which `trace` follows, for each array and number in it.

    Strings, booleans, None and other objects inside a container stay as they are, and so do the settings of a layer;
    `what` names the tree in errors.
    """

    pairs = leaves(tree)
    found = iter(zip(pairs, settings(tree) if pairs and pairs[0][0] else [False]))

    def leaf(x):
        (path, _), is_setting = next(found)
        if is_setting:
            return x
        if isinstance(x, Value):
            new = _alias(x)
            new = new if isinstance(new, Result) else Result(new)
        elif isinstance(getattr(x, "dtype", None), np.dtype) and hasattr(x, "shape"):
            new = Result(trace.hold(_differentiable(x, what + path)))
        elif is_number(x):
            new = Result((np.complex128 if isinstance(x, complex) else np.float64)(x))
        elif path:
            return x
        else:
            raise DerivativeError(f"{what} is a {type(x).__name__}, which has no derivative: pass a floating array")
        trace.leaf(new)
        return new

    return tree_map(leaf, tree)


def settings(tree, inside=False):
    """Of each leaf in order, whether it is a setting: a number or an integer array in a dataclass that is called.

    Such a dataclass is a layer: its weights are arrays, its numbers are sizes, strides, rates.
    """
    nodes = children(tree)
    if nodes is None:
        return [inside and not isinstance(tree, Value) and _is_setting(tree)]
    inside = inside or callable(tree)
    return [found for _, part in nodes for found in settings(part, inside)]


def _is_setting(x):
    return is_number(x) or getattr(getattr(x, "dtype", None), "kind", "f") in "iub"


def without_settings(tree):
    """`tree` with None for the settings of the layers in it."""
    found = iter(settings(tree))
    return tree_map(lambda x: None if next(found) else x, tree)


def _differentiable(x, what):
    if isinstance(x, (np.ma.MaskedArray, np.matrix)):
        raise DerivativeError(
            f"{what} is a {type(x).__name__}, whose mask or own operators would get lost: pass np.asarray of it"
        )
    if x.dtype.kind not in "fc":
        raise DtypeError(f"{what} has dtype {x.dtype}, which has no derivative here: write .astype(np.float32)")
    return x


def conjugated(cotangents):
    """Cotangents, by serial number, as they leave a transform or come back to one.

    Inside they pair with tangents as Re(sum(dy * dx)), as in JAX; what users get and give pairs as
    Re(sum(conj(dy) * dx)), as in PyTorch: the gradient of a real loss is the direction of its steepest ascent.
    """
    for uid, dx in cotangents.items():
        if dx.dtype.kind == "c":
            cotangents[uid] = np.conj(dx)
    return cotangents


class Exit:
    """Lets values out of one transform: stripped, writable, owning their memory, sharing it with nothing."""

    def __init__(self, *callers, tape_stays=False):
        # Arrays that are not ours to hand out, by id; they are kept, else an id could come again.
        self.taken = {id(x): x for tree in callers for _, x in leaves(tree)}
        self.tape_stays = tape_stays

    def strip(self, x):
        """A leaf as it leaves: a Result that no remaining trace follows becomes its array."""
        if x.__class__ is not Result or any(trace.follows(x) for trace in active()):
            return x
        # What a tape that lives on may have kept cannot be given away.
        if self.tape_stays or active():
            self.taken[id(x.value)] = x.value
        return self.own(x.value)

    def own(self, array):
        """The array itself if it is nobody else's, else a copy."""
        if isinstance(array, np.generic):
            return array
        alone = getrefcount(array) <= _ALONE  # a rule may have given what its author keeps
        if not isinstance(array, np.ndarray):  # on a GPU
            alone = alone and array.base is None and id(array) not in self.taken
            array = array if alone else array.copy()
            self.taken[id(array)] = array
            return array
        array = np.asarray(array)  # of a masked or memory-mapped one that was met on the way
        if not (alone and array.flags.owndata and array.flags.writeable) or id(array) in self.taken:
            array = array.copy(order="K")
        self.taken[id(array)] = array
        return array

    def gradient(self, dx, primal):
        """A gradient as it leaves: zeros where there is none, an array for an array, a scalar for a number."""
        array = primal.value if isinstance(primal, Value) else primal
        if dx is None:
            dx = np.zeros_like(array)
        if isinstance(dx, Value):
            dx = self.strip(dx)
            if isinstance(dx, Value):
                return dx
        elif isinstance(dx, np.ndarray):
            dx = self.own(dx)
        elif on_gpu(dx):
            return self.own(dx)
        elif hasattr(dx, "dense"):  # of the rows of an embedding: made dense when it is asked for
            dx.values = self.own(dx.values)
            return dx
        if isinstance(array, np.ndarray):
            return np.asarray(dx, array.dtype)  # kernels answer in the machine's byte order
        return dx[()]

    def tree(self, tree):
        """Every leaf of a tree stripped; the very same tree if nothing in it was a Result."""
        found = leaves(tree) if children(tree) is not None else [("", tree)]
        if not any(x.__class__ is Result for _, x in found):
            return tree
        return tree_map(self.strip, tree)


def _count(array):
    return getrefcount(array)


def _passed_on(array):
    return _count(array)


_ALONE = _passed_on(np.zeros(1))  # what getrefcount says in `own` of an array that only its caller has, in a variable


def loss_of(y, f):
    """The value of a loss function, checked: a real scalar."""
    name = label_of(f)
    if not isinstance(y, Value) and not hasattr(y, "dtype"):
        if not is_number(y) or isinstance(y, numbers.Integral):
            raise DerivativeError(f"{name} must return a scalar to be differentiated, it returned {_described(y)}")
        y = np.asarray(y, np.complex128 if isinstance(y, complex) else np.float64)[()]
    if y.dtype.kind != "f":
        raise DtypeError(
            f"{name} returned {y.dtype}, which has no gradient: "
            + (
                "a loss is real: take np.abs(y) ** 2, np.real(y), ..."
                if y.dtype.kind == "c"
                else "return a floating loss"
            )
        )
    if y.shape != ():
        raise DerivativeError(
            f"{name} returned shape {y.shape}, a gradient needs a scalar: write np.mean(...) or np.sum(...) around it, "
            "or use kn.jacobian or kn.vjp"
        )
    return y


def _described(y):
    if isinstance(y, tuple):
        return f"a tuple of {len(y)}; (loss, other results) is for kn.grad(f, has_aux=True), else return the loss alone"
    if isinstance(y, Mapping):
        return "gradients: pass the loss itself, not grad(loss)" if hasattr(y, "unused") else "a dict"
    if isinstance(y, list):
        return f"a list of {len(y)}"
    return "None; is a return missing?" if y is None else f"{y!r:.40} of type {type(y).__name__}"


def scalar(y):
    """A loss as its caller gets it: a NumPy scalar of its dtype, or the Value that an outer trace follows."""
    if isinstance(y, Value):
        if any(trace.follows(y) for trace in active()):
            return y
        y = y.value
    return y[()]
