"""What do OpenMP's threads cost that wait for work by spinning, on a quiet machine and beside other work?

    python -m bench.spinning [mlp lenet ...] [--others 0 1 4] [--seconds 2]

Milliseconds of a step on one thread and on two, for several settings of how long the threads of GNU's OpenMP spin
before they sleep (GOMP_SPINCOUNT; libgomp's own is 300,000 where there is a CPU for each thread), beside so many
processes that only count.
"""

import argparse
import os
import statistics
import subprocess
import sys
from time import perf_counter

WAITING = {
    "one thread": {"threads": 1},
    "two, as they come": {"threads": 2},
    "two, spin 100,000": {"threads": 2, "GOMP_SPINCOUNT": "100000"},
    "two, spin 20,000": {"threads": 2, "GOMP_SPINCOUNT": "20000"},
    "two, spin 5,000": {"threads": 2, "GOMP_SPINCOUNT": "5000"},
    "two, spin 2,000": {"threads": 2, "GOMP_SPINCOUNT": "2000"},
    "two, no spin": {"threads": 2, "OMP_WAIT_POLICY": "passive"},
}


def steps(workload, threads, seconds):
    """(the median, the mean) of the seconds of steps for so long, here."""
    from bench.sides import Knetpy
    from bench.workloads import WORKLOADS

    side, times = Knetpy(threads), []
    step = side.step(WORKLOADS[workload](side))
    for _ in range(3):
        step()
    end = perf_counter() + seconds
    while not times or perf_counter() < end:
        begin = perf_counter()
        step()
        times.append(perf_counter() - begin)
    return statistics.median(times), statistics.fmean(times)


def in_process(workload, seconds, threads, **environment):
    code = f"from bench.spinning import steps; print(*steps({workload!r}, {threads}, {seconds}))"
    output = subprocess.check_output([sys.executable, "-c", code], env={**os.environ, **environment}, text=True)
    return tuple(map(float, output.split()[-2:]))


def main(arguments=None, settings=WAITING):
    """Print, and return by (workload, others, setting), the seconds of a step: median, mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["mlp", "lenet"])
    parser.add_argument("--others", type=int, nargs="*", default=[0, 1, 4])
    parser.add_argument("--seconds", type=float, default=2)
    options, found = parser.parse_args(arguments), {}
    for others in options.others:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        try:
            for workload in options.workloads:
                for name, setting in settings.items():
                    median, mean = found[workload, others, name] = in_process(workload, options.seconds, **setting)
                    print(f"{workload} beside {others}: {name}: median {median * 1e3:.2f} ms, mean {mean * 1e3:.2f}")
        finally:
            for process in busy:
                process.kill()
                process.wait()
    return found


if __name__ == "__main__":
    main()
