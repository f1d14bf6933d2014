"""Moving params and arrays to the GPU and back, and what is said of arrays on both."""

import copy
import pickle
import sys

import numpy as np
import pytest

import knetpy as kn
from knetpy import devices
from knetpy.devices import on_gpu


def test_arrays_and_containers_go_there_and_come_back():
    tree = {"x": np.arange(6.0).reshape(2, 3), "n": 3, "name": "net", "rows": [np.ones(2, "f4")]}
    there = kn.gpu(tree)
    assert kn.device(there) == "gpu" and kn.device(tree) == "cpu"
    assert there["n"] == 3 and there["name"] == "net" and kn.gpu(there)["x"] is there["x"]
    back = kn.cpu(there)
    np.testing.assert_array_equal(back["x"], tree["x"])
    assert back["rows"][0].dtype == np.float32 and isinstance(back["rows"][0], np.ndarray)


def test_a_param_is_moved_in_place():
    w = kn.param([[1.0, 2.0]])
    uid, version, before = w.uid, w.version, w.value
    assert kn.gpu(w) is w and kn.device(w) == "gpu"
    assert (w.uid, w.shape, w.dtype) == (uid, (1, 2), np.float32) and w.version > version
    assert kn.device(w.value) == "gpu" and "norm=2.236" in repr(w)
    w[...] = w * 2
    kn.cpu(w)
    np.testing.assert_array_equal(w.value, 2 * before)


def test_what_comes_to_the_gpu_lies_there_in_c_order():
    """Kernels would copy anything else at each call, and no optimizer's kernel can write into it."""
    x = np.arange(6, dtype="f4").reshape(2, 3)
    for there in (
        kn.gpu(x.T),
        kn.param(x.T, device="gpu").value,
        kn.param(kn.gpu(x).T).value,
        kn.gpu(kn.param(x.T)).value,
    ):
        assert there.flags.c_contiguous
        np.testing.assert_array_equal(kn.cpu(there), x.T)


def test_params_of_a_model_and_of_a_function():
    w = [kn.param(2, 3), kn.param0(3)]

    def model(x):
        return x @ w[0] + w[1]

    assert kn.gpu(model) is model and kn.device(model) == kn.device(w) == "gpu"
    x = np.ones((4, 2), "f4")
    y = model(kn.gpu(x))
    assert kn.device(y) == "gpu"
    kn.cpu(w)
    np.testing.assert_allclose(kn.cpu(y), model(x), rtol=1e-6)
    kn.gpu(w[0])
    with pytest.raises(kn.DeviceError, match="some of these arrays are on the CPU"):
        kn.device(model)


def test_moving_is_differentiable():
    x = np.array([1.0, 2.0])
    g = kn.grad(lambda x: np.sum(kn.cpu(kn.gpu(x) ** 3)), 0)(x)
    assert isinstance(g, np.ndarray)
    np.testing.assert_allclose(g, 3 * x**2)
    y, tangent = kn.jvp(lambda x: kn.gpu(x) ** 2, (x,), (np.ones(2),))
    assert kn.device(tangent) == "gpu" and kn.cpu(tangent).tolist() == [2.0, 4.0]


def test_a_param_cannot_be_moved_while_a_derivative_is_taken():
    w = kn.param(2.0)
    with pytest.raises(kn.MutationError):
        kn.grad(lambda: kn.gpu(w) * 2)()
    assert kn.device(w) == "cpu"


def test_new_params_on_the_default_device():
    assert kn.default_device() == "cpu"
    kn.default_device("gpu")
    try:
        assert kn.device([kn.param(2, 3), kn.param0(3), kn.param([1.0])]) == "gpu"
        assert kn.device(kn.param(2, device="cpu")) == "cpu"
    finally:
        kn.default_device("cpu")
    assert kn.device(kn.param(2, device="gpu")) == "gpu"
    assert kn.device(kn.param(kn.gpu(np.ones(2)))) == "gpu"
    for call in (lambda: kn.default_device("tpu"), lambda: kn.param(2, device="cuda")):
        with pytest.raises(ValueError, match='must be "cpu" or "gpu"'):
            call()


