"""What does `import knetpy` cost beyond `import numpy`? Bar: 60 ms, the median of 15 fresh interpreters.

Measured twice: as installed, with compiled bytecode, and from source alone, as where PYTHONDONTWRITEBYTECODE is set.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BAR = 60  # milliseconds
RUNS = 15
CODE = """if True:
    import numpy
    from time import perf_counter
    begin = perf_counter()
    import knetpy
    print((perf_counter() - begin) * 1000)
"""


def milliseconds(bytecode: str) -> float:
    """One fresh interpreter's time for `import knetpy` after `import numpy`, its bytecode in a folder of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": bytecode} if bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", CODE]
    return float(subprocess.check_output(command, cwd=Path(__file__).parents[1], env=environment, text=True))


def main() -> int:
    medians = []
    with tempfile.TemporaryDirectory() as folder:
        milliseconds(folder)
        for what, bytecode in (("installed", folder), ("from source alone", "")):
            times = sorted(milliseconds(bytecode) for _ in range(RUNS))
            medians.append(statistics.median(times))
            print(f"{what}: median {medians[-1]:.1f} ms beyond numpy, {times[0]:.1f} to {times[-1]:.1f}; bar {BAR} ms")
    return medians[0] > BAR


if __name__ == "__main__":
    sys.exit(main())
