"""Steps that are captured as CUDA graphs train as others do, to the bit, or are refused with the reason."""

import gc
import zlib

import numpy as np
import pytest

import knetpy as kn
from knetpy import graphs
from knetpy.check.derivatives import floating
from knetpy.train import capture
from tests.cuda.conftest import emulated
from tests.cuda.test_rows import ROWS, is_mixed
from tests.cuda.test_training import DIGITS, IMAGES, LABELS, RNG, X, lenet, mlp, numbers
from tests.ops.checker import quiet
from tests.ops.test_table import arguments

STEPS = 6


def lstm():
    w = [kn.param(4, 24), kn.param(6, 24), kn.param0(24), kn.param(6, 11)]

    def loss(x, following):
        y, _ = kn.lstm(x, [tuple(w[:3])])
        return kn.nll(kn.dropout(y, 0.3) @ w[3], following)

    return w, loss


def mixed():
    """What goes other ways: products of einsum, attention, a part that is computed again."""
    w = [kn.param(5, 4), kn.param(4, 4), kn.param(4, 3)]

    def block(x):
        h = kn.dropout(np.einsum("bi,ij->bj", x, w[0]), 0.3)
        return kn.layernorm(kn.attention(h[None], h[None] @ w[1], h[None])[0])

    return w, lambda x, y: kn.nll(kn.gelu(kn.checkpoint(block)(x)) @ w[2], y)


def noisy():
    w = [kn.param(5, 4), kn.param(4, 3)]
    return w, lambda x, y: kn.nll(kn.rrelu(kn.gumbel_softmax(x @ w[0])) @ w[1], y)


SERIES, NEXT = RNG.normal(size=(3, 2, 4)).astype("f4"), RNG.integers(0, 11, (3, 2))
MODELS = {
    "mlp": (mlp, X, LABELS),
    "lenet": (lenet, IMAGES, DIGITS),
    "lstm": (lstm, SERIES, NEXT),
    "noisy": (noisy, X, LABELS),
}
OPTIMIZERS = {
    "SGD": lambda: kn.SGD(lr=0.1),
    "Adam": lambda: kn.Adam(lr=0.01),
    "schedule": lambda: kn.Momentum(lr=kn.schedules.Warmup(3, then=kn.schedules.Cosine(0.1, STEPS))),
    "RAdam": lambda: kn.optim.RAdam(lr=0.01, beta2=0.5),
    "chain": lambda: kn.chain(
        kn.optim.ClipGlobalNorm(0.1), kn.optim.WeightDecay(0.01), kn.AdamW(lr=0.01), kn.optim.EMA(0.5)
    ),
    "clipped": lambda: kn.chain(kn.optim.ClipNorm(0.1), kn.optim.ClipValue(0.01), kn.optim.SignDecay(0.1), kn.SGD()),
    "Choose": lambda: kn.optim.Choose(lambda path, w: "ab"[w.ndim > 1], a=kn.SGD(lr=0.1), b=kn.Adam()),
}


def batches(a, b, count=STEPS):
    return [kn.gpu((a * np.float32(1 + n / 8), b)) for n in range(count)]


def trained(model, data, opt, captured, check=None):
    """(losses, params, states, where random numbers stand)"""
    kn.seed(1)
    params, loss = model()
    kn.gpu(params)
    steps = kn.minimize(loss, data, opt, capture=captured)
    with graphs.alike_captured():
        losses = [v for n, v in enumerate(steps) if check is None or check(n, opt, params) is None]
    states = [(s.t, kn.cpu(list(s.arrays))) for rule in _rules(opt) for s in map(rule.state, params)]
    return [float(v) for v in losses], numbers(params), states, kn.random.state()


def _rules(opt):
    return [opt, *[rule for part in opt.inside() for rule in _rules(part)]]


def same(found, wanted):
    assert found[0] == wanted[0] and found[3] == wanted[3]
    for a, b in zip(found[1], wanted[1], strict=True):
        np.testing.assert_array_equal(a, b)
    for (t, arrays), (t2, arrays2) in zip(found[2], wanted[2], strict=True):
        assert t == t2
        for a, b in zip(arrays, arrays2, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model, opt", [*[(m, "Adam") for m in MODELS], *[("mlp", o) for o in OPTIMIZERS]])
def test_captured_training_is_the_same(model, opt):
    make, a, b = MODELS[model]
    wanted, found = [trained(make, batches(a, b), OPTIMIZERS[opt](), captured) for captured in (False, True)]
    same(found, wanted)


def test_float64():
    def model():
        w = kn.param(np.linspace(-1, 1, 6).reshape(3, 2))
        return [w], lambda x, y: np.mean((np.tanh(x @ w) - y) ** 2)

    data = [kn.gpu((RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2)))) for _ in range(5)]
    same(*[trained(model, data, kn.Adam(), captured) for captured in (True, False)])


