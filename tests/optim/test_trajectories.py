"""Every rule goes where PyTorch's goes, or its paper written out, and the fused kernel where the formula goes."""

import json
import math

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels.reference import optim as reference
from knetpy.optim import optimizer
from tests.optim.trajectories import CASES, FILE, STEPS, gradients, ours, start

NUMBERS = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", CASES)
def test_equals_pytorchs(name):
    reached = ours(CASES[name][0](), STEPS)
    for step in STEPS:
        np.testing.assert_allclose(reached[step], NUMBERS[name][str(step)], rtol=0, atol=1e-9, err_msg=f"at {step}")


# ------------------------------------------------------------------------------- by the papers, written out


def adabelief(lr, b1, b2, eps):
    def step(w, g, s, t):
        m = s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        v = s["v"] = b2 * s.get("v", 0) + (1 - b2) * (g - m) ** 2 + eps
        return w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)

    return step


def lion(lr, b1, b2, decay):
    def step(w, g, s, t):
        m = s.get("m", 0)
        s["m"] = b2 * m + (1 - b2) * g
        return w - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * w)

    return step


def lamb(lr, b1, b2, eps, decay):
    def step(w, g, s, t):
        m = s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        v = s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
        r = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * w
        return w - lr * np.linalg.norm(w) / np.linalg.norm(r) * r

    return step


def muon(lr, momentum, decay, nesterov, steps):
    def step(w, g, s, t):
        m = s["m"] = momentum * s.get("m", 0) + (1 - momentum) * g
        x = (1 - momentum) * g + momentum * m if nesterov else m
        u, values, v = np.linalg.svd(
            x.reshape(len(x), -1), full_matrices=False
        )  # the iterations act on singular values
        values = values / np.sqrt((values**2).sum())
        for _ in range(steps):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        scale = math.sqrt(max(1, u.shape[0] / v.shape[1]))
        return w - lr * decay * w - lr * scale * ((u * values) @ v).reshape(w.shape)

    return step


def oadam(lr, b1, b2, eps):
    def step(w, g, s, t):
        m = s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        v = s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
        last, s["step"] = s.get("step", 0), lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        return w - 2 * s["step"] + last

    return step


PAPERS = {
    # with larger steps rounding decides where it goes once the gradients are small
    "OAdam": (lambda: kn.OAdam(0.005), oadam(0.005, 0.5, 0.9, 1e-8)),
    "OAdam, other": (lambda: kn.OAdam(0.02, 0.9, 0.99, 1e-3), oadam(0.02, 0.9, 0.99, 1e-3)),
    "AdaBelief": (lambda: kn.AdaBelief(0.02), adabelief(0.02, 0.9, 0.999, 1e-16)),
    "AdaBelief, other": (lambda: kn.AdaBelief(0.02, 0.5, 0.9, 1e-4), adabelief(0.02, 0.5, 0.9, 1e-4)),
    "Lion": (lambda: kn.Lion(0.02), lion(0.02, 0.9, 0.99, 0)),
    "Lion, decaying": (lambda: kn.Lion(0.02, 0.8, 0.95, 0.3), lion(0.02, 0.8, 0.95, 0.3)),
    "LAMB": (lambda: kn.LAMB(0.02), lamb(0.02, 0.9, 0.999, 1e-6, 0.01)),
    "LAMB, other": (lambda: kn.LAMB(0.02, 0.5, 0.9, 1e-3, 0.2), lamb(0.02, 0.5, 0.9, 1e-3, 0.2)),
    "Muon": (lambda: kn.Muon(0.02), muon(0.02, 0.95, 0.1, True, 5)),
    "Muon, other": (
        lambda: kn.Muon(0.02, 0.8, weight_decay=0, nesterov=False, steps=3),
        muon(0.02, 0.8, 0, False, 3),
    ),
}


@pytest.mark.parametrize("name", PAPERS)
def test_equals_the_papers(name):
    make, step = PAPERS[name]
    opt = make()
    matrices = isinstance(opt, kn.Muon)
    arrays = [w for w in start() if w.ndim > 1 or not matrices]
    arrays += [np.ascontiguousarray(w.reshape(4, 2)) for w in arrays if w.shape == (2, 4)]  # tall, and wide
    params, states = [kn.param(w) for w in arrays], [{} for _ in arrays]
    for t in range(1, 101):
        kn.update(params, gradients([p.value for p in params]), opt)
        arrays = [step(w, g, s, t) for w, g, s in zip(arrays, gradients(arrays), states)]
    for p, w in zip(params, arrays):
        np.testing.assert_allclose(p.value, w, rtol=0, atol=1e-6)


