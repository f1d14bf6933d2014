"""Replacing a file so that at every moment a whole one stands in its place, the earlier or the new."""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

_number = itertools.count()
_being_written: set[str] = set()  # temporary files of this process that are in use


def replace(path: str, write: Callable[[BinaryIO], None], keep: int = 1) -> None:
    """Let `write` write a new file, then put it in place; the earlier ones become path.1, path.2 ... path.(keep - 1).

    The new file has the permissions of the one that it replaces. A failure leaves the earlier files as they are and
    nothing else.
    """
    path = os.path.realpath(path)  # a link stays one
    remove_leftovers(path)
    temporary = _temporary(path)
    _being_written.add(temporary)
    try:
        with open(temporary, "xb") as file:
            _take_mode(path, temporary)  # before there is anything to read in it
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _keep_earlier(path, temporary + ".kept", keep)
        os.replace(temporary, path)
        _sync_folder(os.path.dirname(path))
    finally:  # also after Ctrl-C
        for name in (temporary, temporary + ".kept"):
            if os.path.lexists(name):
                os.unlink(name)
        _being_written.discard(temporary)


def _take_mode(path: str, new: str) -> None:
    """Give the file `new` the permissions of the one at `path`, if there is one."""
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode != stat.S_IMODE(os.stat(new).st_mode):  # some file systems refuse every change
            os.chmod(new, mode)


def _temporary(path: str) -> str:
    """A name in the same folder that no other process or thread has; it says which process it is of."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{os.getpid()}.{next(_number)}.{os.urandom(4).hex()}.tmp")


def remove_leftovers(path: str) -> None:
    """Remove what saves to this path that were killed have left behind."""
    folder, name = os.path.split(path)
    for leftover in glob.glob(glob.escape(os.path.join(folder, f".{name}.")) + "*.*.*.tmp*"):
        process = os.path.basename(leftover)[len(name) + 2 :].partition(".")[0]
        in_use = leftover.removesuffix(".kept") in _being_written
        if process.isdecimal() and not in_use and not _runs_elsewhere(int(process)):
            try:
                os.unlink(leftover)
            except OSError:
                pass  # another save has removed it


def _runs_elsewhere(process: int) -> bool:
    """Whether another process of this number lives, as far as can be known."""
    if os.name != "posix":
        return True  # elsewhere, to ask is to kill
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it belongs to somebody else
    return process != os.getpid()


def _keep_earlier(path: str, link: str, keep: int) -> None:
    """Rename path.1 to path.2 and so on, and let path.1 be the file at `path`, which stays where it is."""
    if keep < 2 or not os.path.exists(path):
        return
    try:
        os.link(path, link)
    except OSError:  # a file system without links
        os.close(os.open(link, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # nobody else's while it is written
        shutil.copyfile(path, link)
        _sync(link, os.O_RDWR)
        _take_mode(path, link)
    there = list(itertools.takewhile(lambda n: os.path.exists(f"{path}.{n}"), range(1, keep - 1)))
    for n in reversed(there):
        with suppress(FileNotFoundError):  # another save to this path has moved it already
            os.replace(f"{path}.{n}", f"{path}.{n + 1}")
    os.replace(link, f"{path}.1")  # if a kill has left both names to one file this does nothing, and `link` goes later


def _sync_folder(folder: str) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        _sync(folder, os.O_RDONLY)


def _sync(path: str, flags: Any) -> None:
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
