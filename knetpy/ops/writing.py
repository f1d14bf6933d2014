"""NumPy's functions that write into an array: into one that is recorded, or what is recorded into a plain one."""

import numpy as np

from ..core.errors import MutationError
from ..core.protocols import serve
from ..core.value import Param, Value, is_tracked, kind_of
from ..tree import leaves, tree_map

INSTEAD = {  # what to write
    np.put: "np.where(mask, v, x)",
    np.place: "np.where(mask, v, x)",
    np.putmask: "np.where(mask, v, x)",
    np.put_along_axis: "np.where(mask, v, x), with mask = np.zeros(x.shape, bool) in which put_along_axis sets True",
    np.fill_diagonal: "np.where(np.eye(len(x), dtype=bool), v, x)",
}


def _refused(function):
    name = f"np.{function.__name__}"

    def call(*args, **options):
        for x in [v for _, v in leaves((args, options)) if isinstance(v, Value)]:
            if is_tracked(x) or x is args[0]:
                where = "outside a transform p[...] = new values writes" if isinstance(args[0], Param) else ""
                raise MutationError(
                    f"{name} would write {'into ' * (x is args[0])}{kind_of(x)} of shape {x.shape} in place; write "
                    f"{INSTEAD[function]}, a new array" + "; " * bool(where) + where
                )
        args, options = tree_map(lambda x: x.value if isinstance(x, Value) else x, (args, options))
        return function(*args, **options)

    return call


for _function in INSTEAD:
    serve(_function, _refused(_function))
