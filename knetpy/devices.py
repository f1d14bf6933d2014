"""Where arrays live: NumPy's on the CPU, CuPy's on a GPU. The one way to CuPy, which is imported when it is needed."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

GPU: set[type] = set()  # CuPy's class of arrays, once somebody has asked for it; until then nothing can be mixed
INSTALL = 'pip install "knetpy[cuda13]" (or [cuda12], by the version of CUDA that your driver supports)'


def cupy() -> ModuleType:
    """Return CuPy, for whoever knows that it can be used: `why_not` says so, or an array of its own does."""
    import cupy

    GPU.add(cupy.ndarray)
    return cupy


@cache
def why_not() -> str:
    """Return why no GPU can be used, "" if one can.

    >>> from knetpy.devices import why_not
    >>> isinstance(why_not(), str)
    True
    """
    try:
        import cupy as found
    except ModuleNotFoundError:
        return f"CuPy is not installed; {INSTALL}"
    except ImportError as broken:  # its libraries do not fit: CuPy's own text says which
        return f"CuPy cannot be imported: {broken}"
    runtime = found.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as failure:
        return f"CuPy {found.__version__} is installed, but {_of_driver(runtime, failure)}"
    return "" if count else f"CuPy {found.__version__} is installed, but there is no CUDA device"


def _of_driver(runtime: Any, failure: Exception) -> str:
    driver, wanted = runtime.driverGetVersion() // 1000, runtime.runtimeGetVersion() // 1000
    if not driver:
        return "there is no NVIDIA driver on this machine"
    if driver < wanted:
        return f"the NVIDIA driver is too old, it knows CUDA {driver} and CuPy is for {wanted}; update it, or {INSTALL}"
    return f"CUDA says: {failure}"


def is_gpu_class(cls: type) -> bool:
    """Whether arrays of this class are CuPy's."""
    return cls in GPU or (cls.__module__.partition(".")[0] == "cupy" and cls is cupy().ndarray)


def on_gpu(x: Any) -> bool:
    """Whether `x` is a bare array of CuPy's."""
    return x.__class__ is not np.ndarray and is_gpu_class(x.__class__) and hasattr(x, "__cuda_array_interface__")


def host(x: Any) -> Any:
    """A bare array as NumPy's: one of a GPU is copied, everything else is returned as it is."""
    return x.get() if on_gpu(x) else x


def asarray(x: Any) -> Any:
    """`np.asarray` of anything but an array of CuPy's, which stays where it is."""
    return x if on_gpu(x) else np.asarray(x)


def memory() -> str:
    """What the GPU's memory holds, for messages."""
    pool, (free, total) = cupy().get_default_memory_pool(), cupy().cuda.runtime.memGetInfo()
    used, kept = pool.used_bytes(), pool.total_bytes() - pool.used_bytes()
    parts = ((used, "in arrays"), (kept, "kept by CuPy for new ones"), (free, f"free of {total / 2**20:,.0f} MiB"))
    return "GPU memory: " + ", ".join([f"{n / 2**20:,.0f} MiB {what}" for n, what in parts])


def beside(table: np.ndarray, x: Any) -> Any:
    """A table of constants where the array `x` is, or that of the Value x: NumPy's own, or a copy of it on the GPU."""
    return cupy().asarray(table) if on_gpu(getattr(x, "value", x)) else table


def surely(mask: Any) -> bool:
    """Whether a bare array has an element that holds, for what checks arguments: a GPU is not waited for, but False."""
    return not on_gpu(mask) and bool(mask.any())


def maybe(mask: Any) -> bool:
    """The same for what is only computed where an element holds: a GPU is not waited for, but True."""
    return on_gpu(mask) or bool(mask.any())


def listed(x: Any, operands: Any) -> Any:
    """A list or number among the operands of a call as an array, on the GPU if another operand is there."""
    array = np.asarray(x)
    there = [o for o in operands if on_gpu(getattr(o, "value", o))] if GPU else []
    return beside(array, there[0]) if there else array


def filled(arrays: list, specs: list) -> tuple | None:
    """Arrays with zeros in place of None, beside the others and of the (shape, dtype) told; None if there is none."""
    some = next((a for a in arrays if a is not None), None)
    if some is None:
        return None
    bare = getattr(some, "value", some)
    made = (lambda shape, dtype: np.zeros_like(bare, dtype, shape=shape)) if on_gpu(bare) else np.zeros
    return tuple([made(*spec) if a is None else a for a, spec in zip(arrays, specs)])


def eye(n: int, dtype: Any, like: Any) -> Any:
    """The identity matrix where the bare array `like` is; CuPy does not take `np.eye(..., like=)`."""
    return (cupy() if on_gpu(like) else np).eye(n, dtype=dtype)


def max_at(x: Any, key: Any, values: Any) -> None:
    """`np.maximum.at` for int32; the order in which a GPU does it does not matter."""
    if not on_gpu(x):
        np.maximum.at(x, key, values)
        return
    import cupyx

    cupyx.scatter_max(x, key, values)


def zeros(shape: tuple[int, ...], like: Any) -> Any:
    """Zeros of the dtype and on the device of a bare array or number."""
    return np.zeros_like(like, shape=shape) if on_gpu(like) else np.zeros(shape, like.dtype)


def native(x: Any) -> Any:
    """An array of NumPy's in the byte order of the machine; raises for a dtype that CuPy does not have."""
    if x.dtype.char not in "?bhilqpBHILQPefdFD":
        raise TypeError(f"a GPU has no arrays of dtype {x.dtype}, such as this of shape {x.shape}; leave it on the CPU")
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def moved(x: Any, device: str) -> Any:
    """A copy of a bare array on that device, "cpu" or "gpu", there in C order, as kernels read and write it."""
    if device == "gpu":
        return cupy().array(native(x), order="C")
    return x.get() if on_gpu(x) else np.array(x)
