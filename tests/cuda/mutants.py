"""How much the tests of CUDA kernels see: `python -m tests.cuda.mutants [file ...] [--all] [--count 16] [--seed 0]`.

Changes one token of a kernel's source at a time, runs the tests of its family, and lists the changes that no test
noticed; --all takes every .cu and .h, and ends with the table of what was found.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNELS = "knetpy/kernels/cuda"
SWAPS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "+=": "-=", "-=": "+=", "<": "<=", "<=": "<", ">": ">=",
    ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "++": "--", "<<": ">>", ">>": "<<", "true": "false",
    "false": "true", "__syncthreads": "(void)", "__syncwarp": "(void)", "larger": "smaller", "exp": "log",
}  # fmt: skip
TOKEN = re.compile(
    r"//[^\n]*|#[^\n]*|template *<[^\n]*|__launch_bounds__[^\n]*|typedef[^\n]*|"  # left alone
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


def survives(folder, families, timeout=200):
    """Whether all tests of some families pass in a copy of the project."""
    own = [Path(folder, f"tests/cuda/test_{family}.py") for family in families]
    files = ["tests/cuda/test_kernels.py", *[str(path) for path in own if path.exists()]]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        *files,
        "-k",
        " or ".join(families),
    ]
    env = {**os.environ, "CUDACPU_CACHE": f"{folder}/built", "PYTHONPATH": str(folder)}
    try:
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False  # an endless loop is noticed, too


def run(name, count, seed):
    """Try `count` mutants of a file; returns (killed, tried)."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("knetpy", "tests", "setup.cfg", "pyproject.toml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder, part))
        path, families = Path(folder, KERNELS, name), TESTED.get(name, (name.partition(".")[0],))
        text = path.read_text()
        if not survives(folder, families):
            sys.exit(f"{name}: its tests fail without any change")
        found = list(mutants(text))
        chosen = random.Random(seed).sample(found, min(count, len(found)))
        killed = 0
        for at, old, new in sorted(chosen):
            path.write_text(text[:at] + new + text[at + len(old) :])
            if survives(folder, families):
                line = text.count("\n", 0, at) + 1
                print(f"  {name}:{line}: {old} -> {new}: {text.splitlines()[line - 1].strip()}", flush=True)
            else:
                killed += 1
        return killed, len(chosen)


def main():
    files = sorted(path.name for path in (ROOT / KERNELS).iterdir() if path.suffix in (".cu", ".h"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="file", help=", ".join(files))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in files if options.all else options.files:
        rows.append((name, *run(name, options.count, options.seed)))
        print("{}: {} of {} mutants killed".format(*rows[-1]), flush=True)
    killed, tried = [sum(row[i] for row in rows) for i in (1, 2)]
    table = [f"| {name} | {a} | {b} |" for name, a, b in [*rows, ("all", killed, tried)]]
    print("\n".join(["| file | killed | tried |", "| --- | --- | --- |", *table]))
    print(f"{100 * killed / max(tried, 1):.1f} % killed")


if __name__ == "__main__":
    main()
