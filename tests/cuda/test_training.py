"""Training on the GPU gives what training on the CPU gives: models, optimizers, saves, what reads the losses."""

import inspect
import itertools
import weakref

import numpy as np
import pytest

import knetpy as kn
from knetpy.devices import on_gpu
from tests.cuda.conftest import emulated
from tests.cuda.test_rows import unread

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(8, 5)).astype("f4"), RNG.integers(0, 3, 8)
IMAGES, DIGITS = RNG.normal(size=(2, 1, 20, 20)).astype("f4"), RNG.integers(0, 10, 2)
TOKENS, NEXT = RNG.integers(0, 11, (3, 6)), RNG.integers(0, 11, (3, 6))


def mlp():
    w = [kn.param(5, 4), kn.param0(4), kn.param(4, 3), kn.param0(3)]
    return w, lambda x, y: kn.nll(kn.linear(kn.dropout(np.tanh(x @ w[0] + w[1]), 0.2), w[2], w[3]), y)


def lenet():
    w = [kn.param(4, 1, 5, 5), kn.param0(4), kn.param(6, 4, 5, 5), kn.param0(6), kn.param(24, 10), kn.param0(10)]
    moments = kn.Moments()

    def loss(x, y):
        x = kn.pool(kn.conv(x, w[0], w[1], activation=kn.relu))
        x = kn.pool(kn.relu(kn.batchnorm(kn.conv(x, w[2]), moments, None, w[3])))
        return kn.nll(kn.mat(x) @ w[4] + w[5], y, label_smoothing=0.1)

    return w, loss


def lstm():
    w = [kn.param(11, 4), kn.param(4, 24), kn.param(6, 24), kn.param0(24), kn.param(6, 11)]

    def loss(tokens, following):
        y, _ = kn.lstm(kn.embed(w[0], tokens), [tuple(w[1:4])], lengths=[6, 4, 2])
        return kn.nll(y @ w[4], following, ignore=0)

    return w, loss


MODELS = {"mlp": (mlp, X, LABELS), "lenet": (lenet, IMAGES, DIGITS), "lstm": (lstm, TOKENS, NEXT)}


def made(model, device="cpu"):
    kn.seed(1)
    params, loss = model()
    return (kn.gpu(params) if device == "gpu" else params), loss


def numbers(params):
    return [np.array(kn.cpu(p.value)) for p in params]


def agree(found, wanted, tolerance=1e-5):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def trained(model, x, y, make, device, steps=3):
    params, loss = made(model, device)
    x, y = kn.gpu((x, y)) if device == "gpu" else (x, y)
    losses = list(kn.minimize(loss, [(x, y)] * steps, make()))
    assert all(on_gpu(v) == (device == "gpu") for v in [*losses, *(p.value for p in params)])
    return [float(v) for v in losses], numbers(params)


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    wanted, found = [trained(*MODELS[name], lambda: kn.Adam(lr=0.01), device) for device in ("cpu", "gpu")]
    agree(found[0], wanted[0])
    agree(found[1], wanted[1], 2e-4)


def test_constants_may_come_from_the_cpu():
    """Labels, lengths and the like are copied; the data itself is not."""
    params, loss = made(mlp, "gpu")
    for labels in (LABELS, LABELS.tolist(), LABELS.astype("u1"), kn.gpu(LABELS)):
        assert kn.device(kn.grad(loss)(kn.gpu(X), labels)[params[0]]) == "gpu"
    with pytest.raises(kn.DeviceError, match=r"write kn\.gpu\("):
        kn.grad(loss)(X, LABELS)