@emulated
def test_a_launch_is_all_that_is_left(monkeypatch):
    from tests.cudacpu import fakecupy

    params, loss = mlp()
    kn.gpu(params)
    steps = iter(kn.minimize(loss, batches(X, LABELS, 5), kn.Adam(), capture=True))
    losses = [next(steps) for _ in range(3)]
    monkeypatch.setattr(fakecupy.RawKernel, "__call__", lambda *a, **k: pytest.fail("a kernel is launched by itself"))
    monkeypatch.setattr(fakecupy.ndarray, "_wait", lambda self: pytest.fail("the device is waited for"))
    losses += steps
    monkeypatch.undo()
    assert len({float(v) for v in losses}) == 5  # each has memory of its own


def test_moments_of_the_model_run_along():
    found = []
    for captured in (False, True):
        kn.seed(1)
        moments, w = kn.Moments(), kn.gpu(kn.param(5, 3))
        loss = lambda x, y, m=moments, w=w: kn.nll(kn.batchnorm(x, m) @ w, y)
        with graphs.alike_captured():
            list(kn.minimize(loss, batches(X, LABELS), kn.SGD(), capture=captured))
        found.append((moments.count, kn.cpu(moments.mean), kn.cpu(moments.var)))
    assert found[0][0] == found[1][0] == STEPS
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])


def test_changes_between_steps_are_followed():
    """Settings, values written into params, params that were moved, a state that was put back."""

    def change(n, opt, params):
        if n == 3:
            opt.lr = 0.3
        if n == 4:
            params[0][...] = params[0].value * 2
        if n == 5:
            opt.limit = 0.01
        if n == 6:
            kn.gpu(kn.cpu(params))
        if n == 7:
            opt.parts[1].states.clear()

    make = lambda: kn.chain(kn.optim.ClipNorm(0.5), kn.Adam(lr=0.1))
    data = batches(X, LABELS, 12)
    same(*[trained(mlp, data, make(), captured, change) for captured in (True, False)])


def test_each_shape_has_a_graph():
    data = [kn.gpu((X[:n], LABELS[:n])) for n in (8, 8, 8, 3, 8, 3, 3, 3, 8)]
    same(*[trained(mlp, data, kn.Adam(), captured) for captured in (True, False)])


def test_what_looks_at_operations_sees_those_of_eager_steps():
    params, loss = mlp()
    kn.gpu(params)
    with pytest.raises(kn.NonFiniteError):
        for n, _ in enumerate(kn.minimize(loss, batches(X, LABELS, 6), kn.SGD(), capture=True)):
            if n == 3:
                params[2][...] = np.float32(np.nan)
                watching = kn.check_nonfinite()
                watching.__enter__()
    watching.__exit__(None, None, None)


def linear():
    w = kn.gpu(kn.param(5, 3))
    return w, lambda x, y: kn.nll(x @ w, y)


def refused(loss, reason, data=None, opt=None, **options):
    """At the first step, or after some that were made: the params are then as the last step left them."""
    data = batches(X, LABELS, 4) if data is None else data
    w, opt, seen, state = kn.params(loss), opt or kn.SGD(), [], None
    before = numbers(w)
    with pytest.raises(kn.DeviceError, match=reason) as failure:
        for _ in kn.minimize(loss, data, opt, capture=True, **options):
            before, state = numbers(w), kn.random.state()
            seen.append([opt.state(p).t for p in w])
    assert "capture=True, but this step cannot be captured" in str(failure.value)
    for a, b in zip(numbers(w), before, strict=True):
        np.testing.assert_array_equal(a, b)
    if seen:
        assert [opt.state(p).t for p in w] == seen[-1] and kn.random.state() == state
    if not options and opt.moves:
        list(kn.minimize(loss, data[:1], opt))  # it goes on without


def test_params_and_batches_of_the_cpu():
    w = kn.param(5, 3)
    refused(lambda x, y: kn.nll(x @ w, y), "w is on the CPU; write kn.gpu", [(X, LABELS)])
    v, loss = linear()
    refused(loss, r"argument\[1\] of the loss is on the CPU", [(kn.gpu(X), LABELS)])


