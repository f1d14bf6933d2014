"""A double of the part of CuPy a toolkit needs, on the CPU.

Arrays hold NumPy data but are as strict as CuPy's: no silent mixing with host
arrays, reductions stay 0-d arrays, fresh memory is poison.  Raw kernels run in
`emulator`.  Where the real cupy is installed (it imports without a GPU), a name
it lacks does not exist here either.
"""

import functools
import importlib
import inspect
import re
import sys
import types
import weakref

import numpy as np

from . import capture, emulator

try:
    _real = importlib.import_module("cupy") if sys.modules.get("cupy") is not sys.modules[__name__] else None
except ImportError:
    _real = None


def _un(x):
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)(map(_un, x))
    return x


def _aligned(a):
    """A fresh array as the memory pool would place it: at a multiple of 512."""
    if a.base is not None or not a.nbytes or a.ctypes.data % 512 == 0:
        return a
    raw = np.empty(a.nbytes + 512, np.uint8)
    at = -raw.ctypes.data % 512
    b = np.ndarray(a.shape, a.dtype, raw.data, at, a.strides)
    b[...] = a
    return b


def _wrap(x):
    if isinstance(x, (np.ndarray, np.generic)):
        return ndarray(_aligned(np.asarray(x)))
    if hasattr(x, "_fields"):  # CuPy has named tuples where it has those of NumPy, but none in linalg
        parts = map(_wrap, x)
        return x._make(parts) if type(x).__name__.startswith("Unique") else tuple(parts)
    if isinstance(x, (list, tuple)):
        return (list if isinstance(x, list) else tuple)(map(_wrap, x))  # CuPy's tuples have no names
    return x


def _flat(x):
    return [leaf for part in x for leaf in _flat(part)] if isinstance(x, (list, tuple)) else [x]


def _done(do, arrays, into=None, writes=False):
    """`do()`, which uses these arrays of NumPy's, as ours; or `into`, which it writes.

    A capture writes it down, but for what makes a view. `do` must not hold arrays of ours: they are given back.
    """
    held = capture.current()
    if held is None:
        result = do()
        return _wrap(result) if into is None else into
    arrays = [a for a in _flat(arrays) if isinstance(a, np.ndarray)]
    held.touch(arrays)
    with np.errstate(all="ignore"):
        result = do()
    wrapped, known = _wrap(result), capture.roots(arrays)
    ours = [(n, a) for n, a in enumerate(_flat(wrapped)) if isinstance(a, ndarray)]
    made = [(n, a._a) for n, a in ours if not known.keys() & capture.roots([a._a])]

    def node():
        again = _flat(do())
        for n, a in made:
            a[...] = again[n]

    if made or writes or into is not None or not ours:
        held.nodes.append(node)
    del ours[:]
    return wrapped if into is None else into


def _forward(f):
    @functools.wraps(f, updated=())
    def call(*args, **kwargs):
        args, kwargs = tuple(map(_un, args)), {k: _un(v) for k, v in kwargs.items()}
        floating = [a for a in args if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
        if f.__name__ in _BLAS and len(floating) > (f.__name__ == "einsum"):
            capture.unsupported("cuBLAS")
        if library := _library(f):
            capture.unsupported(library)
        if f.__name__ in _SORTS:  # Thrust's, which wait
            capture.wait()
        used = [getattr(f, "__self__", None), *args, *kwargs.values()]
        do = _solving(f) if getattr(f, "__module__", "") == "numpy.linalg" else f
        return _done(lambda: do(*args, **kwargs), used, writes="out" in kwargs)

    return call


def _solving(f):
    """A function of linear algebra as cuSOLVER does it: of a matrix that has no solution it tells nobody."""

    def call(a, *args, **kwargs):
        try:
            return f(a, *args, **kwargs)
        except np.linalg.LinAlgError as reason:
            if "ingular" not in str(reason) and "positive definite" not in str(reason):
                raise
            like = f(np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape), *args, **kwargs)
            return np.full_like(like, np.nan)

    return call


_BLAS = {"matmul", "__matmul__", "__rmatmul__", "dot", "vdot", "inner", "tensordot", "einsum"}
_COMPUTED = {"norm", "vector_norm", "matrix_norm", "trace", "diagonal", "matrix_transpose"}  # by kernels of CuPy's


def _library(f):
    """Of NVIDIA's, that computes a function of NumPy's submodules."""
    module = getattr(f, "__module__", None)
    if module == "numpy.linalg" and f.__name__ not in _COMPUTED:
        return "cuSOLVER"
    return "cuFFT" if module == "numpy.fft" else ""


