"""The user's file: running it, and telling its errors as Python would, without the frames of knetpy on top."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

from knetpy.core.errors import PACKAGE

from .outcome import Failed, Mistake

_STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "")
_SITE = os.path.join(_STDLIB, "site-packages", "")


def run_script(file: str) -> ModuleType:
    """Run a file as a module of its name, so that processes of a loader can import it, and return the module."""
    path = Path(file).absolute()
    try:
        source = path.read_bytes()
    except OSError as failure:
        raise Mistake(f"cannot read {file}: {failure.strerror}") from None
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    module = ModuleType(path.stem + "_script" * taken)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(path.parent))
    sys.argv = [file]
    with users_code():
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


@contextmanager
def users_code() -> Iterator[None]:
    """Let an error of a block that runs code of the user's end the command, with its traceback."""
    try:
        yield
    except (Mistake, Failed):
        raise
    except Exception as error:
        raise Failed(told(error)) from None


def told(error: BaseException) -> str:
    """An error as Python prints it, from the first line of the user's on; one without such a line in a sentence."""
    found, waiting = [], [error]
    while waiting:  # what it came from is printed too
        one = waiting.pop()
        if one not in found:
            on_purpose = is_on_purpose(one.__traceback__)
            found.append(one.with_traceback(from_users(one.__traceback__)))
            if on_purpose:
                shorten(one)
            waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
    if any([one.__traceback__ for one in found]):
        return "the script failed\n" + "".join(traceback.format_exception(error)).rstrip()
    return "".join(traceback.format_exception_only(error)).strip().removeprefix("knetpy.core.errors.")


def from_users(frames: TracebackType | None) -> TracebackType | None:
    """The rest of a traceback from the first frame on that is neither of knetpy nor of Python's own library."""
    while frames is not None and is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def is_on_purpose(frames: TracebackType | None) -> bool:
    """Whether an error comes from a `raise` of knetpy, whose message says all; of any other, each line is wanted."""
    if frames is None:
        return False
    *_, (last, line) = traceback.walk_tb(frames)
    file = last.f_code.co_filename
    return file.startswith(PACKAGE) and linecache.getline(file, line, last.f_globals).lstrip().startswith("raise ")


def shorten(error: BaseException) -> None:
    """Leave out of a traceback the frames of knetpy below the user's last, and what the error came from if only
    knetpy's lines had to do with it."""
    frames, last = error.__traceback__, None
    while frames is not None:
        last = last if is_ours(frames.tb_frame.f_code.co_filename) else frames
        frames = frames.tb_next
    if last is not None:
        last.tb_next = None
    if error.__context__ is not None and from_users(error.__context__.__traceback__) is None:
        error.__suppress_context__ = True


def is_ours(file: str) -> bool:
    """Whether code of knetpy or of Python's library stands in this file."""
    return file.startswith((PACKAGE, "<frozen ")) or (file.startswith(_STDLIB) and not file.startswith(_SITE))
