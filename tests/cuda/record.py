"""What launches do, as the emulator counts it."""

from contextlib import contextmanager

import pytest

from tests.cuda.conftest import EMULATED


@contextmanager
def recorded(trace=0, warps=4):
    """A list to which each launch appends (kernel, statistics); `trace` accesses of the first warps are kept."""
    if not EMULATED:
        pytest.skip("only the emulator counts accesses")
    from tests.cudacpu import emulator, fakecupy

    launch, found = fakecupy.RawKernel.__call__, []

    def call(self, grid, block, args, **options):
        launch(self, grid, block, args, trace=trace, trace_warps=warps, **options)
        found.append((self.name, self.stats))

    fakecupy.RawKernel.__call__ = call
    try:
        with emulator.configured(undefined=not trace):
            yield found
    finally:
        fakecupy.RawKernel.__call__ = launch


def requests(stats, space, kind):
    return [r for r in stats.requests() if (r.space, r.kind) == (space, kind)]