def test_pickles_are_of_no_device_and_copies_stay():
    w = kn.gpu(kn.param([1.0, 2.0]))
    loaded = pickle.loads(pickle.dumps(w))
    assert kn.device(loaded) == "cpu" and loaded.value.tolist() == [1.0, 2.0]
    for new in (copy.copy(w), copy.deepcopy({"w": w, "again": w})["again"]):
        assert on_gpu(new.value) and new.uid != w.uid and not np.may_share_memory(new.value, w.value)
        np.testing.assert_array_equal(kn.cpu(new.value), [1, 2])


def test_writing_into_a_param_of_the_gpu():
    w = kn.gpu(kn.param([1.0, 2.0]))
    with pytest.raises(kn.DeviceError, match=r"iadd|add.*write kn.gpu\(other\)"):
        w += np.ones(2, "f4")
    w += kn.gpu(np.ones(2, "f4"))
    w *= 2
    np.testing.assert_array_equal(kn.cpu(w.value), [4, 6])


def test_tangents_and_cotangents_of_another_device():
    x = kn.gpu(np.ones(2))
    for wrong in (lambda: kn.jvp(np.sin, (x,), (np.ones(2),)), lambda: kn.vjp(np.sin, x)[1](np.ones(2))):
        with pytest.raises(kn.DeviceError, match=r"tangent of .* is on the CPU, and .* on the GPU; move it by kn.gpu"):
            wrong()
    with pytest.raises(kn.DeviceError, match="is on the GPU, and .* on the CPU; move it by kn.cpu"):
        kn.jvp(np.sin, (np.ones(2),), (x,))
    assert on_gpu(kn.jvp(np.sin, (x,), ([1, 2],))[1])


@pytest.mark.parametrize("x", [np.array([None]), np.array(["a"]), np.zeros(2, "M8[D]"), np.zeros(2, "i4,f4")], ids=str)
def test_dtypes_that_a_gpu_does_not_have(x):
    for wrong in (lambda: kn.gpu({"x": x}), lambda: list(kn.DataLoader((x,), 1, device="gpu"))):
        with pytest.raises(TypeError, match="no arrays of dtype .* leave it on the CPU"):
            wrong()
    assert kn.gpu(np.ones(2, ">f4")).dtype == np.float32


def test_what_prints_and_shows():
    w, x = kn.gpu([kn.param([[1.0, 2.0]]), kn.param(0.5)]), kn.gpu(np.ones((3, 1), "f4"))
    loss = lambda x: np.mean(x @ w[0] * w[1])
    assert "norm=2.236" in repr(w[0]) and f"{w[1]:.2f}" == "0.50" and "2." in str(w[0])
    grads, tape = kn.grad(loss)(x), kn.tape(loss, x)
    assert "w[0]" in repr(grads) and "matmul" in repr(tape)
    assert all(["<table" in shown._repr_html_() for shown in (w[0], grads, tape)])
    layers = kn.gpu(kn.nn.Chain(kn.nn.Dense(1, 4), kn.nn.BatchNorm(4)))
    data, table = kn.minibatch(kn.gpu(np.ones((300, 200), "f4")), None, 4), kn.gpu(kn.param(1000, 200))
    assert all(["<svg" in shown._repr_html_() for shown in (layers, data, table, kn.show.params(layers))])
    rows = kn.grad(lambda i: np.sum(kn.embed(table, i)))(kn.gpu(np.array([1, 5, 5])))
    assert "2 of 1,000 rows" in rows._repr_html_()
    assert "8 param" in repr(layers) and kn.nn.outputsize(layers, (None, 1)) == (None, 4)
    assert kn.nn.summary(layers, x).parameters == 16
    with pytest.raises(kn.DeviceError, match="kn.cpu"):
        np.asarray(w[0])


