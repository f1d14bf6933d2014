"""NumPy's functions that have no derivative: on values being differentiated they give plain arrays."""

import numpy as np

from ..core.primitive import constant

# fmt: off
NAMES = """
    all allclose any argmax argmin argpartition argsort argwhere array2string array_equal array_equiv array_repr
    array_str broadcast_shapes can_cast ceil common_type count_nonzero diag_indices_from digitize einsum_path
    empty_like equal fix flatnonzero floor floor_divide greater greater_equal heaviside histogram_bin_edges isclose
    iscomplex iscomplexobj isfinite isin isinf isnan isneginf isposinf isreal isrealobj less less_equal lexsort
    logical_and logical_not logical_or logical_xor may_share_memory min_scalar_type nanargmax nanargmin ndim nonzero
    not_equal ones_like ravel_multi_index result_type rint round searchsorted shape shares_memory signbit size spacing
    tril_indices_from triu_indices_from trunc unravel_index zeros_like
""".split()
# fmt: on

for _name in NAMES:
    if hasattr(np, _name):
        constant(getattr(np, _name), numpy=getattr(np, _name), name=_name)
constant(np.round, numpy=getattr(np, "around", np.round), name="round")
UFUNCS = {f for f in (getattr(np, name, None) for name in NAMES) if isinstance(f, np.ufunc)}