_SORTS = {"sort", "argsort", "lexsort", "partition", "argpartition"}


def _served(func, args, kwargs):
    """Raise unless CuPy has NumPy's function, with these arguments."""
    names = func.__module__.split(".")[1:]
    theirs = functools.reduce(lambda module, name: getattr(module, name, None), [*names, func.__name__], _real)
    if theirs is None:
        raise TypeError(f"no implementation found for 'numpy.{'.'.join([*names, func.__name__])}' in CuPy")
    try:
        inspect.signature(theirs).bind(*args, **kwargs)
    except ValueError:  # compiled: it does not tell its parameters
        pass


@functools.cache
def _signature(name):
    """The parameters of a method of CuPy's arrays, as its docstring tells them; None if it does not."""
    told = (getattr(getattr(_real.ndarray, name), "__doc__", None) or "").strip().partition("\n")[0]
    found = re.match(rf"\w+\.{name}\(self,? ?(.*?)\)( -> .*)?$", told) if _real else None
    if not found:
        return None
    kind, parameters = inspect.Parameter.POSITIONAL_OR_KEYWORD, []
    for part in filter(None, found[1].split(", ")):
        name, _, default = part.partition("=")
        name = name.split()[-1]
        if name.startswith("*"):
            kind = inspect.Parameter.KEYWORD_ONLY
            if name != "*":
                parameters.append(inspect.Parameter(name[1:], inspect.Parameter.VAR_POSITIONAL))
        else:
            parameters.append(inspect.Parameter(name, kind, default=default or inspect.Parameter.empty))
    return inspect.Signature(parameters)


def _method(name, value):
    """A method of NumPy's arrays, called as CuPy's is."""
    signature = _signature(name) if _real else None
    if signature is None:
        return _forward(value)

    @functools.wraps(value, updated=())
    def call(*args, **kwargs):
        signature.bind(*args, **kwargs)
        return _forward(value)(*args, **kwargs)

    return call


_WAITING = {"nonzero", "flatnonzero", "argwhere", "unique", "bincount", "extract", "compress"}  # sizes depend on values
_owners = weakref.WeakValueDictionary()  # id of the array of NumPy's that owns the memory -> the first of ours on it


def _index(x):
    """A key without arrays of ours; NumPy's arrays are taken, which CuPy copies."""
    if isinstance(x, tuple):
        return tuple(map(_index, x))
    return x._a if isinstance(x, ndarray) else x


def _uploaded(key):
    """The same, of a use of it: what is on the host is copied."""
    for i in key if isinstance(key, tuple) else (key,):
        capture.upload(np.asarray(i).nbytes if isinstance(i, (list, np.ndarray)) and np.ndim(i) else 0)
    return _index(key)


class ndarray:
    __slots__ = ("__weakref__", "_a", "base")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, a):
        self._a = a
        while isinstance(a.base, np.ndarray):
            a = a.base
        self.base = _owners.get(id(a))  # the array of ours whose memory this one views, kept alive
        if self.base is None:
            _owners[id(a)] = self
            if capture.current():
                capture.current().allocated(a)

    def __getattr__(self, name):
        if name.startswith("__") or (_real and not hasattr(_real.ndarray, name)):
            raise AttributeError(name)
        value = getattr(self._a, name)
        return (
            _method(name, value)
            if callable(value)
            else value
            if name in ("flags", "dtype")
            else _wrap(value)
            if isinstance(value, np.ndarray)
            else value
        )

    def __array__(self, *a, **k):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        known = _real is None or hasattr(_real, ufunc.__name__)
        if method != "__call__" or not known or any([_is_foreign(x) for x in (*args, *kwargs.get("out", ()))]):
            return NotImplemented
        if ufunc.__name__ in _BLAS and any([a.dtype.kind in "fc" for a in args if isinstance(a, ndarray)]):
            capture.unsupported("cuBLAS")
        if "out" in kwargs:
            (out,) = kwargs["out"]
            args, kwargs = tuple(map(_un, args)), {k: _un(v) for k, v in kwargs.items()}
            return _done(lambda: ufunc(*args, **kwargs), [*args, *kwargs.values()], out)
        return _forward(ufunc)(*args, **kwargs)

    def _wait(self):
        """Called wherever CuPy waits for the device; tests put something here that fails."""
        capture.wait()

    def __array_function__(self, func, types, args, kwargs):
        if func.__name__ in _WAITING:
            self._wait()
        if any([kind not in (ndarray, np.ndarray) for kind in types]):
            return NotImplemented
        own = globals().get(func.__name__)  # such as `empty`, whose memory is poison
        if _real is not None:
            _served(func, args, kwargs)
        return (own or _forward(func))(*args, **kwargs)

    @property
    def __cuda_array_interface__(self):
        a = self._a
        given = {"shape": a.shape, "typestr": a.dtype.str, "data": (a.ctypes.data, False), "version": 3}
        return given | {"strides": None if a.flags.c_contiguous else a.strides}

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("Non-scalar `numpy.ndarray` cannot be used for fill")
        a, key, value = self._a, _uploaded(index), value if isinstance(value, np.ndarray) else _un(value)
        _done(lambda: a.__setitem__(key, value), [a, value, key])

    def __getitem__(self, index):
        if any([str(getattr(i, "dtype", "")) == "bool" for i in (index if isinstance(index, tuple) else (index,))]):
            self._wait()  # to know how many there are
        a, key = self._a, _uploaded(index)
        return _done(lambda: a[key], [a, key])

    def __iter__(self):
        return map(_wrap, iter(self._a))

    def __repr__(self):
        return repr(self._a)

    def __format__(self, spec):
        return format(self.get(), spec)

    def get(self, stream=None, order="C", out=None, blocking=True):
        self._wait()
        if out is None:
            return self._a.copy(order)
        out[...] = self._a
        return out

    def set(self, a, stream=None):
        capture.upload(a.nbytes)
        self._a[...] = a

    def copy(self, order="C"):
        a = self._a
        return _done(lambda: a.copy(order), [a])

    def item(self, *args):
        self._wait()
        return self._a.item(*args)

    def tolist(self):
        self._wait()
        return self._a.tolist()

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._a.ctypes.data)

    @property
    def device(self):
        return cuda.Device(0)


