"""How fast is a matrix product beside torch.mm and np.matmul, on one thread? Bar: 0.93 of PyTorch's rate.

    python bench/matmul.py [--seconds 1.0] [--dtype float32] [--only gpt]

For each size of a dense layer y = x w also what its gradients take: dw = x^T dy and dx = dy w^T, on transposed views.
The sides take turns in one process; ratios are medians over the turns, rates the best. "packed" is our product with the
second operand packed beforehand, as an LSTM does for a sequence. Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import os
import statistics
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from knetpy.settings import set_threads

BAR = 0.93
LAYERS = {  # rows, features in, features out
    "mlp": [(100, 784, 128), (100, 128, 64)],
    "lstm": [(32, 256, 1024), (1600, 128, 1024)],
    "gpt": [(2048, 128, 512), (2048, 512, 128), (2048, 128, 384)],
    "conv": [(73728, 25, 16), (8192, 400, 32), (32768, 576, 64)],
}
BATCHED = {"heads": [(128, 64, 32, 64)]}  # matrices, rows, terms, columns


def problems(dtype):
    """(name, a, b) of each product."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape, dtype)

    for name, sizes in LAYERS.items():
        for m, k, n in sizes:
            x, w, dy = normal(m, k), normal(k, n), normal(m, n)
            yield f"{name} y", x, w
            yield f"{name} dw", x.T, dy
            yield f"{name} dx", dy, w.T
    for name, sizes in BATCHED.items():
        for count, m, k, n in sizes:
            x, w, dy = normal(count, m, k), normal(count, k, n), normal(count, m, n)
            yield f"{name} y", x, w
            yield f"{name} dw", x.swapaxes(1, 2), dy
            yield f"{name} dx", dy, w.swapaxes(1, 2)


def sides(a, b):
    """What takes turns, ours first."""
    from knetpy.kernels.cpu.matmul import matmul, pack

    packed = pack(b)
    found = {"ours": lambda: matmul(a, b), "packed": lambda: matmul(a, packed), "numpy": lambda: np.matmul(a, b)}
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    found["torch"] = lambda: torch.matmul(ta, tb)
    assert np.allclose(found["ours"](), found["torch"]().numpy(), rtol=1e-3, atol=1e-2)
    return found


def turns(functions, seconds):
    """The seconds of each function in each turn."""
    times, end = [], perf_counter() + seconds
    while len(times) < 5 or perf_counter() < end:
        times.append([clocked(f) for f in functions])
    return times[1:]


def clocked(f):
    begin = perf_counter()
    f()
    return perf_counter() - begin


def main(seconds=1.0, dtype="float32", only="", chosen=None):
    """Print the table; returns the median rates relative to PyTorch's, or NumPy's where PyTorch is missing."""
    from knetpy.kernels.cpu.jit import clock

    set_threads(1)
    rates = {}
    for name, a, b in chosen or problems(np.dtype(dtype)):
        if only not in name:
            continue
        functions = sides(a, b)
        times, work = turns(functions.values(), seconds), 2 * np.prod(a.shape) * b.shape[-1]
        columns = dict(zip(functions, zip(*times)))
        best = " ".join(f"{side} {work / min(column) / 1e9:.0f}" for side, column in columns.items())
        peers = [side for side in ("torch", "numpy") if side in columns]
        for side in ("ours", "packed"):
            rates[name, a.shape, b.shape, side] = [
                statistics.median(peer / own for own, peer in zip(columns[side], columns[other])) for other in peers
            ]
        ours, packed = ([f"{r:.2f}" for r in rates[name, a.shape, b.shape, side]] for side in ("ours", "packed"))
        text = f"{name:9} {str(a.shape):>13} x {str(b.shape):13} GF/s {best}"
        print(f"{text}; of the rate of {' and '.join(peers)}: {' '.join(ours)}, packed {' '.join(packed)}", flush=True)
    ratios = [r[0] for (*_, side), r in rates.items() if side == "ours"]
    if ratios:
        reached = sum(r >= BAR for r in ratios)
        print(f"geometric mean {statistics.geometric_mean(ratios):.2f}; {reached} of {len(ratios)} reach {BAR}")
    print(f"compiling took {clock.total:.2f} s")
    return rates


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1.0)
    options.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    options.add_argument("--only", default="")
    main(**vars(options.parse_args()))
