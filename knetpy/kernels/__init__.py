"""Kernels: bare arrays in, bare arrays out. They know no derivatives, and trust their callers to check.

Every backend has the same functions under the same names: `reference`, in NumPy, specifies; `cpu` is Numba's.
"""

from knetpy.kernels.dispatch import deterministic, kernel, status, tensor_cores, warmup

__all__ = ["deterministic", "kernel", "status", "tensor_cores", "warmup"]
