"""Arrays whose derivative is wanted: `Param`, which lasts, and `Result`, which lives while a transform runs."""

import math
import operator
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from ..arrays import array_for, norm, read_only
from ..devices import host
from .errors import ESCAPED, INSTEAD, PYTORCH, DerivativeError, EscapeError, MutationError, refuse_elsewhere, to_array
from .trace import active

serial = count(1).__next__

# NumPy function -> our function, array methods by name: `protocols.serve` fills them; the methods of ufuncs by name,
# "__call__" with options among them, each called with the ufunc: `knetpy.ops.ufuncs`; displays by the dotted name of a
# class, so that none is imported for its display's sake: `knetpy.show`.
NUMPY: dict = {}
UFUNC: dict = {}
METHODS: dict = {}
DISPLAYS: dict = {}
LATE: list = []  # called when a name is missing in a table: `knetpy.ops` then imports what few programs need

_PLAIN = frozenset(("nbytes", "itemsize", "strides", "flags", "device"))  # what any array tells about itself
WRITES = frozenset(("fill", "sort", "partition", "put", "resize", "setfield", "setflags", "byteswap", "itemset"))


class Displayed:
    """Shows itself in a notebook once `knetpy.show` has registered a display for its class."""

    __slots__ = ()

    def _repr_html_(self):
        names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(self).__mro__]
        display = next((DISPLAYS[name] for name in names if name in DISPLAYS), lambda _: None)
        return display(self)


_installed: Any = None


def found(table, name):
    """What a table has under `name`, if need be after the late families were imported; else None."""
    for load in LATE if name not in table else ():
        load()
    return table.get(name)


class Value(Displayed):
    """An array that derivatives are taken through, with shape, dtype, ndim, size, T, mT, real and imag; `value` is
    the bare array, `uid` names it in every trace."""

    __slots__ = ("uid", "value")
    __array_priority__ = 1000
    value: Any
    uid: int
    # Operators are installed by `protocols`, each the function that it stands for; this tells type checkers of them.
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _installed
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _installed
    __neg__ = __pos__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __xor__ = _installed
    __getitem__ = __divmod__ = __rdivmod__ = __array_ufunc__ = __array_function__ = real = imag = _installed

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> int:
        return math.prod(self.value.shape)

    @property
    def T(self) -> Any:
        return METHODS["transpose"](self)

    @property
    def mT(self) -> Any:
        return METHODS["swapaxes"](self, -1, -2)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS or (active() and found(METHODS, name)):
            return partial(METHODS[name], self)
        if name in _PLAIN or (name not in WRITES and not name.startswith("_") and not active()):
            if hasattr(self.value, name):
                return getattr(self.value, name)  # without transforms a Param is its array
        if name in WRITES:
            raise MutationError(f"{name}() writes in place, which {kind_of(self)} refuses; {INSTEAD[kind_of(self)]}")
        ours = "np.{0}(x)" if callable(getattr(np, name, None)) else "kn.value(x).{0}" * hasattr(np.ndarray, name)
        hint = PYTORCH.get(name, f": write {ours.format(name)}" if ours else "")
        raise AttributeError(f"{kind_of(self)} has no attribute {name!r}{hint}", **({"name": None} if hint else {}))

    def __dir__(self):
        return sorted({*super().__dir__(), *METHODS, *_PLAIN})

    def __hash__(self):
        return self.uid

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self):
        is_tracked(self)  # raises for a Result that escaped
        return bool(self.value)

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over an array without axes")
        return (self[i] for i in range(len(self)))

    def __contains__(self, item):
        is_tracked(self)
        return value(item) in self.value

    def __str__(self):
        return str(self.value)

    def __format__(self, spec):
        return format(self.value[()], spec)

    def __float__(self) -> float:
        return float(plain(self, "float(...)"))

    def __int__(self) -> int:
        return int(plain(self, "int(...)"))

    def __index__(self):
        return operator.index(plain(self, "an index"))

    def __complex__(self):
        return complex(plain(self, "complex(...)"))

    def __array__(self, dtype=None, copy=None):
        array = np.asarray(plain(self, *to_array(self)), dtype)
        return array.copy() if copy else array

    def tolist(self):
        """The values as nested Python lists."""
        return plain(self, "tolist()").tolist()

    def item(self, *index):
        """One value as a Python number."""
        return plain(self, "item()").item(*index)


