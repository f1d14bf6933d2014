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
    asked: int  # the same, but of arrays of at least half the size of the largest: if nothing stays there

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

    def call(self, grid, block, args, **options):
        launch(self, grid, block, args, **options, trace=trace, trace_warps=32)
        events = self.stats.trace
        assert len(events) < trace, "trace more accesses"
        there = events[events["shared"] == 0]
        arrays = [a for a in args if hasattr(a, "data") and not isinstance(a, np.generic | np.ndarray)]
        most = max([a.nbytes for a in arrays])
        large = np.zeros(len(there), bool)
        for a in arrays:
            first = a.data.ptr
            large |= (there["addr"] >= first) & (there["addr"] < first + a.nbytes) & (2 * a.nbytes >= most)
        self.stats.trace = events[(events["block"] == 0) & (events["warp"] == 0)]
        _, once = np.unique(there[large][["block", "warp", "pc", "addr"]], return_index=True)  # what lanes share
        asked = int(there[large]["size"][once].sum()) + _sectors(there[~large])
        found.append(Launch(self.name, self.stats, _sectors(there), asked))

    fakecupy.RawKernel.__call__ = call
    try:
        yield found
    finally:
        fakecupy.RawKernel.__call__ = launch


def _sectors(events):
    """The bytes of all sectors that are read, and of all that are written."""
    ends = events["addr"] + events["size"].astype("u8") - 1
    return SECTOR * len(np.union1d(*[(a // SECTOR) * 2 + events["kind"] % 2 for a in (events["addr"], ends)]))
