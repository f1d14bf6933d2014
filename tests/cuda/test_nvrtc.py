"""Every kernel compiles for every GPU, without spills, into registers that leave room for enough warps."""

import pytest

pytest.importorskip("cupy")
pytest.importorskip("cupy_backends.cuda.libs.nvrtc")

from tests.cuda.registers import ARCHS, FAMILIES, compiled, figures, stored

QUICK = (75, 90, 120)  # the others are `slow`: they rarely differ
LEAST = 25  # percent of the warps that a multiprocessor could hold, at blocks of 256 threads
SPARSE = {  # kernels with less, and why
    **dict.fromkeys(["attend", "attend_dq", "attend_dkv"], 12),  # sums in registers, for 85 % FFMA; blocks of 128
    **dict.fromkeys(["tile", "tile_dw", "product"], 12),  # 64 sums stay in registers
}
MORE, LESS = 16, 13  # registers, and percent of the warps, by which another version of the compiler may differ


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
def test_registers_and_warps_are_those_of_the_table(family, arch):
    found, table = figures(family, arch), stored(family, arch)
    assert sorted(found) == sorted(table), "renew the table: python -m tests.cuda.registers"
    for name, (registers, warps) in found.items():
        assert registers <= table[name][0] + MORE and warps >= table[name][1] - LESS, (name, registers, warps)
        assert warps >= SPARSE.get(name.split("<")[0], LEAST), name
