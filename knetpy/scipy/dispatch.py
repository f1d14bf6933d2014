"""How functions under SciPy's names reach SciPy."""

import functools

from ..core.errors import DeviceError
from ..core.value import Value
from ..devices import on_gpu
from ..ops.lapack import lapack
from ..tree import leaves


def like(theirs):
    """Decorate our version of a function of SciPy's: on plain arrays it is SciPy's function itself."""

    def wrap(op):
        @functools.wraps(op)
        def call(*args, **options):
            given = [x for _, x in leaves((args, options))]
            return (op if any([isinstance(x, Value) for x in given]) else theirs)(*args, **options)

        return call

    return wrap


def computed(function, *operands, **options):
    """A function of SciPy's on bare arrays; errors tell its name and the shapes."""
    if any([on_gpu(x) for x in operands]):
        name = f"scipy.linalg.{function.__name__}"
        raise DeviceError(f"{name}: SciPy computes on the CPU, and an array is on the GPU; write kn.cpu(x)")
    return lapack(function, *operands, **options)


def refuse_options(name, **given):
    """Raise for options that have no derivative rule, if they are given."""
    for option, present in given.items():
        if present:
            raise TypeError(f"scipy.linalg.{name}: {option}= as given has no derivative rule in knetpy; leave it out")
