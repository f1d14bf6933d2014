"""How much the tests of CUDA kernels see: `python -m tests.cuda.mutants [file ...] [--all] [--count 16] [--seed 0]`.

Changes one token of a kernel's source at a time, runs the tests of its family, and lists the changes that no test
noticed; --all takes every .cu and .h, and ends with a table. bench/README.md has that of the last run.

Some changes cannot be noticed, as the results are the same:
- a filler, an argument or a limit that nothing depends on: `in ? x[i] : T(0)` where what is not in is left out below,
  the 1000 of a curve that has long been flat there;
- a thread or a turn of a loop more, which a guard further in stops: `if (at > n) return` before a pack that is stored
  only where there is room, `k <= PER` before `if (lane + k * WARP < n)`;
- a shortcut not taken, or taken without need: multiplying by an inverse that is 1, adding up what nobody reads,
  elements one by one instead of the sum of 32 of them;
- another of several threads that have the same sum writes it;
- how many blocks a multiprocessor is asked to hold: NVRTC's tests look at that.
"""

import argparse
import io
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from knetpy.kernels.cuda import launch
from tests.cudacpu import emulator, fakecupy  # noqa: F401  # so that no test has to wait for the import

HERE, KERNELS = Path(__file__).parent, Path(launch.__file__).parent
SWAPS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "+=": "-=", "-=": "+=", "<": "<=", "<=": "<", ">": ">=",
    ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "++": "--", "<<": ">>", ">>": "<<", "true": "false",
    "false": "true", "__syncthreads": "(void)", "__syncwarp": "(void)", "larger": "smaller", "exp": "log",
}  # fmt: skip
TOKEN = re.compile(
    r"//[^\n]*|#[^\n]*|template *<[^\n]*|__launch_bounds__[^\n]*|typedef[^\n]*|__align__\(\d+\)|"  # left alone,
    r"asm\b(?:\"[^\"]*\"|[^;\"])*;|"  # and what the emulator does not run
    r"(?P<token>\+\+|--|\+=|-=|<<|>>|<=|>=|==|!=|&&|\|\||->|\b\d+\b(?!\.)|[A-Za-z_]\w*|(?<= )[-+*/%<>](?= ))"
)
TESTED = {  # by whose tests, if not by its own
    "normlong.cu": ("norm",),
    "convdw.cu": ("convdw", "conv"),
    "embed.cu": ("embed", "scatter"),
    "piecewise.cu": ("piecewise", "activation"),
    "common.h": ("softmax", "nll", "norm", "bias"),
    "curves.h": ("activation", "piecewise", "bias"),
    "elementwise.h": ("activation", "piecewise"),
    "norm.h": ("norm",),
    "philox.h": ("dropout", "random"),
    "sums.h": ("norm", "reduce", "bias"),
    "tiles.h": ("conv",),
    "windows.h": ("pool", "fold"),
}


def mutants(text):
    """(place, old token, new token) of every change."""
    for match in TOKEN.finditer(text):
        token = match["token"] or ""
        if token.isdigit():
            yield match.start(), token, str(int(token) + 1)
        elif token in SWAPS:
            yield match.start(), token, SWAPS[token]


def tests_of(name):
    """What pytest is told for the tests that see a file."""
    families = TESTED.get(name, (name.partition(".")[0],))
    paths = [HERE / file for file in ("test_kernels.py", *[f"test_{family}.py" for family in families])]
    quick = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider"]
    return [*quick, *[str(path) for path in paths if path.exists()], "-k", " or ".join(families)]


def noticed(name, text, limit=300):
    """Whether a test fails when the file `name` has that text; found out in a copy of this process."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    signal.alarm(limit)  # ends what does not end
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    original = launch._text
    launch._text = lambda other: text if other == name else original(other)
    os._exit(pytest.main(tests_of(name)))


def run(name, count, seed):
    """Try `count` mutants of a file; returns (killed, tried)."""
    text = (KERNELS / name).read_text()
    with redirect_stdout(io.StringIO()):
        pytest.main(["--collect-only", *tests_of(name)])  # imports what all copies would import
    if noticed(name, text):
        sys.exit(f"{name}: its tests fail without any change")
    found = list(mutants(text))
    chosen, killed = random.Random(seed).sample(found, min(count, len(found))), 0
    for at, old, new in sorted(chosen):
        if noticed(name, text[:at] + new + text[at + len(old) :]):
            killed += 1
        else:
            line = text.count("\n", 0, at) + 1
            print(f"  {name}:{line}: {old} -> {new}: {text.splitlines()[line - 1].strip()}", flush=True)
    return killed, len(chosen)


def built(folder):
    """Let kernels be built in a folder of their own, not optimised and with their header compiled once: in a third of
    the time.
    """
    compiler, flags = Path(folder, "g++"), [*emulator.FLAGS, *emulator.CHECKED, *emulator.UNDEFINED]
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *runtime.cpp*) exec g++ "$@";; esac\nexec g++ -I{folder} "$@" -O0\n')
    compiler.chmod(0o700)
    emulator.CACHE, emulator.CXX = Path(folder), str(compiler)
    header = [str(emulator.HERE / "device.h"), "-o", f"{folder}/device.h.gch"]
    subprocess.run([str(compiler), *flags, "-w", "-x", "c++-header", *header], check=True)


def main():
    files = sorted(path.name for path in KERNELS.iterdir() if path.suffix in (".cu", ".h"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="file", help=", ".join(files))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in files if options.all else options.files:
        with tempfile.TemporaryDirectory() as folder:
            built(folder)
            rows.append((name, *run(name, options.count, options.seed)))
        print("{}: {} of {} mutants killed".format(*rows[-1]), flush=True)
    killed, tried = [sum(row[i] for row in rows) for i in (1, 2)]
    table = [f"| {name} | {a} | {b} |" for name, a, b in [*rows, ("all", killed, tried)]]
    print("\n".join(["| file | killed | tried |", "| --- | --- | --- |", *table]))
    print(f"{100 * killed / max(tried, 1):.1f} % killed")


if __name__ == "__main__":
    main()