def _is_foreign(x):
    """Whether CuPy leaves `x` to its own class."""
    return not isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float, complex))


def _use_other(x):
    """CuPy's rule of whose operator it is."""
    return getattr(x, "__array_priority__", 0) > ndarray.__array_priority__


def _operators():
    binary = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift lt le gt ge eq ne".split()
    unary = "neg pos abs invert bool float int index len contains complex".split()

    def operator(name):
        def call(self, *others):
            if any(map(_use_other, others)):
                return NotImplemented
            if name in ("__bool__", "__float__", "__int__", "__index__", "__complex__"):
                self._wait()
            if name in _BLAS and self._a.dtype.kind in "fc":
                capture.unsupported("cuBLAS")
            others = tuple(map(_un, others))
            if capture.current():
                a = self._a
                return _done(lambda: getattr(a, name)(*others), [a, *others])
            result = getattr(self._a, name)(*others)
            return result if result is NotImplemented else _wrap(result)

        return call

    def inplace(name):
        def call(self, other):
            a, other = self._a, _un(other)
            return _done(lambda: getattr(a, name)(other), [a, other], self)

        return call

    for op in [*binary, *(f"r{o}" for o in binary[:11]), *unary]:
        setattr(ndarray, f"__{op}__", operator(f"__{op}__"))
    for op in binary[:11]:
        setattr(ndarray, f"__i{op}__", inplace(f"__i{op}__"))


_operators()


# ------------------------------------------------------------ making, moving
def asarray(a, dtype=None, order=None):
    if isinstance(a, ndarray):
        return a if dtype is None or a._a.dtype == dtype else a.astype(dtype)
    return array(a, dtype, order=order or "C")