x, y = (RNG.normal(size=(3, 4)).astype("f4") for _ in "xy")
TABLES = {
    "nll": (lambda x, t: kn.nll(x, t), [0, 3, 1]),
    "nll weight": (lambda x, t: kn.nll(x, [0, 3, 1], weight=t), [1.0, 2.0, 0.5, 1.0]),
    "nll ignore": (lambda x, t: kn.nll(x, t, ignore=-1), [0, -1, 1]),
    "nll both": (lambda x, t: kn.nll(x, t, ignore=-1, weight=[1, 2, 3, 4], label_smoothing=0.1), [0, -1, 1]),
    "focal": (lambda x, t: kn.focal(x, t), [0, 3, 1]),
    "bce": (lambda x, t: kn.bce(x, t), np.eye(3, 4, dtype=int)),
    "binary_focal": (lambda x, t: kn.binary_focal(x, t), np.eye(3, 4, dtype=int)),
    "hinge": (lambda x, t: kn.hinge(x, t), np.eye(3, 4, dtype=int) * 2 - 1),
    "mse counts": (lambda x, t: kn.mse(x, t), np.eye(3, 4, dtype=int)),
    "mse weight": (lambda x, t: kn.mse(x, x * 2, weight=t), np.arange(4.0)),
    "multi_margin": (lambda x, t: kn.multi_margin(x, t), [0, 3, 1]),
    "multilabel_margin": (lambda x, t: kn.multilabel_margin(x, t), [[0, 1, -1, 0], [-1] * 4, [3, 2, 1, 0]]),
    "ctc": (lambda x, t: kn.ctc(x[None], t), [[1, 2]]),
    "ctc lengths": (lambda x, t: kn.ctc(x[None], [[1, 2]], lengths=t), [3]),
    "ctc label_lengths": (lambda x, t: kn.ctc(x[None], [[1, 2]], label_lengths=t), [1]),
    "softmax": (lambda x, t: kn.softmax(x, mask=t), [[True, False, True, True]]),
    "logsumexp": (lambda x, t: kn.logsumexp(x, mask=t), [[True, False, True, True]]),
    "attention": (lambda x, t: kn.attention(x, x, x, mask=t), np.eye(3, dtype=bool)),
    "rope": (lambda x, t: kn.rope(x, t), [3, 1, 2]),
    "embed": (lambda x, t: kn.embed(x, t), [[0, 2], [2, 1]]),
    "embed padding": (lambda x, t: kn.embed(x, t, padding_index=2), [[0, 2], [2, 1]]),
    "bag": (lambda x, t: kn.embedding_bag(x, t), [[0, 2], [2, 1]]),
    "bag offsets": (lambda x, t: kn.embedding_bag(x, [0, 2, 2, 1], t, mode="max"), [0, 1]),
    "gather": (lambda x, t: kn.gather(x, t, axis=1), [0, 3, 3]),
    "scatter": (lambda x, t: kn.scatter(x, t), [1, 0, 1]),
    "scatter mean": (lambda x, t: kn.scatter(x, t, mode="mean", size=4), [1, 0, 1]),
    "scatter max": (lambda x, t: kn.scatter(x, t, mode="max", size=2), [1, 0, 1]),
    "scatter mul": (lambda x, t: kn.scatter(x, t, mode="mul"), [1, 0, 1]),
    "take_along_axis": (lambda x, t: kn.take_along_axis(x, t, 0), [[0, 2, 1, -1]]),
    "getitem": (lambda x, t: x[t], [0, 2, 2]),
    "getitem mask": (lambda x, t: x[t], np.array([True, False, True])),
    "lstm": (
        lambda x, t: kn.lstm(x[None].repeat(2, 0), (x.T @ x, np.concatenate([x.T @ x] * 1, 1)[:1]), lengths=t)[0],
        [3, 1],
    ),
    "unpool": (lambda x, t: kn.unpool(x[:, None], indices=t), np.arange(12).reshape(3, 1, 4) % 8),
    "fractional": (lambda x, t: kn.fractional_pool(x[None], 2, size=2, samples=t), np.full((1, 3, 1), 0.3)),
}


@pytest.mark.parametrize("name", TABLES)
def test_constants_of_all_kinds(name):
    """As lists, as arrays of NumPy, on the GPU: the same value and gradient."""
    f, table = TABLES[name]
    loss = lambda x, t: np.sum(np.sin(f(x, t)))
    wanted = kn.value_and_grad(loss, 0)(x, np.asarray(table))
    for given in (table, np.asarray(table), kn.gpu(np.asarray(table))):
        if name == "getitem mask" and given is table:
            continue
        value, gradient = kn.value_and_grad(loss, 0)(kn.gpu(x), given)
        assert kn.device([value, gradient]) == "gpu"
        agree([kn.cpu(value), kn.cpu(gradient)], wanted)


