"""How much the tests of CUDA kernels see: `python -m tests.cuda.mutants [family ...] [--count 40] [--seed 0]`.

Changes one token of a kernel's source at a time, runs that family's tests, and lists the changes that no test noticed.
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


def mutants(text):
    """(place, old token, new token) of every change."""
    for match in TOKEN.finditer(text):
        token = match["token"] or ""
        if token.isdigit():
            yield match.start(), token, str(int(token) + 1)
        elif token in SWAPS:
            yield match.start(), token, SWAPS[token]


def survives(folder, family, timeout=300):
    """Whether all tests of a family pass in a copy of the project."""
    files = ["tests/cuda/test_kernels.py", *map(str, Path(folder, "tests/cuda").glob(f"test_{family}.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files, "-k", family]
    env = {**os.environ, "CUDACPU_CACHE": f"{folder}/built", "PYTHONPATH": str(folder)}
    try:
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False  # an endless loop is noticed, too


def run(family, count, seed):
    """Try `count` mutants of a family; returns (killed, tried)."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("knetpy", "tests", "setup.cfg", "pyproject.toml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder, part))
        path = Path(folder, KERNELS, f"{family}.cu")
        text = path.read_text()
        if not survives(folder, family):
            sys.exit(f"{family}: its tests fail without any change")
        found = list(mutants(text))
        chosen = random.Random(seed).sample(found, min(count, len(found)))
        killed = 0
        for at, old, new in sorted(chosen):
            path.write_text(text[:at] + new + text[at + len(old) :])
            if survives(folder, family):
                line = text.count("\n", 0, at) + 1
                print(f"  {family}.cu:{line}: {old} -> {new}: {text.splitlines()[line - 1].strip()}", flush=True)
            else:
                killed += 1
        return killed, len(chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=sorted(p.stem for p in (ROOT / KERNELS).glob("*.cu")))
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    total = [0, 0]
    for family in options.families:
        killed, tried = run(family, options.count, options.seed)
        print(f"{family}: {killed} of {tried} mutants killed", flush=True)
        total = [total[0] + killed, total[1] + tried]
    print(f"all: {total[0]} of {total[1]} killed, {100 * total[0] / max(total[1], 1):.1f} %")


if __name__ == "__main__":
    main()
