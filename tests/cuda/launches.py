"""What kernels do to memory, as the emulator counts it."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from tests.cuda.conftest import EMULATED

SECTOR = 32  # bytes that memory moves at once


@dataclass
class Launch:
    name: str
    stats: object  # the emulator's; its trace is that of the first warp
    moved: int  # bytes of global memory, if what has been read or written once stays in the cache

    def wasteful(self, most=1.0):
        """Requests of more than so many times the sectors, or passes over the banks, that they need."""
        return [r for r in self.stats.requests() if r.cost > max(most * r.ideal, r.ideal + 1 if most > 1 else 0)]


@contextmanager
def recorded(trace=1 << 20):
    """Collects the launches that are made meanwhile; `trace`: how many accesses of each to keep."""
    if not EMULATED:
        pytest.skip("measured by the emulator")
    from tests.cudacpu import fakecupy

    found, launch = [], fakecupy.RawKernel.__call__

    def call(self, *args, **options):
        launch(self, *args, **options, trace=trace, trace_warps=32)
        events = self.stats.trace
        assert len(events) < trace, "trace more accesses"
        there = events[events["shared"] == 0]
        ends = there["addr"] + there["size"].astype("u8") - 1
        sectors = [np.unique((a // SECTOR) * 2 + there["kind"] % 2) for a in (there["addr"], ends)]
        self.stats.trace = events[(events["block"] == 0) & (events["warp"] == 0)]
        found.append(Launch(self.name, self.stats, SECTOR * len(np.union1d(*sectors))))

    fakecupy.RawKernel.__call__ = call
    try:
        yield found
    finally:
        fakecupy.RawKernel.__call__ = launch
