"""Does a loop over a million rows hold memory flat? DataLoader and `minimize` over data that lie on disk.

    python -m bench.rows [--rows 1000000] [--columns 32] [--batchsize 100] [--workers 0] [--epochs 1]

The rows are a file mapped into memory, shuffled; what is measured is the memory of this process without the pages of
that file (its anonymous memory), at ten points of the way.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np

import knetpy as kn


def anonymous():
    """Bytes of this process that are in memory and in no file; 0 where the system does not tell so."""
    try:
        with open("/proc/self/status") as file:
            return int(next(line for line in file if line.startswith("RssAnon")).split()[1]) * 1024
    except (OSError, StopIteration):
        return 0


def written(folder, rows, columns):
    """Arrays x and y in files of a folder, mapped into memory."""
    random = np.random.default_rng(0)
    x = np.lib.format.open_memmap(Path(folder) / "x.npy", "w+", np.float32, (rows, columns))
    y = np.lib.format.open_memmap(Path(folder) / "y.npy", "w+", np.int64, (rows,))
    for at in range(0, rows, 10_000):
        n = len(x[at : at + 10_000])
        x[at : at + n] = random.standard_normal((n, columns), np.float32)
        y[at : at + n] = x[at : at + n, 0] > 0
    return x, y


def main(arguments=None):
    """Print how it goes; returns the bytes that were added after the first tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 1_000_000), ("columns", 32), ("batchsize", 100), ("workers", 0), ("epochs", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args(arguments)
    w = [kn.param(given.columns, 16), kn.param0(16), kn.param(16, 2), kn.param0(2)]

    def loss(x, y):
        return kn.nll(kn.linear(kn.linear(x, w[0], w[1], activation=kn.relu), w[2], w[3]), y)

    with tempfile.TemporaryDirectory() as folder:
        rows = written(folder, given.rows, given.columns)
        data = kn.data.DataLoader(rows, given.batchsize, shuffle=True, seed=1, workers=given.workers)
        history = kn.History(every=100)
        losses = iter(history(kn.minimize(loss, kn.train.repeat(data, given.epochs), kn.Adam())))
        tenth, found, start = len(data) * given.epochs // 10, [], perf_counter()
        for part in range(1, 11):
            for _ in islice(losses, tenth):
                pass
            found.append(anonymous())
            seconds = perf_counter() - start
            print(f"{part * tenth * given.batchsize:>9} rows: {found[-1] / 2**20:.1f} MiB, {seconds:.1f} s")
        print(f"{(found[-1] - found[0]) / 1024:+.0f} KiB since the first tenth; loss {history['loss'][-1]:.4f}")
    return found[-1] - found[0]


if __name__ == "__main__":
    main()