READ_ON_CPU = {"scatter mul", "bag offsets"}


@pytest.mark.parametrize("name", sorted(set(TABLES) - READ_ON_CPU))
def test_constants_of_the_gpu_do_not_go_with_data_of_the_cpu(name):
    f, table = TABLES[name]
    with pytest.raises((kn.DeviceError, TypeError)):
        f(x, kn.gpu(np.asarray(table)))


def test_draws_are_those_of_the_cpu():
    draws = {
        "dropout": lambda x: kn.dropout(x, 0.5),
        "alpha_dropout": lambda x: kn.alpha_dropout(x, 0.5),
        "rrelu": kn.rrelu,
        "gumbel": kn.gumbel_softmax,
        "hard gumbel": lambda x: kn.gumbel_softmax(x, hard=True),
        "fractional": lambda x: kn.fractional_pool(x[None], 2, size=3),
    }
    for name, f in draws.items():
        loss = lambda x, f=f: np.sum(np.sin(f(x)))
        wanted, found = [], []
        for into, a in ((wanted, X), (found, kn.gpu(X))):
            kn.seed(7)
            into += [kn.cpu(v) for v in kn.value_and_grad(loss, 0)(a)]
        agree(found, wanted), name


# ------------------------------------------------------------------------------------------------- optimizers

RULES = [rule for _, rule in inspect.getmembers(kn.optim, inspect.isclass) if issubclass(rule, kn.optim.Optimizer)]
OPTIMIZERS = {rule.__name__: rule for rule in RULES if rule.moves and rule.__name__ in kn.__all__ + ["LAMB"]}
OPTIMIZERS |= {
    "LazyAdam": lambda: kn.Adam(lazy=True),
    "clipped": lambda: kn.chain(kn.optim.ClipNorm(0.01), kn.SGD(lr=0.1)),
    "clipped together": lambda: kn.chain(kn.optim.ClipGlobalNorm(0.01), kn.SGD(lr=0.1)),
    "clipped values": lambda: kn.chain(kn.optim.ClipValue(0.01), kn.SGD(lr=0.1)),
    "decayed": lambda: kn.chain(kn.optim.WeightDecay(0.1), kn.optim.SignDecay(0.1), kn.SGD(lr=0.1)),
    "accumulated": lambda: kn.chain(kn.optim.Accumulate(2), kn.SGD(lr=0.1)),
    "averaged": lambda: kn.chain(kn.SGD(lr=0.1), kn.optim.EMA(0.5), kn.optim.Lookahead(2)),
    "mixed precision": lambda: kn.optim.MixedPrecision(kn.SGD(lr=0.1)),
    "chosen": lambda: kn.optim.Choose(lambda path, w: "ab"[w.ndim > 1], a=kn.SGD(lr=0.1), b=kn.Adam()),
}
del OPTIMIZERS["Muon"], OPTIMIZERS["chain"]  # the first is for matrices


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    for model, x, y in (MODELS["mlp"], MODELS["lstm"]):
        wanted, found = [trained(model, x, y, OPTIMIZERS[name], device) for device in ("cpu", "gpu")]
        agree(found[1], wanted[1], 1e-4)


def test_muon():
    wanted, found = kn.param(np.ones((3, 4), "f4")), kn.gpu(kn.param(np.ones((3, 4), "f4")))
    kn.update(wanted, x, kn.Muon())
    kn.update(found, kn.gpu(x), kn.Muon())
    agree(numbers([found]), numbers([wanted]))


def test_state_follows_its_params():
    results = []
    for places in (["cpu"] * 4, ["gpu", "cpu", "gpu", "gpu"]):
        params, loss = made(mlp)
        opt = kn.Adam(lr=0.01)
        for place in places:
            move = kn.gpu if place == "gpu" else kn.cpu
            kn.update(move(params), kn.grad(loss)(*move((X, LABELS))), opt)
            assert kn.device(opt.state(params[0]).arrays) == place
        results.append(numbers(params))
    agree(*results)


