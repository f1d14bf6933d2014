"""What other libraries ask a value for: the Array API's namespace, DLPack, CUDA's array interface.

They hand out memory, which no derivative could follow, so they are for Params outside of transforms; a value being
differentiated has a namespace all the same: NumPy's, whose functions record, and whose `asarray` leaves it as it is.
"""

from types import ModuleType
from typing import Any

import numpy as np

from ..core.errors import DeviceError
from ..core.value import Param, Value, bare, is_tracked, kind_of, plain
from ..devices import on_gpu
from ..tree import leaves


class Namespace(ModuleType):
    """NumPy, but for what would make plain arrays of values.

    To array-api-compat it is another library than NumPy: `array_namespace(x)` of the values tells what serves both.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__array_namespace_info__":
            raise AttributeError(name)
        return getattr(np, name)

    def __dir__(self) -> list[str]:
        return dir(np)

    @staticmethod
    def asarray(x, /, dtype=None, *, device=None, copy=None):
        """`np.asarray`, which leaves values being differentiated as they are, and joins those in lists."""
        if not any([isinstance(part, Value) and is_tracked(part) for _, part in leaves(x)]):
            if on_gpu(bare(x)):
                return bare(x).astype(dtype or x.dtype, copy=bool(copy))
            return np.asarray(x, dtype, device=device, copy=copy)
        if not isinstance(x, Value):
            return np.stack([Namespace.asarray(part, dtype) for part in x])
        x = x if device is None else x.to_device(device)
        x = x if dtype is None or x.dtype == dtype else x.astype(dtype)
        return np.copy(x) if copy else x


_namespace = Namespace(f"{__name__}.namespace")


def _array_namespace(self, *, api_version=None):
    """The namespace for code that is written for the Array API: NumPy's functions, which record."""
    np.empty(0).__array_namespace__(api_version=api_version)  # NumPy tells which versions there are
    return _namespace


def _to_device(self, device, /, *, stream=None):
    """The value itself if it is on that device; `kn.gpu` and `kn.cpu` move arrays."""
    if device != self.device or stream is not None:
        raise DeviceError(
            f"to_device: {kind_of(self)} is on {self.device}, and {device!r} was asked for; kn.gpu and kn.cpu move "
            "arrays"
        )
    return self


def _dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """The memory for another library: a copy, unless copy=False asks for the Param's own.

    What is written there would not be counted as a change of the Param, and not every library heeds that memory is
    read-only (PyTorch does not). With copy=False it is: `np.from_dlpack(p, copy=False)` is what `p.value` is.
    """
    array = plain(self, "handing out the memory (__dlpack__)", "do it outside of the transform")
    array, copy = (array, False) if copy is False else (array.copy(), None)
    return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def _dlpack_device(self):
    """Where the memory is, in DLPack's numbers."""
    return self.value.__dlpack_device__()


def _cuda_array_interface(self):
    """The memory of a Param on a GPU, outside of transforms; elsewhere there is no such attribute, in words."""
    if is_tracked(self) or not on_gpu(self.value):
        raise AttributeError
    return self.value.__cuda_array_interface__


for _class, _name, _method in (
    (Value, "__array_namespace__", _array_namespace),
    (Value, "to_device", _to_device),
    (Value, "__dlpack__", _dlpack),
    (Value, "__dlpack_device__", _dlpack_device),
    (Param, "__cuda_array_interface__", property(_cuda_array_interface)),
):
    setattr(_class, _name, _method)
