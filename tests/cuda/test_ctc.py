"""ctc on the GPU: long labels and sequences, what is impossible, labels that are no class, sums in a fixed order."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels import kernel
from knetpy.kernels.cuda import launch
from tests.cuda.record import recorded
from tests.cuda.test_kernels import agrees

F4, F8 = np.dtype("f4"), np.dtype("f8")
forward, back = kernel("ctc", "ctc"), kernel("ctc", "ctc_dx")


def problem(n, steps, classes, most, blank=0, seed=0):
    rng = np.random.default_rng(seed)
    label_lengths = rng.integers(0, most + 1, n)
    label_lengths[0] = most
    labels = (blank + 1 + rng.integers(0, classes - 1, (n, most))) % classes
    how = {"lengths": rng.integers(steps // 2, steps + 1, n), "label_lengths": label_lengths, "blank": blank}
    how["lengths"][0] = steps
    labels = np.where(np.arange(most) < label_lengths[:, None], labels, blank)
    return rng.standard_normal((n, steps, classes)), labels, how


def same(scores, labels, how, dtype=F8):
    with np.errstate(all="ignore"):
        assert agrees("ctc", "ctc", (scores, labels), how, dtype)
        found = forward(scores, labels, **how)
        dy = np.random.default_rng(1).standard_normal(len(scores))
        assert agrees("ctc", "ctc_dx", (dy, *found, labels), how, dtype)


CASES = {
    "a warp of states": (2, 20, 5, 15),
    "several warps": (3, 90, 40, 40),
    "more classes than a warp": (2, 8, 100, 3),
    "few classes, so many of one": (2, 70, 3, 30),
    "one class beside the blank": (2, 9, 2, 4),
    "no labels": (3, 4, 5, 0),
    "no steps": (2, 0, 4, 1),
    "one step": (4, 1, 4, 1),
    "more labels than steps": (3, 4, 6, 9),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("last", [False, True])
def test_values(case, last, order):
    classes = CASES[case][2]
    same(*problem(*CASES[case], blank=classes - 1 if last else 0))


def test_more_states_than_threads_and_than_shared_memory_holds(monkeypatch):
    same(*problem(1, 4, 3, 600))
    monkeypatch.setattr(launch, "SHARED", 0)  # as if nothing could lie there
    monkeypatch.setattr("knetpy.kernels.cuda.ctc.SHARED", 0)
    same(*problem(3, 30, 7, 10))
    same(*problem(2, 4, 7, 520))


def test_infinite_scores_and_what_nobody_can_spell(order):
    scores, labels, how = problem(6, 12, 5, 3)
    scores[1, 2], scores[2, 3, 1], scores[3, 0, 0], scores[5, 1, 2] = -np.inf, -np.inf, np.inf, np.nan
    how["lengths"][4] = 0
    same(scores, labels, how)
    labels[0] = 1  # which needs blanks between
    how["lengths"][0] = 4
    same(scores, labels, how)
    losses, logs, alpha = forward(*kn.gpu((scores, labels)), **kn.gpu(how))
    dx = kn.cpu(back(kn.gpu(np.ones(6)), losses, logs, alpha, kn.gpu(labels), **kn.gpu(how)))
    assert np.isinf(kn.cpu(losses)[0]) and (dx[0] == 0).all()


def test_what_lies_behind_the_end_does_not_count():
    scores, labels, how = problem(3, 8, 5, 3)
    for i, length in enumerate(how["lengths"]):
        scores[i, length:] = np.nan
    there, tables = kn.gpu((scores, labels)), kn.gpu(how)
    losses, logs, alpha = forward(*there, **tables)
    dx = kn.cpu(back(kn.gpu(np.ones(3)), losses, logs, alpha, there[1], **tables))
    assert np.isfinite(kn.cpu(losses)).all() and np.isfinite(dx).all()


@pytest.mark.parametrize("wrong", [-1, 5, 2**62, -(2**62)])
def test_a_label_out_of_range_gives_nan_and_reads_nothing_else(wrong):
    scores, labels, how = problem(2, 8, 5, 3)
    labels[0, 1] = wrong
    there, tables = kn.gpu((scores, labels)), kn.gpu(how)
    losses, logs, alpha = forward(*there, **tables)
    dx = kn.cpu(back(kn.gpu(np.ones(2)), losses, logs, alpha, there[1], **tables))
    assert np.isnan(kn.cpu(losses)).tolist() == [True, False]
    assert np.isnan(dx[0]).any() and np.isfinite(dx[1]).all()
    for option in ("lengths", "label_lengths"):  # changed since somebody looked
        changed = {**how, option: np.array([wrong, 9])}
        forward(*there, **kn.gpu(changed))
        back(kn.gpu(np.ones(2)), losses, logs, alpha, there[1], **kn.gpu(changed))


def test_half_precision_strides_and_no_sequences():
    scores, labels, how = problem(3, 9, 6, 4)
    exact = forward(scores, labels, **how)
    for dtype, tolerance in (("f2", 5e-3), ("f4", 1e-5)):
        x = kn.gpu(np.repeat(scores.transpose(1, 0, 2), 2, axis=2).astype(dtype))[..., ::2].transpose(1, 0, 2)
        found = forward(x, kn.gpu(labels.astype("i4")), **kn.gpu(how))
        assert {a.dtype.str[1:] for a in found} == {dtype}
        for a, b in zip(found, exact):
            np.testing.assert_allclose(kn.cpu(a), b, rtol=tolerance, atol=tolerance)
    how = {"lengths": np.zeros(0, int), "label_lengths": np.zeros(0, int), "blank": 0}
    losses, logs, alpha = forward(*kn.gpu((np.zeros((0, 4, 3)), np.zeros((0, 2), int))), **kn.gpu(how))
    assert (losses.shape, logs.shape, alpha.shape) == ((0,), (0, 4, 3), (0, 5, 5))
    assert back(losses, losses, logs, alpha, kn.gpu(np.zeros((0, 2), int)), **kn.gpu(how)).shape == (0, 4, 3)


def test_the_same_bits_in_any_order_of_threads(order):
    scores, labels, how = problem(3, 12, 4, 6)
    there, tables = kn.gpu((scores.astype("f4"), labels)), kn.gpu(how)
    found = forward(*there, **tables)
    dx = back(kn.gpu(np.ones(3, "f4")), *found, there[1], **tables)
    bits = b"".join([kn.cpu(a).tobytes() for a in (*found, dx)])
    assert test_the_same_bits_in_any_order_of_threads.__dict__.setdefault("bits", bits) == bits


def test_memory_is_read_together_and_no_block_is_idle():
    scores, labels, how = problem(2, 16, 64, 31)
    there, tables = kn.gpu((scores.astype("f4"), labels)), kn.gpu(how)
    with recorded(trace=300000) as launches:
        found = forward(*there, **tables)
        dx = back(kn.gpu(np.ones(2, "f4")), *found, there[1], **tables)
    stats = {name.split("<")[0]: s for name, s in launches}
    assert all([s.idle_blocks == 0 for s in stats.values()])
    assert stats["forward"].global_write_bytes == found[2].nbytes + found[0].nbytes
    assert dx.nbytes <= stats["slopes"].global_write_bytes <= 1.6 * dx.nbytes  # classes of labels twice
    for name in ("forward", "backward"):
        writes = [r for r in stats[name].requests() if (r.space, r.kind) == ("global", "write")]
        assert writes and all([r.cost <= r.ideal + 1 for r in writes])
        assert all([r.cost <= r.ideal for r in stats[name].requests() if r.space == "shared" and r.kind == "write"])