def test_params_of_both_devices_in_one_update():
    a, b = kn.param([1.0, 2.0]), kn.gpu(kn.param([1.0, 2.0]))
    g = np.array([0.5, -1], "f4")
    kn.update([a, b], {a: g, b: kn.gpu(g)}, kn.Adam())
    agree(numbers([b]), numbers([a]))
    with pytest.raises(kn.DeviceError, match="params and its gradient|its gradient are on two devices"):
        kn.update(a, {a: kn.gpu(g)}, kn.SGD())


# ----------------------------------------------------------------------------------- saves, what reads losses


@pytest.mark.parametrize("saved", ["cpu", "gpu"])
@pytest.mark.parametrize("loaded", ["cpu", "gpu"])
def test_saves_do_not_depend_on_the_device(tmp_path, saved, loaded):
    states = []
    for device, seed in ((saved, 1), (loaded, 2)):
        kn.seed(seed)
        params, loss = mlp()
        if device == "gpu":
            kn.gpu(params)
        states.append(({"params": params, "opt": kn.Adam(), "moments": kn.Moments()}, loss, device))

    def step(state, loss, device):
        a, b = kn.gpu((X, LABELS)) if device == "gpu" else (X, LABELS)
        kn.update(state["params"], kn.grad(lambda x, y: loss(x, y))(a, b), state["opt"])
        kn.batchnorm(a, state["moments"], training=True)

    first, second = states
    step(*first)
    kn.save(tmp_path / "save", first[0])
    kn.load(tmp_path / "save", into=second[0])
    assert kn.device(second[0]["params"]) == loaded
    agree(numbers(second[0]["params"]), numbers(first[0]["params"]), 0)
    for state in states:
        kn.seed(5)
        step(*state)
    agree(numbers(second[0]["params"]), numbers(first[0]["params"]))
    agree([kn.cpu(second[0]["moments"].var)], [kn.cpu(first[0]["moments"].var)])


def test_arrays_of_the_gpu_are_saved(tmp_path):
    kn.save(tmp_path / "save", {"x": kn.gpu(X)})
    np.testing.assert_array_equal(kn.load(tmp_path / "save")["x"], X)
    into = {"x": kn.gpu(np.zeros_like(X))}
    kn.load(tmp_path / "save", into=into)
    np.testing.assert_array_equal(kn.cpu(into["x"]), X)


def test_losses_are_read_when_they_are_asked_for():
    recorded = []
    for device in ("cpu", "gpu"):
        params, loss = made(mlp, device)
        data = [kn.gpu((X, LABELS)) if device == "gpu" else (X, LABELS)] * 6
        history = kn.History(every=2)
        for _ in kn.progress(history(kn.minimize(loss, data, kn.SGD(lr=0.1), before=history.watch)), disable=True):
            pass
        recorded.append((history["loss"], history["grad_norm"], [row["loss"] for row in history.rows()]))
        assert f"loss {history['loss'][-1]:.4g}" in repr(history)
    agree(recorded[1], recorded[0])


def test_early_stopping_reads_losses_of_the_gpu():
    losses = [kn.gpu(np.array(v)) for v in (3.0, 2.0, 2.5, 2.6, 2.7, 2.8)]
    assert len(list(kn.train.early_stopping(losses, patience=2))) < len(losses)


def test_a_step_does_not_wait_for_the_gpu(monkeypatch):
    for model, a, b in MODELS.values():
        params, loss = made(model, "gpu")
        a, b = kn.gpu((a, b))
        steps = iter(kn.minimize(loss, [(a, b)] * 3, kn.chain(kn.optim.ClipGlobalNorm(1.0), kn.Adam())))
        next(steps)
        with unread(monkeypatch):
            next(steps)
            next(steps)


def test_metrics_and_predictions():
    params, _ = made(mlp, "gpu")
    model = lambda x: x @ params[0] @ params[2]
    scores = model(kn.gpu(X))
    assert kn.accuracy(scores, LABELS) == kn.accuracy(scores, kn.gpu(LABELS)) == kn.accuracy(kn.cpu(scores), LABELS)
    assert kn.zeroone(scores, LABELS) == 1 - kn.accuracy(scores, LABELS)
    assert kn.evaluate(model, [(kn.gpu(X), LABELS)], kn.accuracy) == kn.accuracy(scores, LABELS)
    assert kn.gradcheck(lambda x: np.tanh(x) @ kn.gpu(np.ones((5, 2))), kn.gpu(X.astype(float)))


