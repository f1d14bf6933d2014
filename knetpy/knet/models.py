"""Knet's gradients, params, batches and updates."""

from functools import update_wrapper

import numpy as np

from ..calls import speaking, telling, told
from ..check.gradcheck import gradcheck
from ..core.errors import label_of
from ..core.value import Param, value
from ..data.minibatch import minibatch as _minibatch
from ..ops.arguments import count_of, number, whole
from ..optim import Optimizer
from ..optim import update as _update
from ..parameters import init as inits
from ..parameters.param import param as _param
from ..random import seed
from ..transforms.grad import grad as _grad
from ..transforms.grad import value_and_grad
from ..transforms.gradients import Gradients
from ..transforms.record import tape
from ..tree import children, tree_map
from .optim import SGD

setseed = speaking(seed="setseed")(seed)


@told
def diff(f, *args, **options):
    """Run f(*args) and take the gradients of all Params that it touches: Knet's @diff, and `kn.tape`.

    Parameters:
      f: a function that returns a real scalar; @diff of an expression is diff(lambda: expression).
      *args, **options: its arguments, which are constants.
    Returns: a `kn.Record` J: value(J) is the scalar, grad(J, w) a gradient, params(J) the Params. It prints as a table.
    Raises: DerivativeError if f does not return a real scalar.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.knet.param([1, 2])
    >>> J = kn.knet.diff(lambda x: (w * x).sum(), np.array([3, 4], "f4"))
    >>> kn.knet.value(J), kn.knet.grad(J, w)
    (np.float32(11.0), array([3., 4.], dtype=float32))
    """
    if not callable(f):
        raise TypeError(
            f"diff: @diff f(x) is diff(f, x), and @diff expression diff(lambda: expression), got {_kind(f)}"
        )
    return tape(f, *args, **options)


@telling("grad(f)(x, y)")
def grad(f, argnum=1):
    """The gradient function of f by one of its arguments; or, of what `diff` returned, the gradient of a Param.

    Parameters:
      f: a function that returns a real scalar; or a record J of `diff`.
      argnum=1: by which argument, from 1, an array or a nested container of arrays; with J, a Param.
    Returns: a function of the arguments of f; of J an array, or None if the Param was not touched.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.grad(lambda x: (x * x).sum())(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    >>> w = kn.knet.param([1, 2, 3])
    >>> kn.knet.grad(kn.knet.diff(lambda: (w * w).sum()), w)
    array([2., 4., 6.], dtype=float32)
    """
    if not isinstance(f, Gradients):
        return _of_argument("grad", _grad, f, argnum)
    if not isinstance(argnum, Param):
        raise TypeError(
            f"grad: with what diff returned goes a Param, grad(J, w), got {_kind(argnum)}; of all, J[[w, b]]"
        )
    return f[argnum] if argnum in f else None


@telling("gradloss(f)(x, y)")
def gradloss(f, argnum=1):
    """`grad`, but the function returns the pair (gradient, value of f).

    Parameters:
      f: a function that returns a real scalar.
      argnum=1: by which argument, from 1.
    Returns: a function of the arguments of f.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.gradloss(lambda x: (x * x).sum())(np.array([1.0, 2.0, 3.0]))
    (array([2., 4., 6.]), np.float64(14.0))
    """
    both = _of_argument("gradloss", value_and_grad, f, argnum)

    def gradient(*args, **kwargs):
        loss, found = both(*args, **kwargs)
        return found, loss

    return gradient


def _of_argument(name, transform, f, argnum):
    """transform(f, argnum - 1), whose function says by Knet's number that it was given no such argument."""
    if not callable(f):
        raise TypeError(f"{name}: f must be a function, got {_kind(f)}; write {name}(f)(x)")
    place = whole(argnum)
    if place is None:
        way = f"the function that it returns is called, as {name}(f)(x, y)"
        raise TypeError(f"{name}: argnum must be an integer from 1, got {_kind(argnum)}; {way}")
    if place < 1:
        raise ValueError(f"{name}: argnum must be at least 1, got {place}")
    gradient = transform(f, place - 1)

    def counted(*args, **kwargs):
        if len(args) < place:
            raise TypeError(f"{name}: argnum is {place}, but {label_of(f)} got {len(args)} arguments by position")
        return gradient(*args, **kwargs)

    return update_wrapper(counted, f)


def _kind(x):
    return type(value(x)).__name__


