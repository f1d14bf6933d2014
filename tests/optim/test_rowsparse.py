"""Gradients of an embedding's table: rows for the optimizer, dense for everyone else."""

import copy

import numpy as np
import pytest

import knetpy as kn
from knetpy.ops.rowsparse import RowSparse

WORDS = np.array([[2, 0, 2], [5, 2, 0]])


def table():
    return kn.param(np.arange(14.0, dtype="f4").reshape(7, 2))


def loss(p, words=WORDS):
    return lambda: np.sum(np.square(kn.embed(p, words)))


def dense(p, words=WORDS):
    """The same loss by indexing, whose gradient is dense."""
    return lambda: np.sum(np.square(p[words]))


def test_the_sweep_keeps_rows_and_the_caller_sees_an_array():
    p = table()
    g = kn.grad(loss(p))()
    kept = g.compact(p)
    assert isinstance(kept, RowSparse) and kept.values.shape == (6, 2)
    assert (kept.shape, kept.dtype) == (p.shape, p.dtype)
    np.testing.assert_array_equal(g[p], kn.grad(dense(p))()[p])
    assert g.compact(p) is g[p] is g[p] and g[p].flags.writeable and g[p].flags.owndata
    with pytest.raises(KeyError, match="never touched"):
        g.compact(table())
    with pytest.raises(KeyError, match="looked up by a Param"):
        g.compact(3)
    g[p] *= 2
    np.testing.assert_array_equal(g[p], 2 * kn.grad(dense(p))()[p])


@pytest.mark.parametrize("other", [lambda p: np.sum(p * p), lambda p: loss(p, [1, 1])(), lambda p: np.sum(p[3:])])
@pytest.mark.parametrize("first", [True, False])
def test_other_uses_of_the_table_add_up(other, first):
    p = table()

    def both(one):
        return lambda: one() + other(p) if first else other(p) + one()

    np.testing.assert_array_equal(kn.grad(both(loss(p)))()[p], kn.grad(both(dense(p)))()[p])


@pytest.mark.parametrize("look_up", [lambda p, i: kn.embedding_bag(p, i), lambda p, i: kn.gather(p, i)])
def test_other_look_ups_keep_rows_too(look_up):
    p = table()
    g = kn.grad(lambda: np.sum(np.square(look_up(p, WORDS))))()
    assert isinstance(g.compact(p), RowSparse)
    np.testing.assert_allclose(g[p], kn.grad(lambda p: np.sum(np.square(look_up(p, WORDS))), 0)(p.value))


def test_padding_has_no_gradient():
    p = table()
    g = kn.grad(lambda: np.sum(kn.embed(p, WORDS, padding_index=2)))()
    assert set(g.compact(p).rows) == {0, 5}
    assert g[p].sum(1).tolist() == [4, 0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize("make", [kn.SGD, kn.Adam])
def test_an_update_is_that_by_the_dense_gradient(make):
    p, q, one, two = table(), table(), make(lr=0.1), make(lr=0.1)
    for words in (WORDS, [[1, 1], [6, 0]], WORDS):
        kn.update(p, kn.grad(loss(p, words))(), one)
        kn.update(q, kn.grad(dense(q, words))(), two)
    np.testing.assert_allclose(p.value, q.value, rtol=1e-6)


def test_a_lazy_adam_touches_only_the_rows():
    p, opt = table(), kn.Adam(lr=0.1, lazy=True)
    kn.update(p, kn.grad(loss(p))(), opt)
    before = p.value.copy()
    kn.update(p, kn.grad(loss(p, [1]))(), opt)
    changed = (p.value != before).any(1)
    assert changed.tolist() == [False, True, False, False, False, False, False]
    all_rows, eager = table(), kn.Adam(lr=0.1)
    kn.update(all_rows, kn.grad(loss(all_rows))(), eager)
    kn.update(all_rows, kn.grad(loss(all_rows, [1]))(), eager)
    assert (all_rows.value[2] != before[2]).any()  # moments of the first step go on


def test_they_share_memory_with_nothing():
    p, b = table(), kn.param(np.zeros((2, 3, 2), "f4"))
    g = kn.grad(lambda: np.sum(kn.embed(p, WORDS) + b))()
    assert not np.shares_memory(g.compact(p).values, g[b])
    g[b] *= 5
    assert g[p].max() == 3


def test_copies_tables_and_checks_of_finiteness():
    p = table()
    g = kn.grad(loss(p))()
    assert "(7, 2)" in repr(g) and isinstance(g.compact(p), np.ndarray)  # norms are of whole arrays
    (again,) = copy.deepcopy(kn.grad(loss(p))()).values()
    np.testing.assert_array_equal(again, g[p])
    with np.errstate(over="ignore"):
        huge = kn.param(np.full((3, 2), 3e38, "f4"))
        found = kn.grad(lambda: np.sum(kn.embed(huge, [1]) ** 3))()
    with pytest.raises(kn.NonFiniteError):
        kn.update(huge, found, kn.SGD(), check_finite=True)


def test_a_failed_update_changes_nothing():
    p, q = table(), kn.param(np.ones(2, "f4"))
    g = kn.grad(lambda: loss(p)() + np.sum(q))()
    q.value.base.flags.writeable = False
    before = p.value.copy()
    with pytest.raises(kn.MutationError):
        kn.update([p, q], g, kn.SGD())
    np.testing.assert_array_equal(p.value, before)


def test_higher_orders_and_forward_mode_are_dense():
    p = table()
    h = kn.grad(lambda: np.sum(np.square(kn.grad(lambda t: np.sum(kn.embed(t, WORDS) ** 3), 0)(p))))()
    assert isinstance(h.compact(p), np.ndarray)
    twice = kn.grad(lambda: np.sum(np.square(kn.grad(lambda t: np.sum(t[WORDS] ** 3), 0)(p))))()
    np.testing.assert_allclose(h[p], twice[p])
    assert isinstance(kn.tape(loss(p))[p], np.ndarray)


def test_under_checkpoint_and_nonfinite_watch():
    p = table()
    np.testing.assert_array_equal(kn.grad(lambda: kn.checkpoint(loss(p))())()[p], kn.grad(dense(p))()[p])
    with kn.check_nonfinite():
        np.testing.assert_array_equal(kn.grad(loss(p))()[p], kn.grad(dense(p))()[p])
