"""Functions with settings, as activations and as layers, print as they were written."""

from functools import partial

import knetpy as kn
from knetpy.nn import Chain, Conv, Dense


def test_a_partial():
    leaky = partial(kn.leakyrelu, slope=0.2)
    assert repr(Dense(2, 3, leaky)) == "Dense(2 => 3, partial(leakyrelu, slope=0.2))"
    assert "\n  partial(leakyrelu, slope=0.2),\n" in repr(Chain(Conv(1, 2, 3), leaky))
    assert "\n  partial(pool, 3, mode='mean'),\n" in repr(Chain(partial(kn.pool, 3, mode="mean"), leaky))
