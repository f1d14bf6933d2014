"""Every row of the table of ops on a GPU's arrays: what it gives stays there and is what the CPU gives."""

import contextlib
import sys
import warnings
import zlib

import numpy as np
import pytest

import knetpy as kn
from knetpy.check.derivatives import floating, gradients
from knetpy.devices import on_gpu
from knetpy.tree import leaves
from tests.ops.checker import quiet, scalar
from tests.ops.row import draw
from tests.ops.rows import linalg, products, special, statistics, ufuncs
from tests.ops.table import ROWS as ALL
from tests.ops.test_table import arguments, random

# NumPy's functions with options or operands that CuPy does not take on its own; inside a transform knetpy helps out.
NOT_BARE = {"take wrap", "take clip", "clip by new names", "var correction", "reshape shape=", "copysign stretched"}
NOT_BARE |= {
    "copysign",
    "operator * list",
    "operator @ list",
    "dot list",
    "reshape array",
    "repeat -2",
    "hstack vectors",
}
# What CuPy has not at all, or takes no NumPy array or option in.
NOT_BARE_OPS = {
    *(np.array, np.asarray, np.full, np.arange, np.geomspace, np.linspace, np.logspace, np.block, np.insert, np.delete),
    *(
        getattr(np, "unstack", None),
        np.choose,
        np.select,
        np.piecewise,
        np.trim_zeros,
        np.sort,
        np.histogram,
        np.histogram2d,
    ),
    *(np.histogramdd, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values, np.intersect1d),
    *(np.quantile, np.percentile, np.nanquantile, np.nanpercentile),
    *(getattr(np.emath, name) for name in np.emath.__all__),
}
# Rows with an array of NumPy's as another operand, which belongs to the user and must not come along in silence.
MIXED = {"arctan2 bytes", "power of bytes", "ldexp", "ldexp stretched", "where", "where stretched", "kn.pad value"}
MIXED |= {"where mask stretched", "clip constant", "operator - array", "operator @ array", "einsum constant"}
MIXED |= {"interp at", "interp ends", "interp one point", "solve of a constant", "concatenate 1"}
MIXED |= {"stack -1", "concatenate 1", "select stretched", "select of one", "block"}


# The size of the result depends on values, such as those of a mask, or what is computed does.
WAITING = {
    np.bincount,
    "__getitem__",
    np.extract,
    np.piecewise,
    np.trim_zeros,
    np.arange,
    np.polymul,
    np.polydiv,
    np.linalg.det,
    np.linalg.lstsq,
}
WAITING |= {np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values, np.intersect1d}
WAITING |= {getattr(np.emath, name) for name in np.emath.__all__}  # the dtype depends on values
WAITING |= {np.setdiff1d, np.setxor1d, np.union1d, np.nanmedian, np.nanquantile, np.nanpercentile}


# Families that CuPy serves in part: calls on its own arrays are its own business.
PARTLY = {row.name for family in (linalg, ufuncs, statistics, products) for row in family.ROWS}


ROWS = [row for row in ALL if row not in special.ROWS]  # of those SciPy computes, on the CPU


def is_mixed(row):
    return row.name in MIXED or row.name.endswith((" whole left", " whole right"))


def is_bare(row):
    by_numpys_index = row.op is np.take_along_axis
    return (
        row.name not in NOT_BARE | PARTLY
        and row.op not in NOT_BARE_OPS
        and not row.name.endswith((" list left", " list right"))
        and not by_numpys_index
    )


def waits_not(row):
    return row.op not in WAITING and row.name != "logsoftmax mask" and " weights" not in row.name


def rows(of=lambda row: True):
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if of(row)])


def there(tree):
    """Whether all arrays of a tree are on the GPU."""
    arrays = [a for _, a in leaves(tree) if hasattr(a, "dtype")]
    return all(map(on_gpu, arrays))


def agree(found, wanted, tolerance):
    assert there(found)
    found = [kn.cpu(a) for a in floating(found)]
    wanted = floating(wanted)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        size = np.abs(np.where(np.isfinite(b), b, 0)).max(initial=0)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * (1 + size))


