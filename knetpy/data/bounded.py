"""Files that nobody vouches for: read as far as expected and no further, unpacked nowhere."""

from __future__ import annotations

import errno
import gzip
import io
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..core.errors import KnetpyError

PIECE = 1 << 20
MOST = 1 << 30  # bytes of one array that are read from a file


class DataFileError(KnetpyError, ValueError):
    """A data file that is truncated, corrupt, too large, or not what it should be."""


_CORRUPT = (  # what reading a damaged archive may raise
    *(EOFError, ValueError, ArithmeticError, NotImplementedError, struct.error, zlib.error),
    *(gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError),
)


@contextmanager
def explained(path: Any) -> Iterator[None]:
    """What unpacking raises becomes a DataFileError that names the file."""
    try:
        yield
    except DataFileError:
        raise
    except _CORRUPT as error:
        raise DataFileError(f"{path} is truncated or corrupt: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # which a seek to before the beginning gives
            raise
        raise DataFileError(f"{path} is truncated or corrupt: {error}") from error
    except RuntimeError as error:  # of zipfile, about passwords
        raise DataFileError(f"{path} cannot be unpacked: {error}") from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if it is a gzip file whatever its name."""
    with explained(path), open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked  # type: ignore[misc]  # as good as a BinaryIO
        else:
            yield raw


def exactly(stream: BinaryIO, n: int, path: Any) -> np.ndarray:
    """The next n bytes; memory grows with what is there, not with what is claimed to be."""
    found = bytearray()
    while len(found) < n:
        piece = stream.read(min(PIECE, n - len(found)))
        if not piece:
            raise DataFileError(f"{path} is truncated: {n} bytes are announced, {len(found)} are there")
        found += piece
    return np.frombuffer(found, np.uint8)


def ended(stream: BinaryIO, path: Any) -> None:
    """Raise unless nothing more follows. Of a packed file it also checks the checksum."""
    if stream.read(1):
        raise DataFileError(f"{path} is corrupt: there are more bytes than it announces")


def everything(path: Path, most: int = MOST) -> bytes:
    """All bytes of a file, unpacked, if there are no more than `most`."""
    found = bytearray()
    with opened(path) as stream:
        while piece := stream.read(PIECE):
            found += piece
            if len(found) > most:
                raise DataFileError(f"{path} has more than {most} bytes, unpacked; pass limit= to allow more")
    return bytes(found)


@contextmanager
def zipped(path: Path, member: str) -> Iterator[BinaryIO]:
    """The bytes of one member of a zip file, unpacked once more if it is a gzip file itself."""
    with explained(path), zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise DataFileError(f"{path} has no member {member}")
        with archive.open(member) as inner:
            if member.endswith(".gz"):
                with gzip.GzipFile(fileobj=inner) as unpacked:
                    yield unpacked  # type: ignore[misc]  # as good as a BinaryIO
            else:
                yield inner  # type: ignore[misc]


def members(path: Path, wanted: dict[str, int]) -> dict[str, np.ndarray]:
    """Regular members of a tar file, plain or gzipped, with so many bytes each; no path in it is ever written to."""
    found: dict[str, np.ndarray] = {}
    with opened(path) as stream, explained(path):
        whole = _Limited(stream, sum(wanted.values()) + 16 * PIECE, path)
        archive = tarfile.open(fileobj=whole, mode="r|")
        for member in archive:
            name = member.name.removeprefix("./")
            if name in wanted and name not in found:
                size = wanted[name]
                if not member.isreg() or member.issparse() or member.size != size:
                    raise DataFileError(f"{path} is corrupt: {name} must be a file of {size} bytes, has {member.size}")
                found[name] = exactly(archive.extractfile(member), size, path)  # type: ignore[arg-type]
        while whole.read(PIECE):  # to its end, where gzip's checksum is
            pass
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise DataFileError(f"{path} has no member {missing[0]}")
    return found


def matching(path: Path, pattern: str, most: int) -> dict[str, bytes]:
    """The regular members of a tar file whose whole names match, if all together have no more than `most` bytes."""
    found: dict[str, bytes] = {}
    left = most
    with opened(path) as stream, explained(path):
        whole = _Limited(stream, MOST + 4 * most, path)  # there is more in it, and a short text takes a kilobyte
        archive = tarfile.open(fileobj=whole, mode="r|")
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # which would grow with the file
            name = member.name.removeprefix("./")
            if re.fullmatch(pattern, name) and member.isreg() and not member.issparse():
                left -= member.size
                if left < 0:
                    raise DataFileError(f"{path} has more than {most} bytes of texts; pass limit= to allow more")
                found[name] = bytes(exactly(archive.extractfile(member), member.size, path))  # type: ignore[arg-type]
        while whole.read(PIECE):  # to its end, where gzip's checksum is
            pass
    return found


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: BinaryIO, most: int, path: Any):
        self.stream, self.left, self.path = stream, most, path

    def read(self, n: int = -1) -> bytes:
        piece = self.stream.read(min(n if n >= 0 else PIECE, PIECE))
        self.left -= len(piece)
        if self.left < 0:
            raise DataFileError(f"{self.path} unpacks to more than it should hold")
        return piece
