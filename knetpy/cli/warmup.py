"""`python -m knetpy warmup`: the common kernels, compiled before any program needs them."""

from __future__ import annotations

import sys

from knetpy.families import compile_all, families
from knetpy.train.bar import bar

from .info import uncompiled
from .outcome import say


def warmup(dtype: str) -> None:
    """Compile the common kernels, with a line for each family."""
    if reason := uncompiled():
        say(f"no kernels are compiled, as {reason}")
        return
    names, total = families(dtype), 0.0
    with bar(names, "compiling kernels", disable=not sys.stderr.isatty()) as shown:
        for name, seconds in compile_all(dtype):
            shown.update()
            shown.write(f"{name}: {seconds:.1f} s")
            total += seconds
    say(
        f"all kernels for {dtype}: {total:.1f} s" if total else f"all kernels for {dtype} were kept from an earlier run"
    )
