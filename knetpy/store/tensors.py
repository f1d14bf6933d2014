"""Arrays and a description in one safetensors file, with a sum over every byte."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO

import numpy as np

from ..core.errors import StoreError
from .header import BFLOAT16, DTYPES, MAX_HEADER, Entry, compose, from_json, is_digest, parse

VERSION = 1
# What makes a safetensors file a save of ours. It takes all three, so that a damaged name does not pass for a file of
# somebody else's, which has no sum to check.
FORMAT, SUM, TREE = MARKS = ("knetpy.format", "knetpy.sha256", "knetpy.tree")
UNSUMMED = b"0" * 64  # stands for the sum while it is taken


def write(file: BinaryIO, arrays: dict[str, np.ndarray], description: str) -> None:
    """Write a save; of arrays that are not contiguous one copy at a time is made."""
    arrays = dict(sorted(arrays.items(), key=lambda pair: -pair[1].itemsize))  # so that each begins aligned
    header = compose(arrays, {FORMAT: str(VERSION), SUM: UNSUMMED.decode(), TREE: description})
    digest = hashlib.sha256(header)
    file.write(header)
    for array in arrays.values():
        data = _bytes(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
        digest.update(data)
        file.write(data)
    file.seek(header.index(UNSUMMED))  # the first; a text of the tree may say the same
    file.write(digest.hexdigest().encode())


def read(file: BinaryIO, size: int) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of a safetensors file of `size` bytes, and the description; None if it is not a save of ours.

    Nothing is allocated that the file does not hold.
    """
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise StoreError("it was cut off, or is no file that load reads: a save, safetensors or npz")
    if length > MAX_HEADER:
        raise StoreError(f"its header has {length:,} bytes, of which at most {MAX_HEADER:,} are read")
    header = file.read(length)
    entries, metadata = parse(header, size - 8 - length)
    ours = any(mark in metadata for mark in MARKS)
    digest = hashlib.sha256(length.to_bytes(8, "little") + _unsummed(header, metadata)) if ours else None
    arrays = {}
    for entry in entries:
        arrays[entry.name] = _array(file, entry, digest)
    if digest is None:
        return arrays, None
    if digest.hexdigest() != metadata[SUM]:
        raise StoreError("it is damaged: its bytes do not have the sum that was saved with them")
    _check_version(metadata[FORMAT])
    return arrays, from_json(metadata[TREE], "its description")


def _unsummed(header: bytes, metadata: dict[str, str]) -> bytes:
    """The header as it was when the sum was taken."""
    if set(metadata) != set(MARKS) or not is_digest(metadata[SUM]) or header.count(metadata[SUM].encode()) != 1:
        raise StoreError("it is damaged: its header is not one of a save")
    return header.replace(metadata[SUM].encode(), UNSUMMED)


def _array(file: BinaryIO, entry: Entry, digest: Any) -> np.ndarray:
    """The next array of the file."""
    dtype = np.dtype("<u2" if entry.dtype == BFLOAT16 else DTYPES[entry.dtype])
    array = np.empty(entry.shape, dtype)
    data = _bytes(array)
    if file.readinto(data) != len(data):  # type: ignore[attr-defined]
        raise StoreError("it was cut off while it was read")
    if digest is not None:
        digest.update(data)
    if entry.dtype == BFLOAT16:  # the upper half of a float32
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise StoreError(f"{entry.name!r:.80} has bytes that are neither true nor false")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _bytes(array: np.ndarray) -> Any:
    """The memory of a contiguous array."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # before Python 3.12 it is no Buffer


def _check_version(text: str) -> None:
    if text != str(VERSION):
        raise StoreError(
            f"it has format {text!r:.20} and this knetpy reads format {VERSION}; install the knetpy that wrote it, "
            "or a newer one"
        )
