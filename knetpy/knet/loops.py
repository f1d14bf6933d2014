"""Knet's loops: an iterator that trains with each rule, and a bar that shows how far one is."""

from collections.abc import Callable
from time import monotonic as time
from typing import Any

from ..calls import speaking, told
from ..core.errors import label_of
from ..ops.arguments import count_of, number
from ..train import minimize
from ..train import progress as _progress
from ..train.arguments import is_iterable
from ..train.bar import bar
from .optim import SGD, Adadelta, Adagrad, Adam, Momentum, Nesterov, Rmsprop


def _iterator(f):
    """Decorate what calls `minimize` with a rule: mistakes are told in its own name and words."""
    name = f.__name__
    rule = {"sgd": "SGD"}.get(name, name.capitalize())
    return speaking(**{"minimize": name, "loss": "f", rule: name})(told(f))


@_iterator
def sgd(f, data, *, lr=0.1, gclip=0, params=None):
    """An iterable that makes a step of `SGD` for each item of `data`, and yields f of it: `minimize` with that rule.

    Knet's sgd!, which only trains, is a loop that does nothing: for loss in sgd(f, data): pass. Each call begins with a
    rule of its own, where Knet goes on with the state, and the settings, of the first that met a Param: make it once,
    and loop over it again; or write minimize(f, data, opt) with one opt.

    Parameters:
      f: a function that returns a real scalar; called as f(*item) for a tuple, else as f(item).
      data: items, such as of `minibatch`; of more epochs `repeat` of it.
      lr=0.1, gclip=0: as for `SGD`.
      params=None: what to train, by default every Param that f touches.
    Returns: what `minimize` returns.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [float(loss) for loss in kn.knet.sgd(lambda x: (w * x).sum(), [2.0, 2.0], lr=0.25)]
    [2.0, 1.0]
    """
    return minimize(f, data, SGD(lr, gclip), params=params)


@_iterator
def momentum(f, data, *, lr=0.05, gamma=0.95, gclip=0, params=None):
    """`sgd` with the rule `Momentum`.

    Parameters and returns: as for `sgd`; lr=0.05, gamma=0.95: as for `Momentum`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.momentum(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.8]
    """
    return minimize(f, data, Momentum(lr, gamma, gclip), params=params)


@_iterator
def nesterov(f, data, *, lr=0.05, gamma=0.95, gclip=0, params=None):
    """`sgd` with the rule `Nesterov`.

    Parameters and returns: as for `sgd`; lr=0.05, gamma=0.95: as for `Nesterov`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.nesterov(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.61]
    """
    return minimize(f, data, Nesterov(lr, gamma, gclip), params=params)


@_iterator
def adagrad(f, data, *, lr=0.05, eps=1e-6, gclip=0, params=None):
    """`sgd` with the rule `Adagrad`.

    Parameters and returns: as for `sgd`; lr=0.05, eps=1e-6: as for `Adagrad`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.adagrad(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.9]
    """
    return minimize(f, data, Adagrad(lr, eps, gclip), params=params)


@_iterator
def rmsprop(f, data, *, lr=0.01, rho=0.9, eps=1e-6, gclip=0, params=None):
    """`sgd` with the rule `Rmsprop`.

    Parameters and returns: as for `sgd`; lr=0.01, rho=0.9, eps=1e-6: as for `Rmsprop`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.rmsprop(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.937]
    """
    return minimize(f, data, Rmsprop(lr, rho, eps, gclip), params=params)


@_iterator
def adadelta(f, data, *, lr=1.0, rho=0.9, eps=1e-6, gclip=0, params=None):
    """`sgd` with the rule `Adadelta`.

    Parameters and returns: as for `sgd`; lr=1.0, rho=0.9, eps=1e-6: as for `Adadelta`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.adadelta(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.994]
    """
    return minimize(f, data, Adadelta(lr, rho, eps, gclip), params=params)


@_iterator
def adam(f, data, *, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, gclip=0, params=None):
    """`sgd` with the rule `Adam`.

    Parameters and returns: as for `sgd`; lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8: as for `Adam`.

    >>> import knetpy as kn
    >>> w = kn.param([1.0])
    >>> [round(float(loss), 3) for loss in kn.knet.adam(lambda x: (w * x).sum(), [2.0, 2.0])]
    [2.0, 1.998]
    """
    return minimize(f, data, Adam(lr, beta1, beta2, eps, gclip), params=params)


# ---------------------------------------------------------------------------------------------------- a bar


@told
def progress(msg, itr=None, *, steps=0, seconds=0):
    """`itr` with a bar that shows how far it is, and at its end what `msg` says: `kn.progress` with Knet's arguments.

    Knet's progress!, which shows nothing but the bar, is a loop that does nothing: for x in progress(itr): pass.

    Parameters:
      msg: a function of p, of which p.currval is the newest item, and p.curriter how many there were. Or the iterable:
        progress(itr), which shows a running mean of losses.
      itr=None: the iterable, if msg is a function.
      steps=0, seconds=0: msg is asked at the first and the last item, and between them whenever so many items came, or
        so many seconds passed; by default every second. Where no bar is shown, as in a file, it is not asked.
    Returns: an iterable of the same items, with the same `len()`.
    Raises: TypeError if there is nothing to go through, or msg is no function.

    >>> import knetpy as kn
    >>> [x * x for x in kn.knet.progress(lambda p: f"{p.currval} is number {p.curriter}", [1, 2, 3])]
    [1, 4, 9]
    """
    steps, seconds = count_of("progress", "steps", steps), number("progress", "seconds", seconds, 0)
    if itr is None and is_iterable(msg):
        return _progress(msg)
    if not callable(msg) or not is_iterable(itr):
        raise TypeError(
            f"progress: it takes a function and an iterable, progress(lambda p: p.currval, itr), or progress(itr); got "
            f"{type(msg).__name__} and {type(itr).__name__}"
        )
    return Progress(msg, itr, steps, seconds or 1.0 * (not steps))


class Progress:
    """What `progress` returns for a message; msg is called with it."""

    currval: Any = None
    curriter = 0

    def __init__(self, msg: Callable, iterable: Any, steps: int, seconds: float):
        self.msg, self.iterable, self.steps, self.seconds = msg, iterable, steps, seconds

    def __len__(self):
        return len(self.iterable)  # without a length it raises, as it should

    def __iter__(self):
        self.currval, self.curriter, asked = None, 0, None
        with bar(self.iterable, None, None) as shown:
            for item in self.iterable:
                self.currval, self.curriter = item, self.curriter + 1
                if not shown.disable and self._is_due(asked):
                    asked = self.curriter, time()
                    shown.set_postfix_str(str(self.msg(self)), refresh=False)
                shown.update()
                yield item
            if asked and asked[0] < self.curriter:
                shown.set_postfix_str(str(self.msg(self)))

    def _is_due(self, asked):
        """Whether msg is to be asked; `asked` is when it was asked last, (which item, time), None for never."""
        if asked is None or (self.steps and self.curriter >= asked[0] + self.steps):
            return True
        return bool(self.seconds) and time() >= asked[1] + self.seconds

    def __repr__(self):
        return f"progress({label_of(self.msg)}, {self.iterable!r})"
