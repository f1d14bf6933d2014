"""The matrix product: the reference against literals, Numba's against float64 NumPy."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knetpy.kernels.reference import matmul as reference
from tests.kernels.backends import WHY_NOT, Served, backends, needs_numba, poisoned, same_everywhere

served = Served("matmul")
BACKENDS = backends(reference, served)
LAYOUTS = ["C", "F", "strided", "reversed", "locked", "swapped", "unaligned", "fields", "repeated"]


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "a, b, options, c",
    [
        ([[1, 2], [3, 4]], [[5, 6], [7, 8]], {}, [[19, 22], [43, 50]]),
        ([[1, 2, 3]], [[1], [10], [100]], {}, [[321]]),
        ([[2], [3]], [[5, 7]], {"bias": [1, -20]}, [[11, -6], [16, 1]]),
        ([[2], [3]], [[5, 7]], {"bias": [1, -20], "activation": "relu"}, [[11, 0], [16, 1]]),
        ([[[1, 2]], [[3, 4]]], [[1], [10]], {}, [[[21]], [[43]]]),
        ([[1, 0]], [[[2], [3]], [[4], [5]]], {"activation": "relu"}, [[[2]], [[4]]]),
        (np.zeros((2, 0)), np.zeros((0, 3)), {"bias": [1, 2, -3], "activation": "relu"}, [[1, 2, 0], [1, 2, 0]]),
        (np.zeros((0, 2)), np.zeros((2, 3)), {}, np.zeros((0, 3))),
    ],
)
def test_by_hand(backend, dtype, a, b, options, c, everything_on_the_tile):
    options = {k: np.array(v, dtype) if k == "bias" else v for k, v in options.items()}
    a, b = np.array(a, dtype), np.array(b, dtype)
    for right in (b, backend.pack(b)):
        ours = backend.matmul(a, right, **options)
        np.testing.assert_array_equal(ours, c)
        assert ours.dtype == dtype


@pytest.fixture
def everything_on_the_tile(monkeypatch):
    tile_only(monkeypatch)


def tile_only(monkeypatch, bits=None):
    """No BLAS; vectors of `bits`; outputs poisoned."""
    if WHY_NOT:
        return
    from knetpy.kernels.cpu import matmul as cpu
    from knetpy.kernels.cpu.codegen import panels

    cpu.plan_of.cache_clear()
    monkeypatch.setattr(cpu, "BLAS", 0)
    monkeypatch.setattr(cpu, "BITS", bits or cpu.BITS)
    for module in (cpu, panels):
        monkeypatch.setattr(module, "new", poisoned)


@pytest.fixture(autouse=True)
def no_plans_left():
    yield
    if not WHY_NOT:
        from knetpy.kernels.cpu import matmul as cpu

        cpu.plan_of.cache_clear()


def lay(x, layout):
    """The same array, differently in memory."""
    if layout == "F":
        return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "strided":
        return np.repeat(np.repeat(x, 2, axis=-1), 2, axis=-2)[..., ::2, ::2]
    if layout == "reversed":
        return x[..., ::-1, ::-1].copy()[..., ::-1, ::-1]
    if layout == "repeated":
        return np.broadcast_to(x[..., :1], x.shape)
    if layout == "locked":
        x.flags.writeable = False
    if layout == "swapped":
        return x.astype(x.dtype.newbyteorder())
    if layout == "fields":
        table = np.zeros(x.shape, [("x", x.dtype), ("byte", "u1")])
        table["x"] = x
        return table["x"]
    if layout == "unaligned":
        moved = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
        moved[...] = x
        return moved
    return x


BATCHES = [((), ()), ((), ()), ((2,), ()), ((), (3,)), ((2, 1), (3,)), ((2, 3), (2, 3)), ((0,), ())]


@st.composite
def problems(draw):
    """a, b and options: batches that broadcast, sizes about those of tiles and boxes, any memory layout."""
    m, n, k = (draw(st.one_of(st.integers(0, 70), st.sampled_from([1, 97, 200, 300]))) for _ in range(3))
    batch = draw(st.sampled_from(BATCHES))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))

    def normal(*shape):
        return lay(rng.normal(size=shape).astype(dtype), draw(st.sampled_from(LAYOUTS)))

    bias = rng.normal(size=n).astype(dtype) if draw(st.booleans()) else None
    options = {"bias": bias, "activation": draw(st.sampled_from([None, "relu"]))}
    return normal(*batch[0], m, k), normal(*batch[1], k, n), options


def same(ours, a, b, options):
    """Within what rounding may do: K + 2 roundings of sums of this size, half a unit each; in float64 on both sides."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    exact = reference.matmul(a, b, **options)
    unit = 2.0**-24 if ours.dtype == np.float32 else 2.0**-53
    size = np.abs(a) @ np.abs(b) + (0 if options.get("bias") is None else np.abs(options["bias"]))
    assert ours.shape == exact.shape and ours.dtype.isnative
    sides = 1 if ours.dtype == np.float32 else 2
    assert (np.abs(ours - exact) <= sides * (a.shape[-1] + 2) * unit * size).all()


def widths():
    if WHY_NOT:
        return [0]
    from knetpy.kernels.cpu.codegen.vectors import BITS

    return [bits for bits in (512, 256, 128) if bits <= BITS]