@pytest.mark.parametrize(
    "opt, reason",
    [
        (lambda: kn.optim.Lookahead and kn.chain(kn.SGD(), kn.optim.Lookahead()), "Lookahead decides on the host"),
        (lambda: kn.chain(kn.optim.Accumulate(2), kn.SGD()), "Accumulate decides on the host"),
        (lambda: kn.optim.LAMB(), "LAMB decides on the host"),
        (lambda: kn.optim.MixedPrecision(kn.SGD()), "MixedPrecision decides on the host"),
        (lambda: kn.chain(kn.optim.ClipNorm(lambda t: 1.0 + t), kn.SGD()), "ClipNorm is a function of the step"),
    ],
)
def test_optimizers_that_need_the_host(opt, reason):
    _, loss = linear()
    with pytest.raises(kn.DeviceError, match=reason):
        kn.minimize(loss, [], opt(), capture=True)


def test_options_that_read_every_step():
    _, loss = linear()
    refused(loss, "before= reads the loss", before=lambda value, grads: None)
    refused(loss, "check_finite=True reads the loss", check_finite=True)


def test_a_step_that_reads_an_array():
    w, _ = linear()
    refused(lambda x, y: kn.nll(x @ w, y) * float(kn.value(w).sum()), "it waits for the GPU, to read an array")
    refused(lambda x, y: kn.nll(x @ w, y) * (2 if (x > 0).all() else 1), "it waits for the GPU, to read an array")


def test_a_step_that_catches_what_it_should_not():
    w, _ = linear()

    def loss(x, y):
        try:
            scale = kn.cpu(x).sum()
        except Exception:
            scale = 1.0
        return kn.nll(x @ w, y) * scale

    refused(loss, "capture")


def test_a_step_that_copies_an_array():
    w, _ = linear()
    table = np.ones((8, 3), "f4")
    refused(
        lambda x, y: kn.nll(x @ w, LABELS), r"it copies an array of the host to the GPU.*, at test_capture.py:\d+, in "
    )
    refused(lambda x, y: kn.nll((x @ w) * kn.gpu(table), y), "it copies an array of the host to the GPU")
    refused(lambda x, y: kn.nll((x @ w)[np.array([0, 1])], y[:2]), "it copies an array of the host to the GPU")


def test_random_numbers_of_the_host():
    w, _ = linear()
    refused(lambda x, y: kn.nll(x @ w, y) * kn.random.rand().item(), "random numbers that are drawn on the host")


def test_sorting_and_products_of_others():
    w, table = kn.gpu(kn.param(5, 3)), kn.gpu(kn.param(7, 5))
    tokens = [kn.gpu((np.arange(8) % 7, LABELS))] * 4
    refused(
        lambda x, y: kn.nll(kn.embed(table, x) @ w, y),
        "waits for the GPU, to read an array on the host or to sort",
        tokens,
    )
    matrix = kn.gpu(np.eye(5, dtype="f4"))
    refused(lambda x, y: kn.nll((x @ w), y) + kn.value(np.matmul(matrix, x.T)).sum(), "CuPy: calling cuBLAS")


def test_averages_that_count_on_the_host():
    moments, (w, _) = kn.Moments(momentum=None), linear()
    refused(lambda x, y: kn.nll(kn.batchnorm(x, moments) @ w, y), "depends on their count")


@pytest.mark.filterwarnings("ignore:Moments inside")
def test_what_each_step_makes_anew():
    w, _ = linear()
    refused(
        lambda x, y: kn.nll(kn.batchnorm(x, kn.Moments()) @ w, y),
        "each step makes Moments anew",
        batches(X, LABELS, 20),
    )


def test_half_precision():
    w = kn.gpu(kn.param(np.ones((5, 3), "f2")))
    refused(lambda x, y: np.mean(x.astype("f2") @ w), "float16 arrays")


