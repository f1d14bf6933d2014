"""How long until the first step is done? CPU and wall seconds of whole processes, with an empty and with a full cache.

    python -m bench.start_time [--rounds 3]

`import knetpy` alone, three steps of the mlp of `workloads.py`, and `python -m knetpy quickstart` with one batch.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from time import perf_counter

MLP = """
from bench.sides import Knetpy
from bench.workloads import mlp
side = Knetpy(2)
step = side.step(mlp(side))
for _ in range(3):
    step()
"""
QUICKSTART = "from knetpy.__main__ import main; main(['quickstart', '--epochs', '1', '--limit', '50'])"


def seconds(code, cache):
    """(CPU, wall) seconds of a fresh interpreter."""
    environment = {**os.environ, "KNETPY_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=cache, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, perf_counter() - begin


PROGRAMS = {"import": "import knetpy", "mlp": MLP, "quickstart": QUICKSTART}


def main(arguments=None, programs=tuple(PROGRAMS)):
    """Print, and return by program, the CPU seconds (cold, warm)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds, found = parser.parse_args(arguments).rounds, {}
    for name in programs:
        runs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                runs.append((*seconds(PROGRAMS[name], cache), *seconds(PROGRAMS[name], cache)))
        cold, cold_wall, warm, warm_wall = [statistics.median(column) for column in zip(*runs)]
        found[name] = cold, warm
        print(f"{name}: cold {cold:.2f} CPU s ({cold_wall:.2f} by the clock), warm {warm:.2f} ({warm_wall:.2f})")
    return found


if __name__ == "__main__":
    main()
