"""What CuPy documents, or its source shows, of what knetpy relies on: the same file runs on CuPy and on its double."""

import operator

import numpy as np
import pytest

import knetpy as kn


@pytest.fixture
def cp(gpu):
    import cupy

    return cupy


@pytest.fixture
def x(cp):
    return cp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))


def test_host_arrays_are_not_mixed_in(x):
    for call in (lambda: x + np.ones(3), lambda: np.add(x, np.ones(3)), lambda: np.matmul(x, np.ones((3, 2)))):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        np.asarray(x)
    with pytest.raises((TypeError, ValueError)):
        x[...] = np.ones((2, 3))
    x[0] = np.float32(5)  # numbers are


def test_numbers_promote_as_numpys(x):
    assert (x * 2.5).dtype == (x * np.float32(2.5)).dtype == np.float32
    assert (x * np.float64(2.5)).dtype == np.float64
    assert (x / 2).dtype == np.float32 and (x > 1).dtype == np.bool_


def test_what_numpys_functions_give_stays_on_the_device(cp, x):
    for y in (np.exp(x), np.sum(x), np.max(x, axis=1), x.sum(), x[0, 0], x.T, np.where(x > 1, x, 0), np.zeros_like(x)):
        assert isinstance(y, cp.ndarray)
    assert np.sum(x).shape == () and float(np.sum(x)) == 15
    assert isinstance(np.empty((2,), np.float32, like=x), cp.ndarray)


def test_of_singular_matrices_nobody_tells(cp):
    zeros = cp.asarray(np.zeros((2, 3, 3)))
    for y in (cp.linalg.inv(zeros), cp.linalg.solve(zeros[0], zeros[0, :, 0] + 1)):
        assert not np.isfinite(y.get()).all()


@pytest.mark.parametrize("ufunc, method", [(np.add, "reduce"), (np.add, "accumulate"), (np.add, "at")])
def test_methods_of_ufuncs_are_not_relied_on(ufunc, method):
    """knetpy calls none on operands: `python -m pytest tests/cuda/test_rows.py` would fail on the double."""
    from tests.cuda.conftest import EMULATED

    if not EMULATED:
        pytest.skip("CuPy may have them")
    x = kn.gpu(np.ones(3, "f4"))
    with pytest.raises(TypeError):
        getattr(ufunc, method)(x, *([0], 1.0) if method == "at" else ())


def test_whose_operator_it_is(x):
    p = kn.param(np.ones((2, 3), "f4"), device="gpu")
    for op in (operator.add, operator.mul, operator.sub, operator.truediv):
        assert isinstance(kn.vjp(lambda p, op=op: op(x, p), p)[0], type(x))
    assert kn.device(kn.grad(lambda w: np.sum(x @ w), 0)(kn.gpu(np.ones((3, 1), "f4")))) == "gpu"


def test_indices_may_be_host_arrays(cp, x):
    assert x[np.array([1, 0])].get().tolist() == [[3, 4, 5], [0, 1, 2]]
    assert x[[1]].get().tolist() == x[cp.asarray([1])].get().tolist() == [[3, 4, 5]]
    y = x.copy()
    y[np.array([0])] = 7
    assert y.get()[0].tolist() == [7, 7, 7]


def test_views_and_layouts(cp, x):
    assert x.flags.c_contiguous and not x.T.flags.c_contiguous
    view = x[:, 1:]
    view[...] = 0
    assert x.get().sum() == 3 and not view.flags.c_contiguous and cp.ascontiguousarray(view).flags.c_contiguous
    assert x.reshape(-1).base is not None
    assert x.data.ptr + 4 == view.data.ptr


def test_copies(cp, x):
    assert isinstance(x.get(), np.ndarray) and x.get() is not x.get()
    assert cp.asarray(x) is x and cp.array(x) is not x
    y = cp.empty(x.shape, x.dtype)
    y.set(x.get())
    assert (y == x).all()
    assert cp.asnumpy(x).tolist() == x.tolist()


def test_raw_kernels(cp):
    code = """extern "C" __global__ void twice(const float* x, float* y, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) y[i] = 2 * x[i]; }
    template <typename T, int N> __global__ void add(const T* x, T* y) { y[threadIdx.x] = x[threadIdx.x] + T(N); }"""
    module = cp.RawModule(code=code, options=("-std=c++17",), name_expressions=("add<double, 3>",))
    x, y = cp.arange(5, dtype=np.float32), cp.empty(5, np.float32)
    cp.RawModule(code=code.split("template")[0]).get_function("twice")((1,), (32,), (x, y, np.int32(5)))
    assert y.tolist() == [0, 2, 4, 6, 8]
    z = cp.arange(4, dtype=np.float64)
    module.get_function("add<double, 3>")((1,), (4,), (z, z))
    assert z.tolist() == [3, 4, 5, 6]
    with pytest.raises(TypeError):
        module.get_function("add<double, 3>")(1, 4, (z, z))


