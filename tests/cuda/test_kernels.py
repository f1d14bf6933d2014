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


def test_status_says_which_backend_served():
    kernel("softmax", "softmax")(kn.gpu(np.ones((2, 3), "f4")), axis=1)
    rows = [row for row in kn.kernels.status().rows if row[:2] == ("softmax.softmax", "cuda")]
    assert rows == [("softmax.softmax", "cuda", "compiled by CuPy, which keeps it on disk", 0.0)]
    kernel("fold", "unfold")
    text = repr(kn.kernels.status())
    assert "softmax.softmax" in text and "cuda" in text


def test_what_a_launch_refuses():
    run = import_module("knetpy.kernels.cuda.softmax")._run
    x = kn.gpu(np.ones((4, 4), "f4"))
    with pytest.raises(ValueError, match="not in C order"):
        run("columns<float, false>", 1, 128, x[:, ::2], None, x, 1, 1, 1)
    with pytest.raises(ValueError, match="can start"):
        run("columns<float, false>", 2**31, 128, x, None, x, 1, 1, 1)
    with pytest.raises(ValueError, match="blocks of 2048 threads"):
        run("columns<float, false>", 1, 2048, x, None, x, 1, 1, 1)
    with pytest.raises(KeyError, match="softmax: no kernel rows<int>"):
        run("rows<int>", 1, 32, x)