# -------------------------------------------------------------------------------- the same on every path

EVERY = {name: make for name, (make, *_) in {**CASES, **PAPERS}.items() if "," not in name or "centered" in name}
ELEMENTWISE = [name for name in EVERY if type(EVERY[name]()).fused]


def test_what_is_fused():
    assert set(EVERY) - set(ELEMENTWISE) == {"LAMB", "Adafactor", "Muon"}


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_goes_with_the_formula_to_the_bit(name, dtype, monkeypatch):
    fused = ours(EVERY[name](), (20,), dtype)[20]
    monkeypatch.setattr(optimizer, "_step", reference.step)
    np.testing.assert_array_equal(fused, ours(EVERY[name](), (20,), dtype)[20])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_formula_is_compiled(name):
    cpu = pytest.importorskip("knetpy.kernels.cpu.optim")
    opt, w = EVERY[name](), np.ones(3)
    assert cpu._routine(opt.formula, 2 + len(opt.init(w)), len(opt.numbers(1)), "d")


def matrices(opt):
    return (4, 3) if isinstance(opt, kn.Muon) else (12,)


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_keeps_float32_moments(name):
    opt = EVERY[name]()
    values = np.linspace(-1, 1, 12).reshape(matrices(opt))
    g = (np.cos(values) * 1e-4).astype("f2")  # its squares are zero in float16
    half, whole = kn.param(values.astype("f2")), kn.param(values.astype("f2").astype("f4"))
    kn.update(half, g, opt)
    kn.update(whole, g.astype("f4"), EVERY[name]())
    assert half.dtype == np.float16 and {a.dtype.char for a in opt.state(half).arrays} <= {"f"}
    np.testing.assert_array_equal(half.value, whole.value.astype("f2"))


@pytest.mark.parametrize("name", EVERY)
def test_rows_of_a_table_are_updated_as_by_the_dense_gradient(name):
    tables = [kn.param(np.linspace(-1, 1, 12, dtype="f4").reshape(4, 3)) for _ in range(2)]
    opts = [EVERY[name]() for _ in tables]
    for words in ([0, 2, 2], [1, 0]):
        for p, opt, look_up in zip(tables, opts, (kn.embed, lambda p, i: p[np.array(i)])):
            kn.update(p, kn.grad(lambda: np.sum(np.square(look_up(p, words))))(), opt)  # noqa: B023
    np.testing.assert_allclose(tables[0].value, tables[1].value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", EVERY)
def test_empty_arrays_and_zeros(name):
    opt = EVERY[name]()
    for w in (np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((2, 2))):
        kn.update(w, np.zeros_like(w), opt)
        assert not w.any()


def test_muon_refuses_vectors_before_anything_is_changed():
    w, b, opt = kn.param(np.ones((2, 2), "f4")), kn.param([1.0]), kn.Muon()
    with pytest.raises(kn.ShapeError, match=r"Muon: .*shape \(1,\).*kn.Adam"):
        kn.update([w, b], [np.ones((2, 2), "f4"), np.ones(1, "f4")], opt)
    assert w.version == 0 and not opt.states


def test_what_is_remembered_is_decided_once():
    opt = kn.RMSprop(centered=True)
    with pytest.raises(AttributeError, match=r"centered decides.*kn.RMSprop\(centered=False\)"):
        opt.centered = False
    assert opt.centered is True


def test_a_deviation_that_rounding_takes_below_zero():
    w, opt = kn.param(np.zeros(50, "f4")), kn.RMSprop(lr=1e-6, rho=0.5, centered=True)
    g = np.linspace(0.1, 1, 50, dtype="f4")
    for _ in range(40):
        kn.update(w, g, opt)  # always the same: its deviation is zero
    s, m = opt.state(w).arrays
    assert (s < m * m).any() and np.isfinite(w.value).all()


def test_a_new_lr_scales_the_steps_of_rprop():
    w, opt = kn.param([1.0]), kn.Rprop(0.5, grow=1.0)
    kn.update(w, np.ones(1, "f4"), opt)
    opt.lr = 0.25
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == 0.25
    opt.lr = 0
    kn.update(w, np.ones(1, "f4"), opt)
    assert w.value.item() == 0.25