@speaking(gradcheck="gcheck", tolerance="rtol")
@told
def gcheck(f, *x, kw=(), rtol=0.05):
    """Whether the gradients of f(*x) by all Params that it touches are right: `kn.gradcheck` of order 1.

    Parameters:
      f: a function. *x: its arguments, which are constants. kw=(): its options, a dict.
      rtol=0.05: a relative tolerance. Knet's atol, delta and nsample are chosen by kn.gradcheck, which looks at all
        elements at once, along random directions.
    Returns: True or False; kn.gradcheck says what is wrong, and checks by arguments.

    >>> import numpy as np, knetpy as kn
    >>> w = kn.knet.param(np.ones(3), atype=np.float64)
    >>> kn.knet.gcheck(lambda x: (w * x).sum(), np.arange(3.0))
    True
    """
    if not callable(f):
        raise TypeError(f"gcheck: f must be a function, got {_kind(f)}; @gcheck f(x) is gcheck(f, x)")
    report = gradcheck(
        lambda: f(*x, **dict(kw)), order=1, modes="reverse", tolerance=number("gcheck", "rtol", rtol), raises=False
    )
    return bool(report)


@told
def param(*d, init=inits.xavier, atype=np.float32):
    """A Param of an array, or of sizes with random values: `kn.param`, which here makes single precision of all.

    Parameters:
      *d: an array, which is copied; or sizes: param(784, 10) is for `x @ w` what Knet's param(10, 784) is for w * x.
      init=kn.init.xavier: a function of the sizes and `dtype=`.
      atype=np.float32: the dtype, in place of Knet's type of arrays.
    Returns: a Param.

    >>> import knetpy as kn
    >>> kn.knet.param([1, 2, 3]).value, kn.knet.param(3, 2).shape
    (array([1., 2., 3.], dtype=float32), (3, 2))
    """
    if len(d) == 1 and np.ndim(value(d[0])):
        return _param(np.asarray(value(d[0]), dtype=atype))
    return _param(*d, init=init, dtype=atype)


@told
def param0(*d, atype=np.float32):
    """A Param of zeros.

    Parameters:
      *d: sizes.
      atype=np.float32: the dtype.
    Returns: a Param.

    >>> import knetpy as kn
    >>> kn.knet.param0(2).value
    array([0., 0.], dtype=float32)
    """
    return _param(*d, init=inits.zeros, dtype=atype)


@speaking(dtype="T")
@told
def bilinear(T, fw, fh, IN, ON):
    """The weight with which `deconv4` enlarges images by bilinear interpolation, with stride=fw.

    Parameters:
      T: the dtype.
      fw, fh: the factor, which is one for both axes.
      IN, ON: the number of channels, which is one for both.
    Returns: (IN, ON, K, K) with K = 2 * fw - fw % 2; Julia's (K, K, ON, IN) read from the last axis to the first.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.bilinear(np.float32, 2, 2, 1, 1)[0, 0, 0].tolist()
    [0.0625, 0.1875, 0.1875, 0.0625]
    """
    given = {"fw": fw, "fh": fh, "IN": IN, "ON": ON}
    factor, other, channels, outputs = [count_of("bilinear", name, n, 1) for name, n in given.items()]
    if factor != other or channels != outputs:
        raise ValueError(f"bilinear: fw and fh must be equal, and IN and ON, got {fw}, {fh} and {IN}, {ON}")
    size = 2 * factor - factor % 2
    return inits.bilinear(channels, channels, size, size, dtype=T)


@told
def cat1d(*args):
    """All elements of arrays in one vector, in row-major order where Julia's is column-major.

    Parameters:
      *args: arrays, of which there must be one.
    Returns: a vector.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.cat1d(np.eye(2), np.ones(1)).tolist()
    [1.0, 0.0, 0.0, 1.0, 1.0]
    """
    if not args:
        raise TypeError("cat1d: it takes one array or more")
    return np.concatenate([np.reshape(a, (-1,)) for a in args])


