"""What is said of bad use and of bad luck: grids, memory, devices that fail, arrays and dtypes that do not belong."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.kernels.cuda import launch, softmax
from tests.cuda.conftest import EMULATED, emulated
from tests.cuda.test_training import LABELS, X, mlp, numbers

ILLEGAL = "cudaErrorIllegalAddress: an illegal memory access was encountered"


# ------------------------------------------------------------------------------------------------ launches


@pytest.mark.parametrize("grid", [2**31, (1, 70000), (1, 1, 70000), 0])
def test_a_grid_that_no_gpu_can_start(grid):
    x = kn.gpu(np.ones((4, 6), "f4"))
    with pytest.raises(ValueError, match=r"softmax.columns<float, false>: .* blocks of 128 threads") as failure:
        softmax._run("columns<float, false>", grid, 128, x, None, x, 1, 1, 1)
    text = str(failure.value)
    assert "(4, 6), (4, 6)" in text and "2147483647 x 65535 x 65535 of 1024" in text


def test_a_block_that_no_gpu_can_start():
    x = kn.gpu(np.ones((4, 6), "f4"))
    for threads in (0, 1025):
        with pytest.raises(ValueError, match=f"blocks of {threads} threads"):
            softmax._run("columns<float, false>", 1, threads, x, None, x, 1, 1, 1)


def test_an_op_that_needs_too_large_a_grid(monkeypatch):
    x = kn.gpu(np.ones((70, 3000), "f4"))
    monkeypatch.setattr(launch, "GRID_LIMIT", (2, 1, 1))
    with pytest.raises(ValueError, match=r"softmax.*\(70, 3000\).* more than a GPU can start, 2 x 1 x 1"):
        kn.softmax(x)


@pytest.mark.parametrize("wrong", [1.5, np.ones(2, "f4"), np.ones(1, "f4")], ids=str)  # a single number is no address
def test_arguments_that_a_kernel_would_misread(wrong):
    x = kn.gpu(np.ones((4, 6), "f4"))
    with pytest.raises(TypeError, match="softmax.columns.*must be on the GPU, or a number of NumPy's"):
        softmax._run("columns<float, false>", 1, 128, x, wrong, x, 1, 1, 1)


# ------------------------------------------------------------------------------------- arrays and dtypes

HOST = {
    "softmax mask": lambda x: kn.attention(x[None], x[None], kn.cpu(x)[None]),
    "conv": lambda x: kn.conv(x[:, None, None], np.ones((2, 1, 1, 1), "f4")),
    "conv bias": lambda x: kn.conv(x[:, None, None], kn.gpu(np.ones((2, 1, 1, 1), "f4")), np.ones(2, "f4")),
    "linear": lambda x: kn.linear(x, np.ones((6, 2), "f4")),
    "batchnorm": lambda x: kn.batchnorm(x, None, np.ones(6, "f4"), kn.gpu(np.ones(6, "f4"))),
    "lstm": lambda x: kn.lstm(x[None], (np.ones((6, 8), "f4"), np.ones((2, 8), "f4"))),
    "embed": lambda x: kn.embed(np.ones((4, 2), "f4"), kn.gpu(np.array([0, 1]))),
    "gather": lambda x: kn.gather(np.ones((4, 2), "f4"), kn.gpu(np.array([0, 1]))),
    "values by number": lambda x: kn.vjp(lambda v: v[kn.gpu(np.array([0, 1]))], np.ones(4)),
    "mse": lambda x: kn.mse(x, np.ones((4, 6), "f4")),
}


@pytest.mark.parametrize("name", HOST)
def test_an_array_of_the_host_is_refused_by_name(name):
    with pytest.raises((kn.DeviceError, TypeError)) as failure:
        HOST[name](kn.gpu(np.ones((4, 6), "f4")))
    text = str(failure.value)
    assert "CPU" in text or "numpy.ndarray" in text, text


WRONG = {
    "conv": lambda x: kn.conv(x[:, None, None], x[:, None, None]),
    "relu of text": lambda x: kn.gelu(x),
    "batchnorm": lambda x: kn.batchnorm(x),
    "dropout": lambda x: kn.dropout(x, 0.5),
    "nll": lambda x: kn.nll(x, [0, 1]),
    "labels": lambda x: kn.nll(x.astype("f4"), x[:, 0].astype("f4") + 0.5),
    "param": lambda x: kn.param(x),
    "update": lambda x: kn.update(x, x, kn.SGD()),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("dtype", ["i8", "?"])
def test_a_wrong_dtype_is_told_as_on_the_cpu(name, dtype):
    x, told = np.ones((2, 6), dtype), []
    for a in (x, kn.gpu(x)):
        try:
            told.append(("", WRONG[name](a).shape))
        except (TypeError, ValueError) as failure:
            told.append((type(failure), str(failure)))
    assert told[0] == told[1]


# --------------------------------------------------------------------------------------------- memory


def full(*args, **options):
    out_of_memory = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})
    raise out_of_memory("Out of memory allocating 17,179,869,184 bytes (allocated so far: 1,024 bytes)")


def steps_of(params, loss, opt=None):
    return lambda: list(kn.minimize(loss, [kn.gpu((X, LABELS))], opt or kn.Adam()))


@pytest.fixture
def training():
    kn.seed(1)
    params, loss = mlp()
    kn.gpu(params)
    return params, loss


class Scarce:
    """So many allocations of kernels' results succeed."""

    def __init__(self, monkeypatch, count):
        from tests.cudacpu import fakecupy

        self.count, empty = count, fakecupy.empty

        def allocate(*args, **options):
            self.count -= 1
            return full() if self.count < 0 else empty(*args, **options)

        monkeypatch.setattr(fakecupy, "empty", allocate)