def test_moments_follow_their_data():
    moments, a = kn.Moments(), kn.gpu(X)
    kn.grad(lambda x: np.sum(kn.batchnorm(x, moments) ** 2), 0)(a)
    assert kn.device([moments.mean, moments.var]) == "gpu"
    agree([kn.cpu(kn.batchnorm(a, moments))], [kn.batchnorm(X, moments)])
    assert kn.device(moments.mean) == "cpu"


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_to_the_gpu(workers):
    x, y = np.arange(22.0).reshape(11, 2), np.arange(11)
    options = {"shuffle": True, "seed": 3, "workers": workers, "partial": True}
    here, there = (kn.DataLoader({"x": x, "y": y}, 3, device=device, **options) for device in ("cpu", "gpu"))
    for _ in range(2):
        for wanted, found in zip(here, there, strict=True):
            assert kn.device(found) == "gpu" and found["x"].dtype == np.float32
            assert there.state() == here.state()  # batches that were copied ahead do not count
            np.testing.assert_array_equal(kn.cpu(found["x"]), wanted["x"])
            np.testing.assert_array_equal(kn.cpu(found["y"]), wanted["y"])
    batches = iter(there)
    next(batches)
    state = there.state()
    rest = [kn.cpu(batch["y"]).tolist() for batch in batches]
    there.restore(state)
    assert [kn.cpu(batch["y"]).tolist() for batch in there] == rest
    with pytest.raises(ValueError, match='DataLoader: device must be "cpu" or "gpu"'):
        kn.DataLoader(x, 3, device="cuda")


def test_a_batch_that_cannot_be_made_comes_after_those_that_can():
    def prepare(x):
        return x if x[0] < 4 else 1 / 0

    found = []
    with pytest.raises(kn.data.LoaderError, match="ZeroDivisionError"):
        for batch in kn.DataLoader(np.arange(9.0), 2, device="gpu", prepare=prepare):
            found.append(kn.cpu(batch).tolist())
    assert found == [[0, 1], [2, 3]]


class LateCopies:
    """A device that copies from pinned memory when it is waited for, and a pool that gives memory away at once."""

    def __init__(self, monkeypatch):
        from tests.cudacpu import capture, fakecupy

        self.begun, self.lost = [], 0
        monkeypatch.setattr(fakecupy.cupyx, "empty_pinned", self.empty_pinned)
        monkeypatch.setattr(
            fakecupy.ndarray, "set", lambda there, x, stream=None: self.begun.append((there._a, x.base))
        )
        for kind in (capture.Event, capture.Stream):
            monkeypatch.setattr(kind, "synchronize", lambda self_: self.wait())

    def empty_pinned(self, shape, dtype):
        memory = np.empty(shape, dtype)
        array = memory.view()
        weakref.finalize(array, self.taken_back, memory)
        return array

    def taken_back(self, memory):
        self.lost += any([memory is source for _, source in self.begun])

    def wait(self):
        for there, source in self.begun:
            there[...] = source
        self.begun.clear()


@emulated
@pytest.mark.parametrize("whole", [True, False], ids=["to its end", "left early"])
def test_a_loop_over_batches_ends_when_their_copies_have(monkeypatch, whole):
    late, x = LateCopies(monkeypatch), np.arange(10, dtype="f4")
    found = list(itertools.islice(kn.DataLoader(x, 2, device="gpu"), None if whole else 2))
    assert not late.begun and not late.lost
    np.testing.assert_array_equal(np.concatenate(kn.cpu(found)), x[: 10 if whole else 4])


def test_means_that_were_written_over_are_told():
    w, ema = kn.param([1.0], device="gpu"), kn.optim.EMA(0.5)
    opt, one = kn.chain(kn.SGD(1.0), ema), kn.gpu(np.ones(1, "f4"))
    kn.update(w, one, opt)
    with pytest.raises(kn.MutationError, match="averaged: .*was written"), ema.averaged(w):
        kn.update(w, one, opt)
    assert kn.cpu(w.value).tolist() == [0.0]