@told
def minibatch(
    x, y=None, batchsize=None, *, shuffle=False, partial=False, xtype=None, ytype=None, xsize=None, ysize=None
):  # fmt: skip
    """An iterable over batches: `kn.minibatch`, with Knet's options. The first axis counts the instances, Julia's last.

    Parameters:
      x, y=None, batchsize=None: arrays, and how many instances each batch has; minibatch(x, 50) is without y.
      shuffle=False: whether every epoch has a new order. partial=False: whether a shorter last batch comes too.
      xtype=None, ytype=None: the dtypes of batches; by default float32 of floating-point arrays, else what they have.
      xsize=None, ysize=None: the shape of batches, such as (-1, 1, 28, 28) for Julia's (28, 28, 1, :); the first number
        is for the instances, whatever it is.
    Returns: an iterable with a length, which can be looped over again. For more epochs see `repeat`; Knet's rand(data)
      is next(iter(data)) with shuffle=True.

    >>> import numpy as np, knetpy as kn
    >>> data = kn.knet.minibatch(np.zeros((4, 784)), [1, 2, 3, 10], 2, xsize=(-1, 1, 28, 28))
    >>> [(x.shape, y.tolist()) for x, y in data]
    [((2, 1, 28, 28), [1, 2]), ((2, 1, 28, 28), [3, 10])]
    """
    if batchsize is None and not (ytype is None and ysize is None):
        raise TypeError("minibatch: ytype and ysize are for y, and there is none")
    x, y = _shaped("x", x, xsize), y if batchsize is None else _shaped("y", y, ysize)
    return _minibatch(x, y, batchsize, shuffle=shuffle, partial=partial, xtype=xtype, ytype=ytype)


def _shaped(operand, array, size):
    if size is None:
        return array
    array = np.asarray(array)
    if not isinstance(size, (tuple, list)) or not array.ndim:
        raise TypeError(f"minibatch: {operand}size must be a tuple of sizes, as (-1, 1, 28, 28), got {size!r:.60}")
    try:
        return array.reshape(len(array), *size[1:])
    except (TypeError, ValueError):
        raise ValueError(
            f"minibatch: {operand}size {tuple(size)} does not fit {operand} of shape {array.shape}: after the first, "
            "which is for the instances, its sizes must multiply to those of an instance"
        ) from None


@told
def update(w, g, p=None, *, lr=0.1, gclip=0):
    """Change params or arrays in place by their gradients: Knet's update!, `kn.update` with `SGD` if no rule is given.

    Parameters:
      w: a Param, an array, or a container of them; or a function or model with Gradients for g.
      g: its gradients, as `grad` gives them; None leaves all as it is.
      p=None: an optimizer; or a container like w of optimizers, as `optimizers` makes. (Param.opt is not kept: our
        optimizers remember the state of each param themselves, and kn.optim.Choose has one for each.)
      lr=0.1, gclip=0: of `SGD`, without p.
    Returns: None.

    >>> import numpy as np, knetpy as kn
    >>> w = [np.ones(2), np.ones(1)]
    >>> kn.knet.update(w, kn.knet.grad(lambda w: w[0].sum() + 2 * w[1].sum())(w))
    >>> w
    [array([0.9, 0.9]), array([0.8])]
    """
    if g is None:
        return
    if callable(w) and not callable(g) and not isinstance(g, Gradients):
        way = "J = diff(loss, x, y), then update(model, J); grad(loss) is by an argument"
        raise TypeError(f"update: with a function or model goes what diff returned: {way}; got {_kind(g)}")
    if p is None or isinstance(p, Optimizer):
        _update(w, g, SGD(lr, gclip) if p is None else p)
        return
    if isinstance(p, type) or children(p) is None:
        given = f"the class {p.__name__}" if isinstance(p, type) else repr(p)[:60]
        raise TypeError(f"update: p must be an optimizer, such as Adam(), or a container of them like w, got {given}")
    steps: list = []
    try:
        tree_map(lambda opt, w, g: steps.append((w, g, opt)), p, w, g)
    except TypeError as mismatch:
        raise TypeError(f"update: w, g and p must have one structure: {mismatch}") from None
    for step in steps:
        update(*step)


@told
def optimizers(model, otype, **options):
    """One optimizer for each array of a model of lists, tuples and dicts, as `update` takes them.

    Parameters:
      model: a nested container of arrays or Params.
      otype: the class of a rule, such as `Adam`.
      **options: its settings.
    Returns: the same structure of optimizers.

    >>> import numpy as np, knetpy as kn
    >>> kn.knet.optimizers([np.ones(2)], kn.knet.SGD, lr=0.5)
    [SGD(lr=0.5, gclip=0.0)]
    """
    if not (isinstance(otype, type) and issubclass(otype, Optimizer)):
        raise TypeError(f"optimizers: otype must be the class of a rule, such as Adam, got {otype!r:.60}")
    if children(model) is None and not hasattr(model, "shape"):
        raise TypeError(f"optimizers: model must be an array or a container of arrays, got {type(model).__name__}")
    return tree_map(lambda w: otype(**options), model)