def told_of_memory(call, what):
    with pytest.raises(
        kn.DeviceError, match=f"{what}: the GPU has not enough memory: .* 17,179,869,184 bytes"
    ) as failure:
        call()
    text = str(failure.value)
    assert "MiB in arrays" in text and "kept by CuPy" in text and "MiB free of" in text and "smaller batches" in text


@emulated
@pytest.mark.parametrize("captured", [False, True])
def test_memory_runs_out_in_a_step(monkeypatch, training, captured):
    """Wherever it does: the message says how much was asked for, is held and is free; the step has changed nothing."""
    params, loss = training
    step, opt = steps_of(params, loss), kn.Adam()
    with monkeypatch.context() as patch:
        scarce = Scarce(patch, 1000)
        step()
        needed = 1000 - scarce.count
    assert needed > 3
    for count in range(needed):
        steps = iter(kn.minimize(loss, [kn.gpu((X, LABELS))] * 4, opt, capture=captured))
        if captured:
            next(steps), next(steps)  # the next one is captured
        before, states = numbers(params), [(s.t, kn.cpu(s.arrays)) for s in map(opt.state, params)]
        with monkeypatch.context() as patch:
            Scarce(patch, count)
            told_of_memory(
                lambda steps=steps: next(steps), "(the derivative of )?(dropout|nll|linear|bias|matmul|minimize)"
            )
        for a, b in zip(numbers(params), before, strict=True):
            np.testing.assert_array_equal(a, b)
        for s, (t, arrays) in zip(map(opt.state, params), states, strict=True):
            assert s.t == t
            np.testing.assert_array_equal(kn.cpu(s.arrays), arrays)
    step()  # it goes on


def test_memory_runs_out_elsewhere(monkeypatch, training):
    params, loss = training
    before, x = numbers(params), np.ones((4, 3), "f4")
    with monkeypatch.context() as patch:
        patch.setattr(kn.Adam, "init", full)
        told_of_memory(steps_of(params, loss), "update")
    for a, b in zip(numbers(params), before, strict=True):
        np.testing.assert_array_equal(a, b)
    from knetpy import devices

    with monkeypatch.context() as patch:
        patch.setattr(devices.cupy(), "array", full)
        told_of_memory(lambda: kn.gpu(x), "gpu")
        told_of_memory(lambda: kn.param(x, device="gpu"), "param")
        told_of_memory(lambda: kn.param(4, 3, device="gpu"), "param")
    with monkeypatch.context() as patch:
        patch.setattr(devices.cupy(), "empty", full)
        told_of_memory(lambda: next(iter(kn.DataLoader(x, 2, device="gpu"))), "DataLoader")


# --------------------------------------------------------------------------------- a device that is lost


