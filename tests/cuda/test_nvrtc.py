"""Every kernel compiles for every GPU, without spills, into registers that leave room for enough warps."""

from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import knetpy as kn

pytest.importorskip("cupy")
pytest.importorskip("cupy_backends.cuda.libs.nvrtc")

from tests.cudacpu import nvrtc  # noqa: E402

ARCHS = (75, 80, 90, 100, 120)
QUICK = (75, 90, 120)  # the others are `slow`: they rarely differ
FAMILIES = sorted(path.stem for path in (Path(kn.kernels.__file__).parent / "cuda").glob("*.cu"))
LEAST = 0.25  # of the warps that a multiprocessor could hold, at blocks of 256 threads
SPARSE = dict.fromkeys(("tile", "tile_dw"), 0.12)  # kernels with less, and why: 64 sums stay in registers


@cache
def compiled(family, arch):
    module = import_module(f"knetpy.kernels.cuda.{family}")._run
    return module, nvrtc.compile(module.source, arch, module.instances)[1]


def archs():
    return [pytest.param(a, marks=[] if a in QUICK else pytest.mark.slow) for a in ARCHS]


@pytest.mark.parametrize("arch", archs())
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_compile_without_spills(family, arch):
    module, kernels = compiled(family, arch)
    assert sorted(k.name for k in kernels) == sorted(module.instances)
    assert [k for k in kernels if k.spill_stores or k.spill_loads or k.stack] == []


@pytest.mark.parametrize("arch", archs())
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_leave_room_for_enough_warps(family, arch):
    few = [k for k in compiled(family, arch)[1] if k.occupancy(256) < SPARSE.get(k.name.split("<")[0], LEAST)]
    assert few == []
