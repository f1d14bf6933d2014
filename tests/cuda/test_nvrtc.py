"""Every kernel compiles for every GPU, without spills, into registers that leave room for enough warps."""

from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels.cuda import optim

pytest.importorskip("cupy")
pytest.importorskip("cupy_backends.cuda.libs.nvrtc")

from tests.cudacpu import nvrtc  # noqa: E402

ARCHS = (75, 80, 90, 100, 120)
QUICK = (75, 90, 120)  # the others are `slow`: they rarely differ
FAMILIES = sorted(path.stem for path in (Path(kn.kernels.__file__).parent / "cuda").glob("*.cu"))
LEAST = 0.25  # of the warps that a multiprocessor could hold, at blocks of 256 threads
SPARSE = {  # kernels with less, and why
    **dict.fromkeys(["attend", "attend_dq", "attend_dkv"], 0.125),  # sums in registers, for 85 % FFMA; blocks of 128
    **dict.fromkeys(["tile", "tile_dw", "product"], 0.12),  # 64 sums stay in registers
}


FORMULAS = {f"optim {rule.__name__}": rule for rule in (kn.SGD, kn.Adam, kn.AdamW)}


@cache
def compiled(family, arch):
    if family in FORMULAS:
        rule, w = FORMULAS[family](), np.ones(1, "f4")
        module = optim._kernel(rule.formula, 2 + len(rule.init(w)), len(rule.numbers(1)), "f")
    else:
        module = import_module(f"knetpy.kernels.cuda.{family}")._run
    return module, nvrtc.compile(module.source, arch, module.instances)[1]


def archs():
    return [pytest.param(a, marks=[] if a in QUICK else pytest.mark.slow) for a in ARCHS]


@pytest.mark.parametrize("arch", archs())
@pytest.mark.parametrize("family", [*FAMILIES, *FORMULAS])
def test_kernels_compile_without_spills(family, arch):
    module, kernels = compiled(family, arch)
    assert sorted(k.name for k in kernels) == sorted(module.instances)
    assert [k for k in kernels if k.spill_stores or k.spill_loads or k.stack] == []


@pytest.mark.parametrize("arch", archs())
@pytest.mark.parametrize("family", [*FAMILIES, *FORMULAS])
def test_kernels_leave_room_for_enough_warps(family, arch):
    few = [k for k in compiled(family, arch)[1] if k.occupancy(256) < SPARSE.get(k.name.split("<")[0], LEAST)]
    assert few == []