class Broken:
    """From a launch on, every launch and every copy to the host fails, as CUDA's do after such a failure."""

    def __init__(self, monkeypatch, after, text=ILLEGAL):
        from tests.cudacpu import capture, fakecupy

        self.left, launch = after, fakecupy.RawKernel.__call__

        def fail():
            raise capture.CUDARuntimeError(text)

        def call(kernel, *args, **options):
            self.left -= 1
            fail() if self.left < 0 else launch(kernel, *args, **options)

        monkeypatch.setattr(fakecupy.RawKernel, "__call__", call)
        monkeypatch.setattr(fakecupy.ndarray, "_wait", lambda array: fail() if self.left < 0 else None)
        monkeypatch.setattr(capture.Stream, "synchronize", lambda stream: fail() if self.left < 0 else None)


def launches_of_a_step(monkeypatch, training):
    with monkeypatch.context() as patch:
        broken = Broken(patch, 10**6)
        steps_of(*training)()
        return 10**6 - broken.left


@emulated
@pytest.mark.parametrize("captured", [False, True])
def test_a_device_is_lost_in_training(tmp_path, monkeypatch, training, captured):
    """Wherever in a step it happens: the message says so, the files are whole, what was recorded can be read."""
    params, loss = training
    opt, each = kn.Adam(), launches_of_a_step(monkeypatch, training)
    model = {"params": params, "opt": opt}
    steps_of(params, loss, opt)()
    kn.save(tmp_path / "net", model)
    saved, values = (tmp_path / "net").read_bytes(), numbers(params)
    for after in (1, each // 2, each - 1, each, each + 1) if not captured else (1,):
        history = kn.History()
        data = [kn.gpu((X, LABELS))] * 4
        losses = iter(history(kn.minimize(loss, data, opt, capture=captured)))
        next(losses)
        first = history["loss"].tolist()
        with monkeypatch.context() as patch:
            Broken(patch, after)
            with pytest.raises(kn.DeviceError, match="the GPU has stopped working .cudaErrorIllegalAddress") as failure:
                list(losses)
            assert "kn.load" in str(failure.value)
            with pytest.raises(kn.DeviceError, match="save: .*net' was not written: the GPU has stopped working"):
                kn.save(tmp_path / "net", model)
            with pytest.raises(kn.DeviceError, match="cpu: the GPU has stopped working"):
                kn.cpu(params)
            made = history.step > 1
            if made:
                with pytest.warns(
                    UserWarning, match="numbers were on the GPU, which has stopped working; they are NaN"
                ):
                    later = history["loss"]
                assert np.isnan(later[1:]).all()
            assert history["loss"][:1].tolist() == first and history.steps("loss")[0] == 1
            assert [row["step"] for row in history.rows()][0] == 1 and "History of" in repr(history)
        assert (tmp_path / "net").read_bytes() == saved
        assert [path.name for path in tmp_path.iterdir()] == ["net"]
        kn.load(tmp_path / "net", into=model)  # in a new program: the double has another device by now
        for a, b in zip(numbers(params), values, strict=True):
            np.testing.assert_array_equal(a, b)


@emulated
@pytest.mark.parametrize("text", ["CUDA_ERROR_LAUNCH_FAILED: unspecified", "cudaErrorECCUncorrectable: ", ILLEGAL])
def test_what_counts_as_lost(monkeypatch, training, text):
    Broken(monkeypatch, 3, text)
    with pytest.raises(kn.DeviceError, match="the GPU has stopped working"):
        steps_of(*training)()


@emulated
def test_a_lost_device_is_told_once_though_batches_are_on_their_way(monkeypatch, training):
    batches = kn.DataLoader((X, LABELS), 2, device="gpu")
    Broken(monkeypatch, 3)
    with pytest.raises(kn.DeviceError, match="the GPU has stopped working"):
        list(kn.minimize(training[1], batches, kn.Adam()))
    arriving = iter(batches)
    next(arriving)
    arriving.close()  # which has nothing to wait for


@emulated
def test_other_failures_of_cuda_are_not_called_so(monkeypatch, training):
    Broken(monkeypatch, 3, "cudaErrorInvalidValue: invalid argument")
    with pytest.raises(RuntimeError, match="InvalidValue") as failure:
        steps_of(*training)()
    assert not isinstance(failure.value, kn.DeviceError)


def test_a_device_is_there_or_emulated():
    assert kn.has_gpu() or EMULATED
