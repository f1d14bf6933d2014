"""Every kind of planted bug is found, and the right kernel beside it passes."""

import numpy as np
import pytest

from tests.cudacpu import emulator
from tests.cudacpu import fakecupy as cp
from tests.cudacpu.emulator import KernelError

F32 = np.arange(64, dtype="float32")


def run(body, args, grid=(1,), block=(32,), params="const float* x, float* y, int n", **kw):
    k = cp.RawModule(code=f'extern "C" __global__ void k({params}) {{ int t = threadIdx.x; {body} }}').get_function("k")
    k(grid, block, args, **kw)
    return k.stats


def xy(n=32):
    return cp.asarray(F32[:n]), cp.empty(n, "float32"), n


@pytest.mark.parametrize(
    "body,message",
    [
        (
            "y[t] = x[t + 1];",
            "read of 4 bytes out of bounds at kernel.cu:1: 32 elements from the start of argument x of 32",
        ),
        ("y[t - 1] = x[t];", "write of 4 bytes out of bounds at kernel.cu:1: -1 elements from the start of argument y"),
        ("__shared__ float s[31]; float* p = s; p[t] = x[t];", "31 elements from the start of shared array s"),
        ("y[t] = x[1 << 24];", "no buffer of this launch is near"),
        (
            "__shared__ float s[32]; s[t] = x[t]; y[t] = s[31 - t];",
            "race on element .* of shared array s: write at kernel.cu:1 and read",
        ),
        ("y[0] = x[t];", "race on element 0 of argument y: write .* another thread"),
        ("y[0] += x[t];", "race on element 0 of argument y"),
        ("if (t == 0) y[0] = blockIdx.x;", "race on element 0 of argument y: .* another block"),
        ("if (t < 9) {\n__syncthreads();\n} else {\n__syncthreads();\n}", "divergent barrier"),
        ("if (t < 9) __syncthreads(); else y[t] = __shfl_sync(~0u, x[t], 0);", "deadlock"),
        ("y[t] = __shfl_xor_sync(0xffffu, x[t], 1);", "missing from its own mask 0000ffff"),
        ("float4 v = *(const float4*)(x + 1); y[t] = v.x;", "misaligned address .* at kernel.cu:1"),
        ("float a[4] = {}; a[n - t] = 1; y[t] = a[0] + a[3];", "index outside its array .32. at kernel.cu:1"),
        ("__shared__ float s[2][16]; s[0][t] = x[t];", "index outside its array .16."),
        ("y[t] = n * 99999999;", "signed overflow"),
        ("y[t] = n / t;", "division by zero"),
        ("if (t == 3) __trap();", "__trap"),
    ],
)
def test_a_bug_stops_the_launch(body, message):
    x, y, n = xy()
    with pytest.raises(KernelError, match=message):
        run(body, (x, y, n), grid=(2,) if "blockIdx" in body else (1,))


@pytest.mark.parametrize(
    "body",
    [
        "__shared__ float s[32]; s[t] = x[t]; __syncthreads(); y[t] = s[31 - t];",
        "__shared__ float s[32]; s[t] = x[t]; __syncwarp(); y[t] = s[31 - t];",
        "y[t] = __shfl_sync(~0u, x[t], 31 - t);",
        "atomicAdd(&y[31], 1.f); __syncthreads(); if (t < 31) y[t] = x[31 - t]; else y[t] = 0;",
    ],
)
def test_the_fixed_kernel_passes(body):
    x, y, n = xy()
    run(body, (x, y, n))
    np.testing.assert_array_equal(y.get(), F32[31::-1])


def test_bounds_are_those_of_the_view():
    x = cp.asarray(F32)
    with pytest.raises(KernelError, match="out of bounds"):
        run("y[t] = x[t];", (x[8:16], cp.empty(32, "float32"), 32))


def test_unwritten_and_uninitialised_memory_is_poison():
    x, y, n = xy()
    run("__shared__ float s[32]; if (t < 16) y[t] = s[t];", (x, y, n))
    assert np.isnan(y.get()).all()
    run("if (t < 16) y[t] = __shfl_down_sync(0xffffu, x[t], 1);", (x, y, n))  # lane 15 reads an absent lane
    assert np.isnan(y.get()[15]) and (y.get()[:15] == F32[1:16]).all()


@pytest.mark.parametrize(
    "args,message",
    [
        (lambda x, y, n: (x, y), "2 arguments for 3 parameters"),
        (lambda x, y, n: (x.astype("float64"), y, n), "argument 0 .x, Kf4.: an array of float64"),
        (lambda x, y, n: (x, y, 2.5), "a Python float"),
        (lambda x, y, n: (x, y, np.int64(n)), "a scalar of int64"),
        (lambda x, y, n: (x, n, y), "takes an array, not int"),
        (lambda x, y, n: (cp.asarray(F32)[::2], y, n), "not contiguous"),
        (lambda x, y, n: (x, y, 2**31), "argument 2"),
    ],
)
def test_arguments_are_checked(args, message):
    with pytest.raises(KernelError, match=message):
        run("y[t] = x[t];", args(*xy()))


def test_a_python_float_reaches_a_float_parameter_as_garbage():
    x, y, _ = xy()
    with pytest.raises(KernelError, match="misreads"):
        run("y[t] = a;", (x, y, 0.1), params="const float* x, float* y, float a")
    run("y[t] = a;", (x, y, np.float32(0.1)), params="const float* x, float* y, float a")


def test_launch_limits():
    with pytest.raises(KernelError, match="invalid launch"):
        run("", xy(), block=(1025,))
    with pytest.raises(KernelError, match="dynamic shared memory"):
        run("", xy(), shared_mem=49 << 10)


def test_an_endless_loop_is_stopped():
    with emulator.configured(budget=10000), pytest.raises(KernelError, match="endless loop"):
        run("while (x[t] >= 0) y[t] = 1;", xy())


def test_without_the_checker_another_order_shows_the_race():
    body = "__shared__ float s[64]; s[t] = x[t]; y[t] = s[63 - t];"
    results = []
    for order in ("forward", "reverse"):
        with emulator.configured(checked=False, order=order):
            x, y, n = xy(64)
            run(body, (x, y, n), block=(64,))
            results.append(y.get())
    assert not np.array_equal(*results, equal_nan=True)


def test_access_patterns_are_measured():
    def cost(body, space, kind):
        with emulator.configured(undefined=False):
            return [r.cost for r in run(body, xy(), trace=1000).requests() if (r.space, r.kind) == (space, kind)]

    assert cost("y[t] = x[t];", "global", "read") == [4]  # 128 bytes of a warp: four sectors
    assert cost("y[t] = x[t * 8 % 24];", "global", "read") == [3]
    assert cost("y[t * 9 % 32] = x[t];", "global", "write") == [4]
    columns = "__shared__ float s[32][{}]; s[t][0] = x[t]; __syncthreads(); y[t] = s[t][0];"
    assert cost(columns.format(32), "shared", "write") == [32]  # every lane hits the same bank
    assert cost(columns.format(33), "shared", "write") == [1]