@needs_numba
@pytest.mark.parametrize("bits", widths())
def test_as_numpy_in_float64(bits):
    with pytest.MonkeyPatch.context() as patch:
        tile_only(patch, bits)

        @settings(max_examples=150, deadline=None, derandomize=True)
        @given(problems())
        def check(problem):
            a, b, options = problem
            ours = served.matmul(a, b, **options)
            same(ours, a, b, options)
            packed = served.matmul(a, served.pack(b), **options)
            same(packed, a, b, options)

        check()


LARGE = [
    ((5, 300), (300, 700)),
    ((300, 20), (20, 40)),
    ((800, 140), (140, 70)),
    ((40, 9000), (9000, 20)),
    ((3, 130, 70), (3, 70, 90)),
]


def large(shapes, dtype):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", LARGE)
@pytest.mark.parametrize("layouts", [("C", "C"), ("F", "C"), ("C", "F"), ("F", "F")])
def test_thread_count_changes_nothing(monkeypatch, dtype, shapes, layouts):
    tile_only(monkeypatch)
    from knetpy.kernels.cpu import matmul as cpu

    monkeypatch.setattr(cpu, "THREADED", 0)
    a, b = (lay(x, layout) for x, layout in zip(large(shapes, dtype), layouts))
    options = {"bias": np.linspace(-1, 1, b.shape[-1]).astype(dtype), "activation": "relu"}
    same(same_everywhere(lambda: served.matmul(a, b, **options), (1, 2, 3)), a, b, options)


@needs_numba
@pytest.mark.parametrize("bits", widths())
def test_special_values(monkeypatch, bits):
    tile_only(monkeypatch, bits)
    a, b = np.ones((30, 9), np.float32), np.ones((9, 40), np.float32)
    a[3, 4], a[5, 1], a[7, 0], a[7, 1] = np.nan, np.inf, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = np.matmul(a, b)
    np.testing.assert_array_equal(served.matmul(a, b, activation="relu"), np.maximum(expected, 0))
    np.testing.assert_array_equal(served.matmul(b.T, a.T), expected.T)


@needs_numba
def test_packed_is_a_copy_that_serves_again():
    a, b = large([(40, 50), (50, 60)], np.float32)
    packed, wanted = served.pack(b), b.copy()
    b[:] = 0
    for _ in range(2):
        same(served.matmul(a, packed), a, wanted, {})
    same(served.matmul(np.stack([a, a]), packed), np.stack([a, a]), wanted, {})


@needs_numba
def test_eight_python_threads(monkeypatch):
    tile_only(monkeypatch)
    problems = [large(shapes, dtype) for shapes in LARGE for dtype in (np.float32, np.float64)]
    alone = [served.matmul(*problem).tobytes() for problem in problems]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda p: served.matmul(*p).tobytes(), problems * 8))
    assert together == alone * 8


@needs_numba
def test_one_signature(monkeypatch):
    """For both dtypes, all layouts and options: kernels see addresses."""
    tile_only(monkeypatch)
    from knetpy.kernels.cpu import matmul as cpu
    from knetpy.kernels.cpu.codegen import panels

    inner = cpu.multiply_box, cpu._bring
    before = [len(kernel.signatures) for kernel in inner]  # the recurrent layers call them too
    for dtype in (np.float32, np.float64):
        for layout in LAYOUTS:
            a, b = (lay(x, layout) for x in large([(40, 50), (50, 60)], dtype))
            served.matmul(a, b, bias=b[0])
            served.matmul(a, served.pack(b), activation="relu")
            served.matmul(a[None], b[None])
    assert len(cpu._multiply.signatures) == len(panels._pack.signatures) == 1
    assert all(len(kernel.signatures) - n <= 1 for kernel, n in zip(inner, before))  # none if loaded from the cache


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex128, np.int64])
def test_other_dtypes_are_the_references(dtype):
    a, b = ((4 * x).astype(dtype) for x in large([(3, 4), (4, 5)], np.float64))
    for right in (b, served.pack(b)):
        ours = served.matmul(a, right, bias=b[0])
        np.testing.assert_array_equal(ours, reference.matmul(a, b, bias=b[0]))
        assert ours.dtype == dtype


@needs_numba
def test_kernels_find_the_elements():
    from knetpy.kernels.cpu.codegen.panels import address, address_at, place
    from knetpy.kernels.cpu.jit import jit

    found = jit("test")(lambda at: address_at(at))
    x = np.arange(24.0).reshape(4, 6)
    locked = x.view()
    locked.flags.writeable = False
    for view in (x, x[1:, 2:], x[::-1, ::-1], x.T, x[0], locked, np.empty(0), np.array(1.0)):
        assert found(place(view)) == address(view)


@needs_numba
def test_what_does_not_fit_is_refused():
    a, b = np.ones((2, 3)), np.ones((4, 5))
    for wrong in (b, b[:3].astype("f4"), served.pack(b)):
        with pytest.raises(ValueError, match="no product"):
            served.matmul(a, wrong)
    with pytest.raises(ValueError, match="bias"):
        served.matmul(a, b[:3], bias=b[0, :2])
