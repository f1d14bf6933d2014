"""The arrays of an npz file, which is a zip of npy files. Nothing is unpickled, nothing absurd is unpacked."""

from __future__ import annotations

import re
import zipfile
from math import prod
from typing import Any, BinaryIO

import numpy as np

from ..core.errors import StoreError
from .foreign import SAFE

MAGIC = b"PK\x03\x04", b"PK\x05\x06"  # a zip file; an empty one
FACTOR, FREE = 200, 64 << 20  # what unpacks to more than 64 MiB may do so by this factor
MAX_HEADER = 10_000  # bytes of an npy header; NumPy reads it as a Python literal, which takes long for long ones


def read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    """The arrays by name, `.npy` taken off."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(member.filename.endswith("data.pkl") for member in members):
                raise StoreError(f"it is a pickle in a zip file, as torch.save writes, which could run code; {SAFE}")
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise StoreError("a name stands in it twice")
            total = sum(member.file_size for member in members)
            if total > max(FACTOR * size, FREE):
                raise StoreError(f"its {size:,} bytes would unpack to {total:,}; if you trust it, read it with np.load")
            return {name: _array(archive, member) for name, member in zip(names, members)}
    except StoreError:
        raise
    except Exception as failure:  # of zip files, compression and NumPy's headers: of many kinds
        raise StoreError(f"it is damaged or no npz file of arrays: {failure!s:.200}") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array; its header is checked against its size before memory is taken for it."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise StoreError(f"{member.filename!r:.80} is compressed in a way that npz files do not use")
    with archive.open(member) as stream:
        shape, _, dtype = _header(stream)
        begin = stream.tell()
        if dtype.kind not in "biufc":
            raise StoreError(
                f"{member.filename!r:.80} has the dtype {dtype!s:.80}; only arrays of numbers are read: write the file "
                "without it"
            )
        if any(n < 0 for n in shape) or begin + prod(shape) * dtype.itemsize != member.file_size:
            raise StoreError(
                f"{member.filename!r:.80} of shape {shape!r:.80} does not fit its {member.file_size} bytes"
            )
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER)
        stream.read(1)  # to the end, where the zip file's own sum is checked
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, Fortran order, dtype) of the npy file that a stream begins with."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(stream, max_header_size=MAX_HEADER)
    raise StoreError("one of its npy files has a version that arrays of numbers do not have")


def as_list(arrays: dict[str, np.ndarray]) -> Any:
    """The arrays as a list if they have the names that `np.savez(path, *arrays)` gives."""
    numbers = [re.fullmatch("arr_([0-9]{1,9})", name) for name in arrays]
    if arrays and sorted([int(n[1]) if n else -1 for n in numbers]) == list(range(len(arrays))):
        return [arrays[f"arr_{n}"] for n in range(len(arrays))]
    return arrays