# ------------------------------------------------------------------------------------------- streams and graphs


def captured(cp, work):
    """The graph of `work()`, whose memory is of a pool of its own; and the pool."""
    stream, pool = cp.cuda.Stream(non_blocking=True), cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc), stream:
        stream.begin_capture()
        try:
            kept = work()
        finally:
            graph = stream.end_capture()
    return graph, pool, kept


def test_a_captured_step_runs_at_each_launch_and_not_before(cp, x):
    total = cp.zeros(3, np.float32)

    def work():
        y = np.exp(x[0]) * 2
        total[...] = total + y
        np.add(total, 1, out=total)
        np.maximum(total, 0, out=total)
        return np.sum(total)

    graph, pool, result = captured(cp, work)
    assert not total.get().any()
    wanted = 2 * np.exp(np.arange(3, dtype="f4")) + 1
    for n in (1, 2):
        graph.launch()
        np.testing.assert_allclose(total.get(), n * wanted, rtol=1e-6)
        assert float(result) == pytest.approx(n * wanted.sum(), rel=1e-6)
    x[...] = 0  # the memory is what counts
    graph.launch()
    np.testing.assert_allclose(total.get(), 2 * wanted + 3, rtol=1e-6)


def test_kernels_are_captured_with_their_numbers(cp):
    code = """extern "C" __global__ void more(float* y, float by) { y[threadIdx.x] += by; }"""
    kernel, y = cp.RawKernel(code, "more"), cp.zeros(4, np.float32)
    kernel((1,), (4,), (y, np.float32(1)))
    graph, *_ = captured(cp, lambda: kernel((1,), (4,), (y, np.float32(2))))
    graph.launch()
    graph.launch()
    assert y.tolist() == [5] * 4


@pytest.mark.parametrize("wait", [lambda x: x.get(), lambda x: float(x.sum()), lambda x: bool((x > 1).all())])
def test_a_capture_ends_where_the_host_waits(cp, x, wait):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        assert stream.is_capturing()
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            wait(x)
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
            stream.end_capture()
    assert x.get().sum() == 15


def test_what_cannot_be_captured(cp, x):
    with pytest.raises(NotImplementedError, match="cuBLAS API during stream capture"):
        captured(cp, lambda: x @ x.T)
    with pytest.raises(RuntimeError, match="default"), cp.cuda.Stream.null:
        cp.cuda.Stream.null.begin_capture()
    with pytest.raises(NotImplementedError):
        cp.cuda.Graph()
    with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
        cp.cuda.Stream(non_blocking=True).end_capture()


def test_the_hosts_arrays_come_by_way_of_pinned_memory(cp, x):
    def allocate(size):
        raise ZeroDivisionError(f"{size} bytes")

    cp.cuda.set_pinned_memory_allocator(allocate)
    try:
        for copy in (lambda: cp.asarray(np.ones(3)), lambda: x[np.array([1])], lambda: cp.array([1, 2])):
            with pytest.raises(ZeroDivisionError, match="bytes"):
                copy()
        cp.asarray(np.float32(2))  # a number is an argument of a kernel
        x * 2
    finally:
        cp.cuda.set_pinned_memory_allocator(cp.get_default_pinned_memory_pool().malloc)


def test_weak_references_to_arrays(cp, x):
    import weakref

    assert weakref.ref(x)() is x and x[1:].base is x and x[1:][:, 1:].base is x


def test_the_double_sees_memory_that_was_given_back(cp):
    from tests.cuda.conftest import EMULATED

    if not EMULATED:
        pytest.skip("a GPU does not tell")
    held, out = [cp.ones(3)], cp.zeros(3)
    graph, *_ = captured(cp, lambda: np.add(held.pop(), 1, out=out))
    with pytest.raises(AssertionError, match="given back"):
        graph.launch()
    graph, pool, _ = captured(cp, lambda: np.add(out * 2, 1, out=out))
    graph.launch()
    del pool
    with pytest.raises(AssertionError, match="pool"):
        graph.launch()
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        np.add(out * 2, 1, out=out)
        graph = stream.end_capture()
    with pytest.raises(AssertionError, match="given back"):  # out * 2, of the pool of everybody
        graph.launch()
    with pytest.raises(AssertionError, match="pinned"):
        captured(cp, lambda: cp.asarray(np.ones(3)))
