"""Convolution on the GPU, beyond drawn calls: every shape of tiles, large windows, NaN, tensor cores, accesses."""

from importlib.resources import files

import numpy as np
import pytest

import knetpy as kn
from knetpy import settings
from knetpy.kernels import kernel
from knetpy.kernels.cuda import conv, convdw
from knetpy.kernels.reference import conv as reference
from tests.cuda.conftest import EMULATED

RNG = np.random.default_rng(0)
emulated = pytest.mark.skipif(not EMULATED, reason="the emulator measures it")


def plain(axes, **changes):
    """Options of a convolution with three taps along each axis and an image that keeps its size."""
    steps = {"stride": (1,) * axes, "padding": ((1, 1),) * axes, "dilation": (1,) * axes, "groups": 1}
    return steps | changes


def random(*shape, dtype="f4"):
    return RNG.standard_normal(shape).astype(dtype)


def agree(name, args, options, tolerance=2e-5):
    """The kernel's result, which has to be the reference's."""
    found = kn.cpu(getattr(conv, name)(*kn.gpu(args), **options))
    with np.errstate(invalid="ignore"):  # Inf - Inf
        exact = getattr(reference, name)(*[None if a is None else a.astype("f8") for a in args], **options)
    assert found.shape == exact.shape and found.dtype == args[0].dtype
    scale = np.abs(exact).max(initial=1, where=np.isfinite(exact))
    np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance * scale)
    return found


def all_agree(x, w, options, **kwargs):
    """Forward and both gradients."""
    y = agree("conv", (x, w, None), options, **kwargs)
    dy = random(*y.shape, dtype=x.dtype)
    agree("conv_dx", (dy, w), {**options, "size": x.shape[2:]}, **kwargs)
    agree("conv_dw", (x, dy), {**options, "window": w.shape[2:]}, **kwargs)


class Spy:
    """Launches kernels of a module and keeps what the emulator says of each."""

    def __init__(self, module, **trace):
        self.module, self.trace, self.launches = module, trace, []

    def __call__(self, kernel, blocks, threads, *args):
        self.module(kernel, blocks, threads, *args)
        function = self.module._load(kernel)
        function(blocks if isinstance(blocks, tuple) else (blocks,), (threads,), args, **self.trace)
        self.launches.append((kernel, function.stats))

    def names(self):
        return [kernel.split("<")[0] for kernel, _ in self.launches]


@pytest.fixture
def spy(monkeypatch):
    def start(**trace):
        spies = [Spy(module._run, **trace) for module in (conv, convdw)]
        monkeypatch.setattr(conv, "_run", spies[0])
        monkeypatch.setattr(convdw, "_run", spies[1])
        return spies

    yield start
    conv._plan.cache_clear()


@pytest.fixture
def forced(monkeypatch):
    """Makes the rule choose one shape of tiles."""

    def force(shape):
        conv._plan.cache_clear()
        monkeypatch.setattr(conv, "best", lambda *args: shape)

    yield force
    conv._plan.cache_clear()


@pytest.fixture
def tensor_cores():
    yield kn.kernels.tensor_cores
    kn.kernels.tensor_cores("off")


@pytest.mark.parametrize("shape", [*conv.FLOAT, *conv.DOUBLE], ids=lambda s: f"{s.rows}x{s.pixels}")
@pytest.mark.parametrize("size", [(7, 9), (4, 12)], ids=str)
def test_every_shape_of_tiles(shape, size, forced, order):
    forced(shape)
    x, w = random(5, 2, *size), random(shape.rows + 3, 2, 3, 3)
    if shape in conv.DOUBLE:
        x, w = x.astype("f8"), w.astype("f8")
    agree("conv", (x, w, random(len(w), dtype=x.dtype)), {**plain(2), "activation": "relu"})
    options = plain(2, stride=(2, 1), dilation=(1, 2), padding=((1, 0), (2, 3)))
    y = reference.conv(x, w[:2], **options)
    dy = random(len(y), 2, *y.shape[2:], dtype=x.dtype)
    agree("conv_dx", (dy, w.swapaxes(0, 1)), {**options, "size": size})


