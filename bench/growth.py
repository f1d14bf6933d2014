"""Does anything grow while a model trains? Memory and numbers of objects over many small steps, on one thread.

    python -m bench.growth [--steps 1000000] [--sizes 1] [--trace]

--sizes: so many batch sizes in turn, which fill the caches of plans. --trace: which lines keep memory (five times as
slow).
"""

import argparse
import gc
import tracemalloc
from collections import Counter
from itertools import cycle, islice

import numpy as np

import knetpy as kn


def training(sizes):
    """An iterator of steps of a small network."""
    kn.set_threads(1)
    random = np.random.default_rng(0)
    w = [kn.param(4, 3), kn.param0(3), kn.param(3, 2), kn.param0(2)]

    def loss(x, y):
        return kn.nll(kn.linear(kn.linear(x, w[0], w[1], activation=kn.relu), w[2], w[3]), y)

    batches = [(random.standard_normal((n, 4)).astype("f4"), random.integers(2, size=n)) for n in range(1, sizes + 1)]
    return iter(kn.minimize(loss, cycle(batches), kn.Adam()))


def resident():
    """Bytes of this process that are in memory; 0 where the system does not tell so."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


def kinds():
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects())


def main(arguments=None):
    """Print how it goes; returns (bytes, objects) that were added after the caches were full."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--sizes", type=int, default=1)
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args(arguments)
    steps = training(options.sizes)
    for _ in islice(steps, max(100, 3 * options.sizes)):
        pass
    objects, start = kinds(), resident()
    if options.trace:
        tracemalloc.start()
        traced = tracemalloc.take_snapshot()
    for part in range(10):
        for _ in islice(steps, options.steps // 10):
            pass
        print(f"{(part + 1) * options.steps // 10:>9} steps: {(resident() - start) / 1024:+.0f} KiB")
    if options.trace:
        for line in tracemalloc.take_snapshot().compare_to(traced, "lineno")[:15]:
            print(f"    {line}")
    more = kinds() - objects
    print(f"more objects: {dict(more) or 'none'}")
    return resident() - start, more.total()


if __name__ == "__main__":
    main()
