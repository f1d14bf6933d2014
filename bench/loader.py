"""What do batches cost beside PyTorch's DataLoader? Bar: 0.25 of its time for 60,000 images in shuffled batches of 100.

Both have the images and labels in memory, no workers, and read one number of each batch; the two take turns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from statistics import median
from time import perf_counter

import numpy as np

from knetpy.data import DataLoader, minibatch

BAR = 0.25


def loaders(n: int, batchsize: int) -> dict[str, Iterable]:
    x = np.random.default_rng(0).integers(0, 256, (n, 28, 28), np.uint8).astype(np.float32)
    y = np.arange(n) % 10
    items = list(zip(x, y, strict=True))
    ours: dict[str, Iterable] = {
        "DataLoader of arrays": DataLoader((x, y), batchsize, shuffle=True),
        "DataLoader of arrays, 2 threads": DataLoader((x, y), batchsize, shuffle=True, workers=2),
        "DataLoader of a list": DataLoader(items, batchsize, shuffle=True),
        "minibatch": minibatch(x, y, batchsize, shuffle=True),
    }
    try:
        import torch
        from torch.utils import data
    except ImportError:
        return ours
    torch.set_num_threads(1)
    pairs = data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    ours["PyTorch"] = data.DataLoader(pairs, batchsize, shuffle=True)
    return ours


def epoch(loader: Iterable) -> float:
    """Seconds of one epoch."""
    begin, seen = perf_counter(), 0
    for x, y in loader:
        seen += len(y)
        x[0, 0, 0].item()
    assert seen
    return perf_counter() - begin


def main(n: int = 60_000, batchsize: int = 100, rounds: int = 7) -> dict[str, float]:
    """Print the medians, and return each side's time as a share of PyTorch's, or in seconds without it."""
    sides = loaders(n, batchsize)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, loader in sides.items():
            times[name].append(epoch(loader))
    theirs = times.get("PyTorch", [1.0] * rounds)
    shares = {name: median(a / b for a, b in zip(own, theirs, strict=True)) for name, own in times.items()}
    for name, own in times.items():
        share = f", {shares[name]:.3f} of PyTorch's" if "PyTorch" in times else ""
        print(f"{name}: {median(own) * 1e3:.1f} ms an epoch{share}")
    print(f"bar of the DataLoader of arrays: {BAR}" if "PyTorch" in times else "PyTorch is not installed")
    return shares


if __name__ == "__main__":
    sys.exit(main()["DataLoader of arrays"] > BAR)