def array(a, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(a, ndarray):
        raw = a._a
        return _done(lambda: np.array(raw, dtype, order=order, ndmin=ndmin), [raw])
    if isinstance(a, (list, tuple)) and any([isinstance(x, ndarray) for x in _flat(a)]):
        parts = _un(a)
        return _done(lambda: np.array(parts, dtype, order=order, ndmin=ndmin), parts)
    a = np.array(a, dtype, order=order, ndmin=ndmin)
    if a.dtype.char not in "?bhilqpBHILQPefdFD":
        raise ValueError(f"Unsupported dtype {a.dtype}")
    if a.ndim == 0:  # written by a kernel that has the number as its argument
        return _done(lambda: a.copy(), [])
    capture.upload(a.nbytes)
    return _wrap(a)


def asnumpy(a, stream=None, order="C", out=None, blocking=True):
    return a.get(order=order, out=out) if isinstance(a, ndarray) else np.asarray(a)


def empty(shape, dtype=float, order="C"):
    a = np.empty(shape, dtype, order)
    a.reshape(-1, order="A").view(np.uint8)[...] = 0xFF  # NaN, -1: nobody may rely on it
    return _wrap(a)


def empty_like(a, dtype=None, order="C", subok=None, shape=None):
    return empty(a.shape if shape is None else shape, dtype or a.dtype, order)


# ---------------------------------------------------------------------- cupyx
def _scatter(ufunc, kinds):
    """CuPy's twin of `ufunc.at`, by atomic operations, for dtypes of which their order does not matter."""

    def scatter(a, slices, value):
        if not isinstance(a, ndarray):
            raise AttributeError(f"{type(a).__name__!r} object has no attribute 'scatter_{ufunc.__name__}'")
        if a._a.dtype.char not in kinds:
            raise TypeError(f"scatter_{ufunc.__name__} of {a._a.dtype}: CuPy has none, or sums depend on the order")
        a, key, value = a._a, _uploaded(slices), _un(value)
        _done(lambda: ufunc.at(a, key, value), [a, key, value])

    return scatter


cupyx = types.ModuleType("cupyx")
cupyx.scatter_add = _scatter(np.add, "iIQL")
cupyx.empty_pinned = np.empty
cupyx.scatter_max, cupyx.scatter_min = _scatter(np.maximum, "ifdIQL"), _scatter(np.minimum, "ifdIQL")


# -------------------------------------------------------------------- kernels
class RawModule:
    def __init__(self, *, code=None, path=None, options=(), backend="nvrtc", name_expressions=None, **_):
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple")
        self._m = emulator.Module(code, options, name_expressions or ())

    def compile(self, log_stream=None):
        self._m.load()

    def get_function(self, name):
        k = RawKernel.__new__(RawKernel)
        k._m, k.name, k.max_dynamic_shared_size_bytes, k.stats = self._m, name, 0, None  # 0: not asked for more
        self._m.kernel(name)
        return k


class RawKernel:
    def __init__(self, code, name, options=(), backend="nvrtc", **_):
        self._m, self.name = emulator.Module(code, options), name
        self.max_dynamic_shared_size_bytes, self.stats = 0, None

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None, **trace):
        if not (isinstance(grid, tuple) and isinstance(block, tuple)):
            raise TypeError("grid and block must be tuples")
        if any(isinstance(a, np.ndarray) and a.size != 1 for a in args):
            raise TypeError("You are trying to pass a numpy.ndarray as a kernel parameter")
        args = [a._a if isinstance(a, ndarray) else a.reshape(())[()] if isinstance(a, np.ndarray) else a for a in args]

        def launch():
            blocks, threads = [max(1, g) for g in grid], [max(1, b) for b in block]
            most = self.max_dynamic_shared_size_bytes
            self.stats = self._m.launch(self.name, blocks, threads, args, shared_mem, most, **trace)

        _done(launch, args)


# ------------------------------------------------------------- cupy.cuda, etc.
class _Null:
    """A device or pool: everything has happened already."""

    ptr, id, compute_capability = 0, 0, "80"
    attributes = {"MultiProcessorCount": 4, "MaxSharedMemoryPerBlockOptin": emulator.LIMITS["optin"], "WarpSize": 32}

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def use(self):
        return self

    def synchronize(self):
        return None

    malloc = free_all_blocks = lambda self, *args: None

    used_bytes = total_bytes = lambda self: 0


CUDARuntimeError = capture.CUDARuntimeError
runtime = types.SimpleNamespace(
    getDeviceCount=lambda: 1,
    memGetInfo=lambda: (1 << 30, 16 << 30),
    deviceSynchronize=lambda: None,
    CUDARuntimeError=CUDARuntimeError,
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
)
cuda = types.SimpleNamespace(
    Device=_Null,
    Stream=capture.Stream,
    Event=capture.Event,
    Graph=capture.Graph,
    MemoryPool=capture.MemoryPool,
    using_allocator=capture.using_allocator,
    set_pinned_memory_allocator=capture.set_pinned_memory_allocator,
    is_available=lambda: True,
    get_current_stream=capture.current_stream,
    get_elapsed_time=lambda a, b: 0.0,
    runtime=runtime,
)
__version__ = "14.2.0"
get_default_memory_pool = get_default_pinned_memory_pool = _Null
random = types.SimpleNamespace(default_rng=lambda seed=None: _Rng(seed))


class _Rng:
    def __init__(self, seed):
        self._g = np.random.default_rng(seed)

    def __getattr__(self, name):
        return _forward(getattr(self._g, name))


def __getattr__(name):  # the rest is NumPy's
    if name.startswith("__") or not hasattr(np, name) or (_real and not hasattr(_real, name)):
        raise AttributeError(f"cupy has no {name!r}")
    value = getattr(np, name)
    return _forward(value) if callable(value) and not isinstance(value, type) else value
