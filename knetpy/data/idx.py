"""The idx format of MNIST and its relatives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..files import file_named
from ..ops.arguments import count_of
from .bounded import MOST, DataFileError, ended, exactly, opened

DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Any, *, limit: int = MOST) -> np.ndarray:
    """The array in an idx file, plain or gzipped.

    Parameters:
      path: of the file.
      limit=2**30: how many bytes of an array are read at most.
    Returns: array of the shape and dtype that the file tells, in this machine's byte order.
    Raises: kn.data.DataFileError, a ValueError, if the file is truncated, corrupt, no idx file or larger than limit;
      memory stays below twice what the file really holds. FileNotFoundError if there is none.
    Source: LeCun, Cortes, Burges, "The MNIST database": two zero bytes, a byte for the type, a byte for the number of
      axes, their sizes as big-endian 32-bit numbers, the numbers.

    >>> import os, tempfile, knetpy as kn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     kn.data.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path, limit = Path(file_named("read_idx", path)), count_of("read_idx", "limit", limit)
    with opened(path) as stream:
        return idx(stream, path, limit)


def idx(stream: BinaryIO, path: Any, limit: int = MOST) -> np.ndarray:
    """The array in a stream of an idx file's bytes; `path` is what messages call it."""
    zero, nought, kind, axes = exactly(stream, 4, path).tolist()
    if zero or nought or kind not in DTYPES or not 1 <= axes <= 32:
        raise DataFileError(
            f"{path} is no idx file: it begins with {bytes([zero, nought, kind, axes]).hex(' ')}, not with 00 00, a "
            "type from 08 to 0e and the number of axes"
        )
    shape = tuple(exactly(stream, 4 * axes, path).view(">u4").tolist())
    dtype = np.dtype(DTYPES[kind])
    if math.prod([max(n, 1) for n in shape]) * dtype.itemsize > limit:
        raise DataFileError(f"{path} announces an array {shape} of {dtype.name}, more than {limit} bytes; pass limit=")
    array = exactly(stream, math.prod(shape) * dtype.itemsize, path).view(dtype).reshape(shape)
    ended(stream, path)
    return array.astype(dtype.newbyteorder("="), copy=False)
