"""How functions of matrices reach SciPy's, and what they refuse."""

from ..core.errors import DeviceError
from ..devices import on_gpu
from ..ops.lapack import lapack


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
