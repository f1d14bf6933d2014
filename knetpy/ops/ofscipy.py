"""How the functions of `scipy.special` are made differentiable: as SciPy spells them, which NumPy's protocol allows.

Its ufuncs ask values what to do, so `scipy.special.gammaln(r)` is recorded as `np.exp(r)` is. A function without rule
is an error that names it; so is a derivative by an argument that has none, such as the order of a Bessel function.
"""

from inspect import Parameter, Signature

from ..core.errors import DeviceError
from ..core.primitive import constant, primitive
from ..core.value import NUMPY
from ..devices import GPU, on_gpu


def rules(ufunc, names="x", outputs=1, **by):
    """Give a ufunc of SciPy's its derivatives: a rule for each of its operands that has one.

    names: what its operands are called. Where one has no rule, a derivative by it is refused.
    """
    names, spelling = names.split(), f"scipy.special.{ufunc.__name__.lstrip('_')}"
    op = primitive(_named(ufunc, names), name=spelling, outputs=outputs, elementwise=True, **by)
    op.__doc__ = ufunc.__doc__
    NUMPY[ufunc] = op
    return op


def _named(ufunc, names):
    """A ufunc as a function with named operands: some may have no rule, and rules may give other dtypes."""

    def kernel(*operands):
        if GPU and any([on_gpu(x) for x in operands]):
            name = f"scipy.special.{ufunc.__name__}"
            raise DeviceError(f"{name}: SciPy computes on the CPU, and an array is on the GPU; write kn.cpu(x)")
        return ufunc(*operands)

    kernel.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])
    return kernel


def flat(ufunc):
    """A ufunc of SciPy's without slope anywhere."""
    NUMPY[ufunc] = constant(ufunc, name=f"scipy.special.{ufunc.__name__}")


class _Asks:
    def __array_ufunc__(self, ufunc, method, *args, **options):
        return ufunc


def ufunc_behind(call):
    """The ufunc that a function of SciPy's, which is none, calls for the argument that it is given."""
    return call(_Asks())
