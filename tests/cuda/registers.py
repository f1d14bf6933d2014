"""Registers and occupancy of every kernel on every GPU: `python -m tests.cuda.registers [family ...]` renews the table.

registers.json has a line for each kernel: for each of ARCHS the registers of a thread, and the percentage of the warps
that a multiprocessor could hold, at blocks of 256 threads. Look at what changes in it before you commit it.
"""

import json
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

import knetpy as kn
from knetpy.kernels.cuda import optim
from tests.cudacpu import nvrtc

ARCHS = (75, 80, 90, 100, 120)
TABLE = Path(__file__).with_suffix(".json")
FORMULAS = {f"optim {rule.__name__}": rule for rule in (kn.SGD, kn.Adam, kn.AdamW)}
FAMILIES = [*sorted(path.stem for path in (Path(kn.kernels.__file__).parent / "cuda").glob("*.cu")), *FORMULAS]


@cache
def compiled(family, arch):
    """The module of a family, and what the compiler says of each of its kernels."""
    if family in FORMULAS:
        rule, w = FORMULAS[family](), np.ones(1, "f4")
        module = optim._kernel(rule.formula, 2 + len(rule.init(w)), len(rule.numbers(1)), "f")
    else:
        module = import_module(f"knetpy.kernels.cuda.{family}")._run
    return module, nvrtc.compile(module.source, arch, module.instances)[1]


def figures(family, arch):
    """{kernel: (registers, occupancy in percent)} of a family."""
    return {k.name: (k.registers, int(100 * k.occupancy(256))) for k in compiled(family, arch)[1]}


def table():
    """{family: {kernel: a pair of figures for each of ARCHS}}, as it is stored."""
    return json.loads(TABLE.read_text()) if TABLE.exists() else {}


def stored(family, arch):
    """What the table has instead of `figures`."""
    return {name: tuple(row[ARCHS.index(arch)]) for name, row in table().get(family, {}).items()}


def renew(family):
    """Write a family's part of the table anew, and leave out families that are no more."""
    found = [figures(family, arch) for arch in ARCHS]
    new = table() | {family: {name: [each[name] for each in found] for name in sorted(found[0])}}
    line = lambda name, row: f"  {json.dumps(name)}: {json.dumps(row)}"
    parts = [
        f"{json.dumps(family)}: {{\n" + ",\n".join([line(*item) for item in new[family].items()]) + "\n}"
        for family in FAMILIES
        if family in new
    ]
    TABLE.write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    for family in sys.argv[1:] or FAMILIES:
        renew(family)
