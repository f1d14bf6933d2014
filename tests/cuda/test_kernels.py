"""CUDA kernels against the reference: drawn calls of every family, in three orders of blocks and threads."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.tree import leaves, tree_map
from tests.kernels.cases import FAMILIES

CUDA = Path(kn.kernels.__file__).parent / "cuda"
SERVED = sorted(path.stem for path in CUDA.glob("*.cu"))
TOLERANCE = {np.dtype("f4"): 2e-5, np.dtype("f8"): 1e-12}


def reference(family, name, args, options):
    """What the specification says, in float64."""
    wide = tree_map(lambda a: a.astype("f8") if getattr(a, "dtype", None) == np.float32 else a, (args, options))
    return getattr(import_module(f"knetpy.kernels.reference.{family}"), name)(*wide[0], **wide[1])


def agrees(family, name, args, options, dtype):
    function = getattr(import_module(f"knetpy.kernels.cuda.{family}"), name, None)
    if function is None:
        return False
    found = kn.cpu(kernel(family, name)(*kn.gpu(args), **kn.gpu(options)))
    for (where, y), (_, exact) in zip(leaves(found), leaves(reference(family, name, args, options)), strict=True):
        if exact is None:
            assert y is None
            continue
        assert y.shape == exact.shape, (name, where, y.shape, exact.shape)
        scale = float(np.abs(exact).max(initial=1, where=np.isfinite(exact)))
        np.testing.assert_allclose(y, exact, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=f"{name} {where}")
    return True


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)
@pytest.mark.parametrize("family", [f for f in SERVED if f in FAMILIES])
def test_drawn_calls(family, dtype, order):
    rng, served = np.random.default_rng(0), 0
    for _ in range(4):
        for name, args, options in FAMILIES[family](rng, dtype):
            served += agrees(family, name, args, options, dtype)
    assert served