def tolerance(dtype):
    return {np.float16: 1e-2, np.float32: 2e-5, np.float64: 1e-10}[dtype]


@contextlib.contextmanager
def unread(monkeypatch):
    """Within it nothing may wait for the device; of a real one that cannot be seen."""
    array = sys.modules["cupy"].ndarray
    with monkeypatch.context() as patch:
        if hasattr(array, "_wait"):
            patch.setattr(array, "_wait", lambda self: pytest.fail("the device is waited for"))
        yield


@rows(lambda row: not is_mixed(row))
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_value_and_gradient(row, dtype, monkeypatch):
    args = arguments(row, dtype)
    device, count = [kn.gpu(a) for a in args], tuple(range(len(args)))
    if is_bare(row):
        agree(row.f(*device), row.f(*args), tolerance(dtype))
    wanted = kn.value_and_grad(scalar(row.f), count)(*args)
    with unread(monkeypatch) if waits_not(row) else contextlib.nullcontext():
        found = kn.value_and_grad(scalar(row.f), count)(*device)
    agree(found, wanted, tolerance(dtype) * 10)
    arrays = [a for a in (*device, *found[1]) if a.size]
    assert not any(np.may_share_memory(a, b) for n, a in enumerate(arrays) for b in arrays[:n])


@rows(is_mixed)
def test_the_users_arrays_do_not_come_along(row):
    args = [kn.gpu(a) for a in arguments(row, np.float32)]
    with pytest.raises((kn.DeviceError, TypeError)):
        row.f(*args)
    with pytest.raises(kn.DeviceError, match=r"on the GPU.*on the CPU; write kn\.gpu\("):
        kn.grad(scalar(row.f), 0)(*args)


@rows(lambda row: row.twice and not is_mixed(row) and zlib.crc32(row.name.encode()) % 8 == 0)
def test_second_derivative(row):
    args = arguments(row)
    vectors = [np.array(random(row).normal(size=a.shape)) for a in args]
    wanted = kn.hvp(scalar(row.f), tuple(args), tuple(vectors))
    found = kn.hvp(scalar(row.f), *[tuple(map(kn.gpu, arrays)) for arrays in (args, vectors)])
    agree(found, wanted, 1e-8)


EDGES = [pytest.param(row, s, id=f"{row.name} {s}") for row in ROWS for s in row.edges if not is_mixed(row)]


@pytest.mark.parametrize("row, shapes", EDGES)
def test_empty_and_size_one(row, shapes):
    args = [a.astype(np.float32) for a in draw(row, random(row), shapes)]
    with quiet():
        wanted = gradients(scalar(row.f), args)
        found = gradients(scalar(row.f), [kn.gpu(a) for a in args])
    agree(found, wanted, 1e-4)


@rows(lambda row: not is_mixed(row) and len(row.name) % 10 == 0)
@pytest.mark.filterwarnings("ignore:.*depends on none of the params")
def test_params(row):
    """Params on the GPU get the gradients that params on the CPU get."""
    params = [kn.param(a) for a in arguments(row, np.float32)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = kn.grad(lambda: scalar(row.f)(*params))()
        kn.gpu(params)
        found = kn.grad(lambda: scalar(row.f)(*params))()
    assert set(found) == set(wanted)
    agree([found[p] for p in found], [wanted[p] for p in found], 2e-4)


@pytest.mark.parametrize("row", [row for row in special.ROWS if row.name in ("special gammaln", "special jv")])
def test_scipys_functions_are_refused(row):
    args = [kn.gpu(a) for a in arguments(row)]
    for call in (lambda: kn.vjp(row.f, *args), lambda: row.f(*[kn.gpu(kn.param(a)) for a in args])):
        with pytest.raises(kn.DeviceError, match=r"scipy\.special\..*kn\.cpu"):
            call()


def test_the_memory_of_params_and_of_nothing_else():
    p = kn.gpu(kn.param([1.0, 2.0]))
    assert p.__cuda_array_interface__["data"] == p.value.__cuda_array_interface__["data"]
    found = []
    kn.grad(lambda: found.append(hasattr(p, "__cuda_array_interface__")) or np.sum(p * p))()
    assert found == [False]
