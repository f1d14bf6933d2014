"""What does `import knetpy` cost beyond `import numpy`? Bar: 60 ms, the median of 15 fresh interpreters."""

from __future__ import annotations

import statistics
import subprocess
import sys
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


def milliseconds() -> float:
    """One fresh interpreter's time for `import knetpy` after `import numpy`."""
    root = Path(__file__).parents[1]
    return float(subprocess.check_output([sys.executable, "-c", CODE], cwd=root, text=True))


def main() -> int:
    milliseconds()  # compiles the bytecode, which happens once per installation
    times = sorted(milliseconds() for _ in range(RUNS))
    median = statistics.median(times)
    print(f"import knetpy beyond numpy: median {median:.1f} ms, {times[0]:.1f} to {times[-1]:.1f}; bar {BAR} ms")
    return median > BAR


if __name__ == "__main__":
    sys.exit(main())