def test_gradients_are_where_their_params_are():
    w = kn.gpu(kn.param([[1.0, 2.0]]))
    x = kn.gpu(np.ones((3, 1), "f4"))
    value, g = kn.value_and_grad(lambda: np.sum(np.tanh(x @ w)))()
    assert kn.device(g[w]) == kn.device(value) == "gpu"
    assert float(value) == pytest.approx(3 * np.tanh([1, 2]).sum(), rel=1e-5)
    assert "w" in str(g)


MIXED = {
    "numpy": (lambda x, w: x + w, "add"),
    "matmul": (lambda x, w: x @ w, "matmul"),
    "own": (lambda x, w: kn.linear(x, w), "linear: w is on the GPU and x on the CPU"),
    "conv": (lambda x, w: kn.conv(x[:, None, None], w[:, None, None]), "conv: w is on the GPU and x"),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_arrays_of_two_devices_are_refused(name, inside):
    f, facts = MIXED[name]
    x, w = np.ones((2, 2), "f4"), kn.gpu(np.ones((2, 2), "f4"))
    for a, b in ((x, w), (w, x)):
        with pytest.raises((kn.DeviceError, TypeError)) as failure:
            kn.grad(lambda p, a=a, b=b: np.sum(f(a, b)) * p, 0)(1.0) if inside else f(a, b)
    with pytest.raises(kn.DeviceError, match=facts) as failure:
        kn.grad(lambda w: np.sum(f(x, w)), 0)(w)
    assert "write kn.gpu(" in str(failure.value)


def test_why_there_is_no_gpu(monkeypatch):
    fake = sys.modules["cupy"]
    if fake.__name__ == "cupy":
        pytest.skip("there is a GPU")

    def driver(error):
        def count():
            raise fake.cuda.runtime.CUDARuntimeError(error)

        return count

    def reason():
        devices.why_not.cache_clear()
        return kn.has_gpu().reason

    runtime = fake.cuda.runtime
    try:
        assert not reason() and kn.has_gpu() and repr(kn.has_gpu()) == "True"
        monkeypatch.setattr(runtime, "getDeviceCount", lambda: 0)
        assert "there is no CUDA device" in reason()
        monkeypatch.setattr(runtime, "getDeviceCount", driver("cudaErrorInsufficientDriver"))
        monkeypatch.setattr(runtime, "driverGetVersion", lambda: 12000)
        assert "driver is too old, it knows CUDA 12" in reason()
        monkeypatch.setattr(runtime, "driverGetVersion", lambda: 0)
        assert "no NVIDIA driver" in reason()
        monkeypatch.setattr(runtime, "driverGetVersion", lambda: 13000)
        assert "cudaErrorInsufficientDriver" in reason()
        monkeypatch.setitem(sys.modules, "cupy", None)
        assert "CuPy is not installed" in reason() and "knetpy[cuda13]" in reason()
        assert not kn.has_gpu() and "CuPy is not installed" in repr(kn.has_gpu())
        with pytest.raises(kn.DeviceError, match="gpu: no GPU can be used: CuPy is not installed"):
            kn.gpu(np.ones(2))
        with pytest.raises(kn.DeviceError, match="default_device"):
            kn.default_device("gpu")
    finally:
        monkeypatch.undo()
        devices.why_not.cache_clear()


def test_what_is_said_when_memory_runs_out(monkeypatch):
    x = kn.gpu(np.ones((2, 2), "f4"))

    out_of_memory = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})

    def full(*args, **options):
        raise out_of_memory("Out of memory allocating 17,179,869,184 bytes (allocated so far: 1,024 bytes)")

    monkeypatch.setattr(type(x), "__array_ufunc__", full)
    for call in (lambda: kn.grad(lambda x: np.sum(np.exp(x)), 0)(x), lambda: np.exp(kn.param(x))):
        with pytest.raises(kn.DeviceError, match="exp: the GPU has not enough memory: .* 17,179,869,184") as failure:
            call()
        assert "MiB in arrays" in str(failure.value) and "MiB free of" in str(failure.value)
        assert isinstance(failure.value.__cause__, MemoryError)
