"""Differentiable functions, one file per family; importing this fills the table of NumPy functions."""

from . import constants, einsum, elementwise, index, join, matmul, pad, reduce, shape
