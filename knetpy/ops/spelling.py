"""NumPy's functions by our own names."""

import functools

from ..core.protocols import no_rule, serve
from ..core.trace import active
from ..core.value import Param, Result, Value
from ..devices import listed


def arrays(*operands):
    """Operands of which lists and numbers are made arrays, beside the others."""
    return [x if hasattr(x, "dtype") else listed(x, operands) for x in operands]


def spells(*functions):
    """Decorate our version of one or several NumPy functions, which then call it for values.

    Called by its own name on plain arrays it is NumPy's function itself.
    """

    def register(op):
        serve(functions, op)
        numpy = functions[0]

        @functools.wraps(op)
        def call(*args, **options):
            for a in (*args, *options.values()) if options else args:
                kind = a.__class__
                if kind is Result or kind is Param:
                    return op(*args, **options)
                if (kind is list or kind is tuple) and a and a[0].__class__ is not int:
                    if any([isinstance(v, Value) for v in a]):
                        return op(*args, **options)
            try:
                return numpy(*args, **options)
            except Exception:
                return op(*args, **options)  # for the better message

        return call

    return register


def recorded(numpy):
    """Decorate the same as a function of NumPy's, written with others; without transforms NumPy's own answers."""

    def decorate(ours):
        @functools.wraps(ours)
        def call(*args, **options):
            if not active():
                try:
                    return no_rule(numpy, args, options)
                except Exception:
                    pass  # ours has the better message, and may know what CuPy does not
            return ours(*args, **options)

        return call

    return decorate


def composes(*functions):
    """Decorate our version of one or several NumPy functions, which is written with others: `spells` and `recorded`."""
    return lambda ours: spells(*functions)(recorded(functions[0])(ours))
