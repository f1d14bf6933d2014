"""What does a training step cost beside arithmetic? The workloads at sizes where that takes no time, on one thread.

    python -m bench.step_time [mlp gpt ...] [--rounds 30] [--profile 25]

Microseconds of the thread's own CPU time, so that other work on the machine matters little: the median over the rounds.
With --profile the functions that take most of it.
"""

import argparse
import cProfile
import pstats
import statistics
from time import thread_time

from bench.sides import Knetpy
from bench.workloads import SIZES, WORKLOADS

LAYERS = {  # tiny, but with all layers of the workload
    **SIZES["tiny"],
    "mlp": dict(batch=3, sizes=(5, 4, 4, 3)),
    "resnet20": dict(batch=2, channels=2, size=8),
    "gpt": dict(batch=2, time=3, vocabulary=5, width=4, heads=2),
    "tinyops": dict(size=3),
}
CALLS = 50


def steps(name):
    """A function that makes some steps of a workload, warm."""
    side = Knetpy()
    step = side.step(WORKLOADS[name](side, **LAYERS[name]))

    def some():
        for _ in range(CALLS):
            step()

    some()
    return some


def microseconds(some, rounds):
    """The median over the rounds of what one call takes."""
    times = []
    for _ in range(rounds):
        begin = thread_time()
        some()
        times.append((thread_time() - begin) / CALLS * 1e6)
    return statistics.median(times)


def main(arguments=None):
    """Print, and return by workload, the microseconds of a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(LAYERS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--profile", type=int, default=0, metavar="FUNCTIONS")
    options, found = parser.parse_args(arguments), {}
    for name in options.workloads:
        some = steps(name)
        found[name] = microseconds(some, options.rounds)
        print(f"{name}: {found[name]:.0f} us a step")
        if options.profile:
            profile = cProfile.Profile(thread_time)
            profile.runcall(some)
            pstats.Stats(profile).sort_stats("tottime").print_stats(options.profile)
    return found


if __name__ == "__main__":
    main()