class Result(Value):
    """A value being differentiated; it exists only while a transform runs."""

    __slots__ = ()

    def __init__(self, array):
        self.value, self.uid = array, serial()

    def __repr__(self):
        return f"Result({np.array2string(host(self.value), separator=', ', threshold=20)}, {self.dtype})"

    def __setitem__(self, key, new):
        raise MutationError(INSTEAD["r[...] = v"])


class Param(Value):
    """An array whose gradient is wanted; made by `param`.

    Outside a transform it behaves as its array and gives plain results; `p[...] = v` and `p += v` write in place and
    keep the Param. Inside a transform it is recorded, and writing raises. `p.value` is a read-only view, `p.version`
    counts changes. A copy, a deep copy and an unpickled Param are Params of their own. `p.frozen`: see `kn.nn.freeze`.

    >>> import numpy as np, knetpy as kn
    >>> p = kn.param(np.array([1.0, 2.0]))
    >>> p += 1
    >>> p * 2
    array([4., 6.])
    """

    __slots__ = ("__weakref__", "_array", "version", "frozen")

    def __init__(self, array, frozen=False):
        array = array_for(array, frozen)
        for name, v in zip(Param.__slots__[1:] + Value.__slots__, (array, 0, frozen, serial(), read_only(array))):
            object.__setattr__(self, name, v)

    def writable(self) -> Any:
        """The array itself, to be written in place at once: this counts as a change, and raises inside a transform."""
        for trace in active():
            if trace.derives:
                raise MutationError(
                    f"{self!r} was to be written in place while a transform runs; write it after the gradient is taken"
                )
        self.version += 1
        return self._array

    def __setitem__(self, key, new):
        self.writable()[key] = refuse_elsewhere(self, value(new))  # evaluated before the Param counts a change

    def __setattr__(self, name, new):
        if name in ("value", "uid", "_array"):
            raise MutationError(f"p.{name} = ... would detach the Param from its array; write p[...] = new values")
        object.__setattr__(self, name, new)

    def __reduce__(self):
        return Param, (np.array(host(self.value)), self.frozen)

    def __deepcopy__(self, memo=None):
        return Param(self.value.copy(order="K"), self.frozen)

    __copy__ = __deepcopy__

    def __repr__(self):
        return f"Param({self.shape}, {self.dtype}, norm={norm(self.value):.4g}{', frozen' * self.frozen})"


def value(x: Any) -> Any:
    """The bare array behind `x`, without derivative; anything that is not a knetpy value is returned as it is.

    Parameters:
      x: a Param, a Result (inside a transform), what `tape` returned (its loss), or anything else.
    Returns: the array, read-only since it may be needed by a derivative.

    >>> import knetpy as kn
    >>> w = kn.param([1.0, 2.0])
    >>> kn.value(w)
    array([1., 2.], dtype=float32)
    """
    if x.__class__ is Result:
        return read_only(x.value)
    return getattr(x, "value", x) if isinstance(x, (Value, Swept)) else x


class Swept(Displayed):
    """What `value` also opens: the outcome of a transform that knows the value it came from."""

    __slots__ = ()


def bare(x):
    """The array behind `x` for internal use: no view is made, nobody writes into it."""
    return x.value if isinstance(x, Value) else x


def is_tracked(x):
    """Whether some active trace follows `x`; a Result that none follows has escaped and raises."""
    for trace in active():
        if trace.follows(x):
            return True
    if isinstance(x, Result):
        raise EscapeError(f"a Result of shape {x.shape} {ESCAPED}")
    return False


def plain(x, spelling, instead="compute with it as it is (NumPy's functions and operators work)"):
    """The bare array behind `x` where no derivative could follow it; raises if one is being taken."""
    if is_tracked(x):
        raise DerivativeError(
            f"{spelling} of {kind_of(x)} of shape {x.shape} would cut the derivative; {instead}, or write kn.value(r) "
            "to take the bare array on purpose"
        )
    return x.value


def kind_of(x):
    """What a message calls the Value `x`."""
    return "a Param" if isinstance(x, Param) else "a value being differentiated"