@pytest.mark.parametrize("outputs, terms", [(130, 15), (20, 45), (9, 2)], ids=str)
@pytest.mark.parametrize("blocks", [1, 512])
def test_every_shape_of_tiles_of_weights(outputs, terms, blocks, monkeypatch, order):
    monkeypatch.setattr(convdw, "BLOCKS", blocks)
    monkeypatch.setattr(convdw, "LEAST", 64)
    x, dy, taps = random(3, terms, 5, 7), random(3, outputs, 5, 7), 3 if terms < 40 else 1
    around = plain(2, padding=((taps // 2,) * 2,) * 2)
    agree("conv_dw", (x, dy), {**around, "window": (taps, taps)})


@pytest.mark.parametrize("blocks", [1, 2])
def test_few_weights_of_many_pixels(blocks, monkeypatch, order):
    """A thread goes from pixel to pixel."""
    monkeypatch.setattr(convdw, "BLOCKS", blocks)
    agree(
        "conv_dw", (random(3, 2, 17, 19), random(3, 1, 17, 19)), {**plain(2, padding=((1, 1),) * 2), "window": (3, 3)}
    )


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("outputs, terms", [(130, 15), (9, 2)], ids=str)
def test_weights_in_any_order_of_blocks(outputs, terms, dtype, monkeypatch, order):
    monkeypatch.setattr(convdw, "LEAST", 64)
    x, dy, options = random(3, terms, 5, 7), random(3, outputs, 5, 7), {**plain(2, padding=((1, 1),) * 2)}
    dy[0, 1, 0, 0] = np.inf  # sums that would be NaN by a zero beside x are made anew
    x, dy, tolerance = x.astype(dtype), dy.astype(dtype), 1e-3 if dtype == "f2" else 2e-5
    wanted = agree("conv_dw", (x, dy), {**options, "window": (3, 3)}, tolerance)
    monkeypatch.setattr(settings, "deterministic", False)
    launches, module = [], convdw._run
    monkeypatch.setattr(convdw, "_run", lambda *args: (launches.append(args), module(*args)))
    found = agree("conv_dw", (x, dy), {**options, "window": (3, 3)}, tolerance)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted[np.isfinite(wanted)]).max())
    kernel, *_, apart = launches[0]
    assert "_dw<" in kernel and apart == 0 and len(launches) == 1  # no second pass


def test_whether_sums_have_an_order():
    assert kn.kernels.deterministic() is True and kn.kernels.deterministic(False) is False
    assert kn.kernels.deterministic(True) is True
    with pytest.raises(TypeError, match="deterministic: on must be True or False, got 'no'"):
        kn.kernels.deterministic("no")


def test_tiles_of_weights_in_several_columns_and_rows(order):
    agree("conv_dw", (random(1, 15, 5, 6), random(1, 70, 5, 6)), {**plain(2), "window": (3, 3)})
    agree("conv_dw", (random(1, 15, 5, 6, dtype="f8"), random(1, 70, 5, 6, dtype="f8")), {**plain(2), "window": (3, 3)})


@pytest.mark.parametrize("channels", [3, 12])
@pytest.mark.parametrize(
    "size, window, options",
    [
        ((40,), (70,), plain(1, padding=((33, 36),))),
        ((9, 9), (17, 16), plain(2, padding=((8, 8), (7, 8)))),
        ((30,), (9,), plain(1, padding=((31, 31),), dilation=(8,), stride=(2,))),
        ((3, 4, 5), (3, 3, 3), plain(3, stride=(1, 2, 3))),
        ((64,), (40,), plain(1, padding=((0, 0),))),
    ],
    ids=str,
)
def test_large_windows_and_other_axes(channels, size, window, options):
    all_agree(random(2, 2, *size), random(channels, 2, *window), options)


@pytest.mark.parametrize("groups, more", [(7, 1), (3, 2), (2, 9), (1, 5)])
def test_groups(groups, more, order):
    all_agree(random(2, groups * 2, 6, 5), random(groups * more, 2, 3, 2), plain(2, groups=groups, stride=(1, 2)))
    all_agree(random(2, groups, 6, 5), random(groups * more, 1, 3, 3), plain(2, groups=groups))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("outputs", [5, 20])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_beside_the_array_is_no_part_of_any_sum(bad, outputs, dtype):
    for at in ((0, 0), (2, 1)):
        x, w = random(2, 9, 6, 5, dtype=dtype), random(outputs, 9, 3, 3, dtype=dtype)
        w[outputs // 2, 1][at] = bad
        agree("conv", (x, w, random(outputs, dtype=dtype)), plain(2))
        agree("conv_dx", (random(2, outputs, 6, 5, dtype=dtype), w), {**plain(2), "size": (6, 5)})
        x[1, 2, 3, 4] = bad
        agree("conv", (x, w, None), {**plain(2, stride=(2, 1)), "activation": "relu"})
        dy = random(2, outputs, 6, 5, dtype=dtype)
        dy[1, outputs // 2][(0, 2) if at == (0, 0) else (5, 4)] = bad
        agree("conv_dw", (random(2, 9, 6, 5, dtype=dtype), dy), {**plain(2), "window": (3, 3)})
    w = random(outputs, 2, 40, dtype=dtype)
    w[2, 1, 3], w[1, 0, 36] = bad, bad
    agree("conv", (random(1, 2, 36, dtype=dtype), w, None), plain(1, padding=((20, 20),)))


def test_nothing_to_do():
    for x, w in (
        (random(0, 3, 5), random(4, 3, 3)),
        (random(2, 0, 5), random(12, 0, 3)),
        (random(2, 3, 5), random(0, 3, 3)),
    ):
        y = agree("conv", (x, w, random(len(w))), plain(1))
        agree("conv_dx", (y, w), {**plain(1), "size": (5,)})
        agree("conv_dw", (x, y), {**plain(1), "window": (3,)})
    agree("conv_dw", (random(2, 3, 0), random(2, 4, 0)), {**plain(1), "window": (3,)})


def test_a_window_of_one_is_a_product(spy):
    spies, options = spy(), plain(2, padding=((0, 0),) * 2)
    x, w = random(2, 12, 3, 4), random(20, 12, 1, 1)
    agree("conv", (x, w, random(20)), {**options, "activation": "relu"})
    agree("conv", (x, w, None), options)
    agree("conv_dx", (random(2, 20, 3, 4), w), {**options, "size": (3, 4)})
    assert spies[0].launches == []
    agree("conv", (x, w, None), {**options, "stride": (2, 1)})
    assert spies[0].names() == ["pack", "tile"]


def test_other_dtypes():
    x, w = RNG.integers(0, 9, (1, 2, 5)), RNG.integers(0, 9, (3, 2, 3))
    np.testing.assert_array_equal(kn.cpu(conv.conv(*kn.gpu((x, w)), **plain(1))), reference.conv(x, w, **plain(1)))
    x, w = random(1, 2, 5).astype("f2"), random(3, 2, 3)
    found = kn.cpu(conv.conv(*kn.gpu((x, w)), **plain(1)))
    np.testing.assert_array_equal(found, reference.conv(x, w, **plain(1)).astype("f2"))


# ------------------------------------------------------------------------------------------- tensor cores


def tf32(x):
    return ((x.view("u4") + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view("f4")


def bfloat16(x):
    bits = x.view("u4")
    return (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)) & np.uint32(0xFFFF0000)).view("f4")


def random_for(factors, *shape):
    return random(*shape).astype("f2" if factors == "float16" else "f4")


ROUNDED = {"float16": lambda x: x, "tf32": tf32, "bfloat16": bfloat16}  # how factors are rounded
ERROR = {"float16": 0, "tf32": 2**-10 + 2**-22, "bfloat16": 2**-7 + 2**-16}  # of a product, as two of them give
NAMES = {"float16": "HALF", "tf32": "TF32", "bfloat16": "BF16"}


def agree_on_tensor_cores(name, args, options, factors):
    """The kernel's result is that of rounded factors, and as near the exact one as the docstring says."""
    kn.kernels.tensor_cores(factors)
    found = kn.cpu(getattr(conv, name)(*kn.gpu(args), **options))
    function, wide = getattr(reference, name), [x.astype("f8") for x in args]
    exact, scale = function(*wide, **options), function(*map(np.abs, wide), **options)
    terms = function(*map(np.ones_like, wide), **options)
    assert found.shape == exact.shape and found.dtype == args[0].dtype
    lost = terms * 2**-23 * scale + (2**-11 * np.abs(exact) if factors == "float16" else 0)
    near = function(*[ROUNDED[factors](x).astype("f8") for x in args], **options)
    assert np.all(np.abs(found - near) <= lost * 1.01)
    assert np.all(np.abs(found - exact) <= lost * 1.01 + ERROR[factors] * scale)
    return found


def kernels(spies):
    return [kernel for spy in spies for kernel, _ in spy.launches if kernel.startswith("tile")]


@emulated
@pytest.mark.parametrize("factors", NAMES)
def test_tensor_cores_on_request(factors, spy, tensor_cores):
    spies = spy()
    x, w, dy = [random_for(factors, *shape) for shape in ((2, 5, 9, 8), (70, 5, 3, 3), (2, 70, 9, 8))]
    agree_on_tensor_cores("conv", (x, w), plain(2), factors)
    more = plain(2, stride=(1, 2), padding=((1, 1), (1, 2)))
    agree_on_tensor_cores("conv", (x, w), more, factors)
    agree_on_tensor_cores("conv", (x, random_for(factors, 20, 5, 1, 1)), plain(2, padding=((0, 0),) * 2), factors)
    agree_on_tensor_cores("conv_dx", (dy, random_for(factors, 70, 12, 3, 3)), {**plain(2), "size": (9, 8)}, factors)
    agree_on_tensor_cores("conv_dx", (dy, random_for(factors, 70, 12, 3, 3)), {**more, "size": (9, 15)}, factors)
    agree_on_tensor_cores("conv_dw", (x, dy), {**plain(2), "window": (3, 3)}, factors)
    x = random_for(factors, 1, 18, 4, 5)
    agree_on_tensor_cores("conv", (x, random_for(factors, 36, 9, 2, 3)), plain(2, groups=2), factors)
    assert len(kernels(spies)) == 7 and all(NAMES[factors] in kernel for kernel in kernels(spies))


@emulated
@pytest.mark.parametrize("shape", [s for shapes in conv.TENSOR.values() for s in shapes], ids=str)
def test_tiles_of_tensor_cores(shape, forced, tensor_cores, order):
    forced(shape)
    factors = next(name for name, factor in NAMES.items() if factor == shape.factor)
    x, w = random_for(factors, 1, 5, 8, 20), random_for(factors, shape.rows + 1, 5, 3, 3)
    agree_on_tensor_cores("conv", (x, w), plain(2), factors)


@emulated
@pytest.mark.parametrize("factors", NAMES)
@pytest.mark.parametrize("outputs", [50, 70])
def test_weights_on_tensor_cores(outputs, factors, tensor_cores, order):
    x, dy = random_for(factors, 2, 15, 5, 6), random_for(factors, 2, outputs, 5, 6)
    agree_on_tensor_cores("conv_dw", (x, dy), {**plain(2), "window": (3, 3)}, factors)


@emulated
@pytest.mark.parametrize("factors", NAMES)
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_tensor_cores_add_nothing_from_beside_the_array(bad, factors, tensor_cores):
    tensor_cores(factors)
    x, w = random_for(factors, 2, 9, 6, 5), random_for(factors, 20, 9, 3, 3)
    w[7, 1, 0, 0], tolerance = bad, {"float16": 1e-3, "tf32": 1e-3, "bfloat16": 1e-2}[factors]
    agree("conv", (x, w, random_for(factors, 20)), {**plain(2), "activation": "relu"}, tolerance)
    dy = random_for(factors, 2, 20, 6, 5)
    dy[1, 3, 5, 4] = bad
    agree("conv_dw", (x, dy), {**plain(2), "window": (3, 3)}, tolerance)


@emulated
def test_float16_that_tensor_cores_do_not_multiply(tensor_cores):
    tensor_cores("float16")
    conv.launched.clear()
    half = lambda *shape: random(*shape).astype("f2")
    agree("conv", (half(2, 9, 7), half(5, 9, 3), None), plain(1), 1e-3)  # few outputs
    agree("conv", (half(2, 2, 40), half(12, 2, 35), None), plain(1, padding=((17, 17),)), 1e-3)  # a long window
    agree("conv", (half(2, 9, 7), random(20, 9, 3), None), plain(1), 1e-3)  # weights of another dtype
    agree("conv_dw", (half(2, 2, 7), half(2, 20, 7)), {**plain(1), "window": (3,)}, 1e-3)  # few terms
    agree("conv", (random(2, 9, 7), random(20, 9, 3), None), plain(1))  # float32 is not asked for
    names = " ".join([name for names in conv.launched.values() for name in names])
    assert "PLAIN" in names and "narrow<" in names and "narrow_dw<" in names and "Half" not in names


def test_tensor_cores_are_off_unless_asked_for(spy, tensor_cores):
    spies = spy() if EMULATED else []
    assert tensor_cores() == "off" and tensor_cores("tf32") == tensor_cores() == "tf32"
    conv.conv(*kn.gpu((random(1, 2, 5, dtype="f8"), random(9, 2, 3, dtype="f8"))), **plain(1))
    assert tensor_cores("off") == "off"
    conv.conv(*kn.gpu((random(1, 2, 5), random(9, 2, 3))), **plain(1))
    conv.conv(*kn.gpu((random(1, 2, 5).astype("f2"), random(9, 2, 3).astype("f2"))), **plain(1))
    assert all("PLAIN" in kernel for kernel in kernels(spies))
    with pytest.raises(ValueError, match="must be one of 'off', 'float16', 'tf32', 'bfloat16', got True"):
        tensor_cores(True)
    assert tensor_cores() == "off"


def test_tensor_cores_of_an_older_gpu_are_refused(tensor_cores, monkeypatch):
    monkeypatch.setattr(conv, "_capability", lambda device: 75)
    x, w = kn.gpu((random(1, 9, 5), random(9, 9, 3)))
    for factors, dtype in (("tf32", "f4"), ("bfloat16", "f4"), ("float16", "f2")):
        tensor_cores(factors)
        with pytest.raises(RuntimeError, match="from compute capability 8.0 on, and this one has 7.5: write"):
            conv.conv(x.astype(dtype), w.astype(dtype), **plain(1))
    assert conv.conv(x, w, **plain(1)).dtype == np.float32  # which "float16" does not concern


@emulated
def test_status_tells_which_kernels_have_been_launched(tensor_cores):
    tensor_cores("float16")
    x, w = [random(*shape).astype("f2") for shape in ((1, 9, 5), (200, 9, 3))]
    kernel("conv", "conv")(*kn.gpu((x, w)), **plain(1))
    kernel("conv", "conv")(kn.gpu(x), kn.gpu(w[:, :, :1]), **plain(1, padding=((0, 0),)))
    kernel("conv", "conv_dw")(kn.gpu(x), kn.gpu(random(1, 200, 5)), **plain(1), window=(3,))
    states = {row[0]: row[2] for row in kn.kernels.status().rows if row[1] == "cuda"}
    assert "tile<Half, 64, 128, 32, HALF>" in states["conv.conv"] and "tile_dw<" in states["conv.conv_dw"]
    tensor_cores("off")
    kernel("conv", "conv")(kn.gpu(x), kn.gpu(w[:, :, :1]), **plain(1, padding=((0, 0),)))
    states = {row[0]: row[2] for row in kn.kernels.status().rows if row[1] == "cuda"}
    assert "cuBLAS" in states["conv.conv"]


# ------------------------------------------------------------------------------- what the emulator measures


def test_the_rule_by_which_shapes_are_chosen():
    def chosen(m, pixels, groups=1):
        shape = conv.best(conv.FLOAT, m, pixels, groups, "float")
        return shape.rows, shape.pixels

    assert chosen(256, [100_000]) == chosen(128, [100_000] * 4) == (128, 128)
    assert chosen(64, [100_000]) == (64, 128) and chosen(32, [100_000]) == chosen(16, [100_000]) == (32, 256)
    assert chosen(256, [3136]) == (64, 128)  # few pixels: smaller tiles busy more multiprocessors
    assert chosen(64, [50]) == chosen(64, [30], groups=2) == (64, 128)


def conflicts(requests):
    """Accesses of shared memory that take more passes over its banks than they must; not those of where sums go."""
    found = [r for r in requests if r.space == "shared" and r.cost > r.ideal]
    return [r for r in found if "to[" not in line(r.line)]


def line(place):
    name, number = place.split(":")
    return (files("knetpy.kernels.cuda") / name).read_text().splitlines()[int(number) - 1]


@emulated
@pytest.mark.parametrize("shape", [*conv.FLOAT, *conv.DOUBLE, *sum(conv.TENSOR.values(), [])], ids=str)
def test_accesses_of_tiles(shape, forced, spy, tensor_cores):
    from tests.cudacpu import emulator

    tensor_cores(next((name for name, factor in NAMES.items() if factor == shape.factor), "off"))
    forced(shape)
    dtype = "f8" if shape in conv.DOUBLE else "f2" if shape.factor == "HALF" else "f4"
    pixels = 8, shape.pixels // 8
    with emulator.configured(undefined=False):
        (spy, _) = spy(trace=200_000)
        x, w = random(1, 2, *pixels, dtype=dtype), random(shape.rows, 2, 3, 3, dtype=dtype)
        agree("conv", (x, w, None), plain(2), 1e-2 if shape.factor == "BF16" else 2e-3)
    assert [stats.idle_blocks for _, stats in spy.launches] == [0, 0]
    requests = spy.launches[1][1].requests()
    assert {"conv.cu", "tiles.h"} == {r.line.split(":")[0] for r in requests}
    assert conflicts(requests) == []
    stored = [r for r in requests if r.space == "global" and r.kind == "write"]
    most = 2 if shape.factor == "HALF" else 1  # the next instruction writes the other half of the sectors
    assert stored and [r for r in stored if r.cost > most * r.ideal] == []


@emulated
@pytest.mark.parametrize(
    "outputs, dtype, factors",
    [
        *[(outputs, "f4", factors) for outputs in (64, 128) for factors in ("off", "tf32", "bfloat16")],
        *[(outputs, "f2", "float16") for outputs in (64, 128)],
        (64, "f8", "off"),
    ],
)
def test_accesses_of_tiles_of_weights(outputs, dtype, factors, spy, tensor_cores):
    from tests.cudacpu import emulator

    tensor_cores(factors)
    x, dy = random(1, 16, 8, 8, dtype=dtype), random(1, outputs, 8, 8, dtype=dtype)
    with emulator.configured(undefined=False):
        (_, spy) = spy(trace=200_000)
        agree("conv_dw", (x, dy), {**plain(2), "window": (3, 3)}, 1e-2 if factors == "bfloat16" else 2e-3)
    assert [stats.idle_blocks for _, stats in spy.launches] == [0] * (2 if factors == "float16" else 1)
    requests = spy.launches[0][1].requests()
    assert (
        conflicts([r for r in requests if r.kind == "read" or factors == "off"]) == []
    )  # others store with two-fold ones
    stored = [r for r in requests if r.space == "global" and r.kind == "write"]
    assert stored and [r for r in stored if r.cost > r.ideal] == []


@emulated
def test_no_block_is_idle(spy):
    spies = spy()
    all_agree(random(3, 10, 9, 7), random(15, 10, 3, 3), plain(2, stride=(2, 3)))
    all_agree(random(3, 4, 17, 31), random(8, 1, 3, 3), plain(2, groups=4))
    launches = [launch for spy in spies for launch in spy.launches]
    assert {kernel.split("<")[0] for kernel, _ in launches} == {"pack", "tile", "narrow", "tile_dw", "narrow_dw", "add"}
    assert [kernel for kernel, stats in launches if stats.idle_blocks] == []
