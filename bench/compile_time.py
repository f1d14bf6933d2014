"""What does it cost to compile each family of kernels? CPU seconds, from an empty cache.

    python -m bench.compile_time [conv norm ...] [--alone] [--kernels 20]

By default the families follow each other in one process, as in `python -m knetpy warmup`; with --alone each has a
process of its own, as in a program that uses nothing else. With --kernels those that cost most, without what they call.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from time import process_time

from knetpy.families import families


def compile_families(names):
    """({family: seconds}, {kernel: seconds}) of compiling these families, here."""
    from numba.core.event import Listener, register

    calls, found, kernels = families("float32"), {}, {}

    class Costs(Listener):
        """Seconds of each kernel, less those of the kernels that are compiled while it is."""

        begun: list = []

        def on_start(self, event):
            self.begun.append([process_time(), 0.0])

        def on_end(self, event):
            start, inner = self.begun.pop()
            seconds, name = process_time() - start, event.data["dispatcher"].py_func.__qualname__
            kernels[name] = kernels.get(name, 0.0) + seconds - inner
            if self.begun:
                self.begun[-1][1] += seconds

    register("numba:compile", Costs())
    for name in names or calls:
        begin = process_time()
        calls[name]()
        found[name] = process_time() - begin
    return found, kernels


def in_process(names):
    """`compile_families` in a process and with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        code = f"import json; from bench.compile_time import *; print(json.dumps(compile_families({names!r})))"
        environment = {**os.environ, "KNETPY_CACHE_DIR": folder}
        output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    return json.loads(output.splitlines()[-1])


def main(arguments=None):
    """Print, and return by family, the CPU seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--kernels", type=int, default=0)
    options, found = parser.parse_args(arguments), {}
    names = options.families or list(families("float32"))
    for group in [[name] for name in names] if options.alone else [names]:
        seconds, kernels = in_process(group)
        found |= seconds
        for name in group:
            print(f"{name}: {seconds[name]:.2f} s")
        for name in sorted(kernels, key=kernels.get, reverse=True)[: options.kernels]:
            print(f"    {name}: {kernels[name]:.2f} s")
    print(f"together: {sum(found.values()):.1f} s")
    return found


if __name__ == "__main__":
    main()