def test_other_arguments():
    w, loss = linear()
    refused(
        lambda x, y, n: kn.nll(x @ w, y) * n, "more than 8 shapes", [(*kn.gpu((X, LABELS)), n // 3) for n in range(40)]
    )
    refused(lambda x, y: loss(*x), r"argument\[1\] of the loss is a object|set", [(kn.gpu((X, LABELS)), {1})])


def test_a_step_that_is_left_out():
    w, steps = linear()[0], []

    def loss(x, y):
        steps.append(1)
        if len(steps) > 2:
            raise kn.train.Skip
        return kn.nll(x @ w, y)

    with pytest.raises(kn.DeviceError, match="it raised Skip; a graph cannot decide"):
        list(kn.minimize(loss, batches(X, LABELS, 4), kn.SGD(), capture=True))


def test_errors_of_the_step_stay_what_they_are():
    w, steps = linear()[0], []

    def loss(x, y):
        steps.append(1)
        if len(steps) > 2:
            raise ZeroDivisionError("my own")
        return kn.nll(x @ w, y)

    with pytest.raises(ZeroDivisionError, match="my own"):
        list(kn.minimize(loss, batches(X, LABELS, 4), kn.SGD(), capture=True))
    value = numbers([w])
    steps.clear()
    next(iter(kn.minimize(loss, batches(X, LABELS, 4), kn.SGD(), capture=True)))
    assert not np.array_equal(numbers([w])[0], value[0])


def test_a_schedule_that_fails_changes_nothing():
    w, loss = linear()
    data, seen = batches(X, LABELS, 6), []
    with pytest.raises(ZeroDivisionError):
        for _ in kn.minimize(loss, data, kn.SGD(lr=lambda t: 0.1 / (4 - t)), capture=True):
            seen.append(numbers([w])[0])
    assert len(seen) == 4
    np.testing.assert_array_equal(numbers([w])[0], seen[-1])


def test_no_gpu(monkeypatch):
    _, loss = linear()
    monkeypatch.setattr(capture, "why_not", lambda: "it is away")
    with pytest.raises(kn.DeviceError, match="no GPU can be used: it is away"):
        kn.minimize(loss, [], capture=True)


def grown():
    """What reads tables of the device besides those of convolutions."""
    w = [kn.param(3, 1, 3, 3), kn.param(4, 4), kn.param(12, 3)]

    def loss(x, y):
        h = kn.pool(kn.upsample(kn.conv(x, w[0]), size=(4, 4), mode="bilinear", antialias=True))  # (N, 3, 2, 2)
        h = kn.attention(h.reshape(-1, 3, 4) @ w[1], h.reshape(-1, 3, 4)[:1], h.reshape(-1, 3, 4)[:1])
        return kn.nll(h.reshape(-1, 12) @ w[2], y % 3)

    return w, loss


@pytest.mark.parametrize("model", [lenet, grown])
def test_tables_live_as_long_as_their_graph(model):
    """The double of CuPy raises if a launch finds its memory given back; a device would read something else."""
    from knetpy.kernels.cuda import attention, conv, convplan, norm, resample, windows

    caches = attention._where, conv._plan, convplan.tables, norm.plan, resample._kept, windows.window_of
    kn.seed(1)
    params, loss = model()
    kn.gpu(params)
    for n, _ in enumerate(kn.minimize(loss, batches(IMAGES, DIGITS, 5), kn.SGD(), capture=True)):
        if n == 2:  # the graph has been launched once
            for cache in caches:
                cache.cache_clear()
            gc.collect()


def test_constants_of_the_loss_live_as_long_as_its_graph():
    w, constants = kn.gpu(kn.param(5, 3)), [kn.gpu(np.arange(1, 4, dtype="f4"))]
    loss = lambda x, y: kn.nll((x @ w) * constants[0], y)  # a product of CuPy's
    found = []
    for captured in (True, False):
        w[...] = kn.gpu(np.ones((5, 3), "f4"))
        with graphs.alike_captured():
            for n, value in enumerate(kn.minimize(loss, batches(X, LABELS, 5), kn.SGD(), capture=captured)):
                found.append(float(value))
                if captured and n == 2:
                    constants[0] = None  # eager steps would fail
                    gc.collect()
        constants[0] = kn.gpu(np.arange(1, 4, dtype="f4"))
    assert found[:5] == found[5:]


def sums(f):
    return lambda *args: sum([np.sum(np.tanh(y)) for y in floating(f(*args))])


SOME = [row for row in ROWS if not is_mixed(row) and zlib.crc32(row.name.encode()) % 16 == 0]


def test_gradients_of_all_kinds_are_captured():
    """Some rows of the table of ops: the bits of eager calls, but where constants are of the host, or it sorts."""
    served = 0
    for row in SOME:
        args, into = [kn.gpu(a) for a in arguments(row, np.float32)], graphs.Capture()
        gradient, found = kn.value_and_grad(sums(row.f), tuple(range(len(args)))), []
        with graphs.alike_captured(), quiet():
            gradient(*args)  # which makes tables
            kn.seed(1)
            wanted = gradient(*args)
            kn.seed(1)
            try:
                with into.capturing():
                    found = gradient(*args)
            except (graphs.Refused, RuntimeError, NotImplementedError):
                continue
        into.launch()
        for a, b in zip(floating(found), floating(wanted), strict=True):
            np.testing.assert_array_equal(kn.cpu(a), kn.cpu(b), err_msg=row.name)
        served += 1
    assert served > 0.6 * len(SOME) > 30
