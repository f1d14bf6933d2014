"""The header of a safetensors file: which arrays it holds, and where. Whatever is wrong in one is a StoreError.

The format: 8 bytes with the size of the header, the header (JSON: name -> dtype, shape, data_offsets; __metadata__ ->
texts by name), then the arrays, without gaps, little endian, in C order.
"""

from __future__ import annotations

import json
import re
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import StoreError

MAX_HEADER = 16 << 20  # bytes; JSON takes 30 times its size in memory, and nobody's model has so many names
MAX_AXES = 64  # NumPy's own limit
METADATA = "__metadata__"

DTYPES = {
    "BOOL": "?", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "u1", "U16": "<u2", "U32": "<u4",
    "U64": "<u8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
CODES = {np.dtype(code): name for name, code in DTYPES.items()}
BFLOAT16 = "BF16"  # which NumPy does not have; its values become float32, exactly


class Entry(NamedTuple):
    """One array of a file: its data begin at `begin`, counted from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def compose(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The size and the header of a file with these arrays, in their order."""
    header: dict[str, Any] = {METADATA: metadata}
    begin = 0
    for name, array in arrays.items():
        end = begin + array.nbytes
        code = CODES[array.dtype.newbyteorder("<")]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise StoreError(
            f"save: the tree has too many names and values to describe ({len(text):,} bytes, at most {MAX_HEADER:,}); "
            "keep long lists as arrays"
        )
    return len(text).to_bytes(8, "little") + text


def parse(header: bytes, size: int) -> tuple[list[Entry], dict[str, str]]:
    """The arrays that a header tells of, in the order of their data, and its metadata; the data have `size` bytes."""
    content = from_json(header, "its header")
    metadata = content.pop(METADATA, {}) if isinstance(content, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise StoreError("its header is not one of a safetensors file")
    entries = sorted([_entry(name, told) for name, told in content.items()], key=lambda e: (e.begin, e.end))
    at = 0
    for entry in entries:
        if entry.begin != at:
            raise StoreError(f"the data of {entry.name!r:.80} begin at byte {entry.begin}, where {at} was due")
        at = entry.end
    if at != size:
        raise StoreError(f"it has {size:,} bytes of data where its header tells of {at:,}; it was cut off or damaged")
    return entries, metadata


def _entry(name: str, told: Any) -> Entry:
    """One array's part of the header, checked."""
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise StoreError(f"its header does not tell dtype, shape and data_offsets of {name!r:.80}")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or (dtype not in DTYPES and dtype != BFLOAT16):
        raise StoreError(f"{name!r:.80} has the dtype {dtype!r:.40}, which NumPy does not have; convert it beforehand")
    if not _are_sizes(shape) or len(shape) > MAX_AXES or not _are_sizes(offsets) or len(offsets) != 2:
        raise StoreError(f"the shape or place of {name!r:.80} is not one of an array")
    begin, end = offsets
    width = 2 if dtype == BFLOAT16 else np.dtype(DTYPES[dtype]).itemsize
    if begin > end or prod(shape) * width != end - begin or prod([n for n in shape if n]) * width >= 2**63:
        raise StoreError(f"{name!r:.80} of shape {tuple(shape)!r:.80} does not fit its {end - begin} bytes")
    return Entry(name, dtype, tuple(shape), begin, end)


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def from_json(text: bytes | str, what: str) -> Any:
    """What a JSON text says; it may not say anything twice, nor nest deeply."""
    try:
        text = text.decode() if isinstance(text, bytes) else text  # UTF-8 and no other, which json would guess
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as failure:
        raise StoreError(f"{what} cannot be read: {failure!s:.200}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON's")


def is_digest(text: Any) -> bool:
    """Whether a text is a sum as `hexdigest` of SHA-256 writes it."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None
