"""Knet's layers with a state of their own: batch normalisation and recurrent networks."""

from functools import partial
from typing import Any

import numpy as np

from ..calls import speaking, told, told_class
from ..core.errors import ShapeError
from ..core.trace import active
from ..core.value import Result, bare, value
from ..journal import is_replaying
from ..ops.arguments import MOST, array_of, as_floating, count_of, flag, flags, number, one_of
from ..ops.batchnorm import Moments
from ..ops.batchnorm import batchnorm as _batchnorm
from ..ops.dropout import dropout as drop
from ..ops.rnn import MOST_LAYERS, gru, lstm, rnn
from ..parameters import init
from ..parameters.param import param
from ..settings import training as is_training
from ..transforms.run import defer


class _Moments(Moments):
    biased = True


@speaking(Moments="bnmoments")
@told
def bnmoments(*, momentum=0.1, mean=None, var=None):
    """The running mean and variance of a `batchnorm`: `kn.Moments`, with the biased variance, as Knet has it.

    Parameters:
      momentum=0.1: the share of the newest batch.
      mean=None, var=None: floating arrays (C,) to begin with, instead of Knet's meaninit and varinit; by default 0 and
        1, of the size that the first batch has.
    Returns: `kn.Moments`, whose mean and var are arrays (C,).

    >>> import numpy as np, knetpy as kn
    >>> moments = kn.knet.bnmoments(momentum=0.5)
    >>> y = kn.knet.batchnorm(np.array([[1.0], [3.0]]), moments, training=True)
    >>> moments.mean, moments.var
    (array([1.]), array([1.]))
    """
    return _Moments(momentum, mean=mean, var=var)


@speaking(ones="bnparams", dtype="etype")
@told
def bnparams(etype, channels=None):
    """The scales and biases of a `batchnorm` in one vector: ones, then zeros; `param` makes a Param of it.

    Parameters:
      etype: the dtype; or, in place of both, the number of channels, for float32 (where Knet takes Float64).
      channels=None: how many.
    Returns: an array (2 * channels,).

    >>> import knetpy as kn
    >>> kn.knet.bnparams(2)
    array([1., 1., 0., 0.], dtype=float32)
    """
    etype, channels = (np.float32, etype) if channels is None else (etype, channels)
    n = count_of("bnparams", "channels", channels, 1, MOST)
    return np.concatenate([init.ones(n, dtype=etype), init.zeros(n, dtype=etype)])


@told
def batchnorm(x, moments=None, params=None, *, eps=1e-5, training=None):
    """Batch normalisation with Knet's `bnmoments` and `bnparams`: `kn.batchnorm`.

    Parameters:
      x: (N, C, *S), floating: Julia's (W, H, C, N) read from the last axis to the first.
      moments=None: what `bnmoments` returned; it is written in training mode, read otherwise, and needed then.
      params=None: a vector of C scales and C biases, of the dtype of x.
      eps=1e-5: a number of at least 0, added to the variance.
      training=None: True or False to decide by it instead of by `training`.
    Returns: an array of the shape and dtype of x.

    >>> import numpy as np, knetpy as kn
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> kn.knet.batchnorm(x, None, np.array([1.0, 1.0, 0.0, 7.0]), eps=0.25, training=True).round(3)
    array([[-0.894,  7.   ],
           [ 0.894,  7.   ]])
    """
    if moments is None and not (is_training() if training is None else flag("batchnorm", "training", training)):
        raise TypeError("batchnorm: outside of training it needs moments, which bnmoments() makes; or training=True")
    if not (moments is None or isinstance(moments, Moments)):
        raise TypeError(f"batchnorm: moments must be of bnmoments(), or None, got {type(bare(moments)).__name__}")
    if params is None:
        return _batchnorm(x, moments, eps=eps, training=training)
    x, params = as_floating("batchnorm", x=x, params=params)
    shape = x.shape
    if len(shape) < 2 or params.shape != (2 * shape[1],):
        raise ShapeError(
            f"batchnorm: params must be a vector of scales and biases of each channel (axis 1 of x {shape}), as of "
            f"bnparams(channels), got {params.shape}"
        )
    return _batchnorm(x, moments, params[: shape[1]], params[shape[1] :], eps=eps, training=training)


# ------------------------------------------------------------------------------------------- recurrent networks

GATES = {"relu": 1, "tanh": 1, "lstm": 4, "gru": 3}


@told_class
class RNN:
    """A recurrent network of one or more layers, which is called, and may keep its state from call to call.

    Parameters:
      inputSize, hiddenSize: how many features x has, and the state.
      h=None, c=None: the state that it begins with: None for zeros at every call; 0 for zeros at the first, and then
        what the last call ended with; an array or Param (layers, B, hiddenSize), with two directions twice as many
        layers, for that, and then what the last call ended with. Only an LSTM has c.
      rnnType="lstm": "lstm", "gru", "tanh" or "relu".
      numLayers=1: how many layers. bidirectional=False: whether each runs backward in time, too.
      dropout=0: the share of the inputs of every layer that is dropped in training.
      skipInput=False: whether x is added to every gate as it is, without a matrix; inputSize is hiddenSize then.
      winit=kn.init.xavier, binit=kn.init.zeros, finit=kn.init.ones: of the matrices of each gate, of biases, and of the
        two biases of an LSTM's forget gate, which add up to 2.
      atype=np.float32: the dtype of the weights.
    Attributes:
      w: the weights, a tuple (wx, wh, bx, bh) for each layer and direction as `kn.lstm` takes them, all gates side by
        side; Knet has one vector.
      h, c: the state. Inside of a loss it is a value being differentiated, which may be handed to another network;
        afterwards a plain array: no value(r.h) is needed between steps.
      inputSize, hiddenSize, rnnType, numLayers, bidirectional, dropout, skipInput: as above.
    Returns: when called with x (I,), (B, I) for one time or (B, T, I), the state of the last layer at each time, in as
      many axes: the last is hiddenSize, twice that with two directions. Julia's x is (I, B, T).
    Raises: ShapeError, TypeError, ValueError. Knet's batchSizes, for sequences of unequal lengths, are
      kn.lstm(x, r.w, lengths=...).

    >>> import numpy as np, knetpy as kn
    >>> r = kn.knet.RNN(3, 5, h=0, c=0)
    >>> r(np.ones((2, 7, 3), np.float32)).shape, r.h.shape
    ((2, 7, 5), (1, 2, 5))
    >>> r.h = r.c = 0  # begins anew
    """

    def __init__(
        self, inputSize, hiddenSize, *, h=None, c=None, rnnType="lstm", numLayers=1, bidirectional=False, dropout=0,
        skipInput=False, winit=init.xavier, binit=init.zeros, finit=init.ones, atype=np.float32,
    ):  # fmt: skip
        self.inputSize, self.hiddenSize = (
            count_of("RNN", "inputSize", inputSize, 1),
            count_of("RNN", "hiddenSize", hiddenSize, 1),
        )
        one_of("RNN", "rnnType", rnnType, tuple(GATES))
        self.rnnType, self.numLayers = rnnType, count_of("RNN", "numLayers", numLayers, 1, MOST_LAYERS)
        self.bidirectional, self.skipInput = flags("RNN", bidirectional=bidirectional, skipInput=skipInput)
        self.dropout = number("RNN", "dropout", dropout, 0, 1)
        if self.skipInput and self.inputSize != self.hiddenSize:
            raise ValueError(f"RNN: with skipInput=True inputSize must be hiddenSize, got {inputSize} and {hiddenSize}")
        self.w = self._made(winit, binit, finit, atype)
        self._state: dict[str, Any] = {"h": h, "c": c}
        self._live: dict[str, Any] = {}  # the state inside of a transform: (the traces that follow it, it)

    def _made(self, winit, binit, finit, atype):
        """The weights of each layer and direction."""
        gates, H, directions = GATES[self.rnnType], self.hiddenSize, 1 + self.bidirectional
        inits = [finit if self.rnnType == "lstm" and gate == 1 else binit for gate in range(gates)]
        found = []
        for k in range(self.numLayers * directions):
            rows = self.inputSize if k < directions else H * directions
            wx, wh = [np.concatenate([winit(n, H, dtype=atype) for _ in range(gates)], 1) for n in (rows, H)]
            if self.skipInput and k < directions:
                wx = np.tile(np.eye(H, dtype=atype), gates)
            biases = [np.concatenate([f(H, dtype=atype) for f in inits]) for _ in range(2)]
            group = [param(a, dtype=atype) for a in (wx, wh, *biases)]
            found.append((wx if self.skipInput and k < directions else group[0], *group[1:]))
        return found

    @property
    def h(self):
        """The state: None, 0 or an array (layers, B, hiddenSize)."""
        return self._now("h")

    @h.setter
    def h(self, new):
        self._keep("h", new)

    @property
    def c(self):
        """The state of an LSTM's cells, as h."""
        return self._now("c")

    @c.setter
    def c(self, new):
        self._keep("c", new)

    def _now(self, name):
        if name in self._live:
            traces, state = self._live[name]
            if all([trace in active() for trace in traces]):
                return state
            del self._live[name]  # of a transform that has failed
        return self._state[name]

    def _keep(self, name, new):
        """Remember a state: within the running transforms as it is, after them, if they succeed, as an array."""
        _refuse_replays()
        self._live[name] = active(), new
        defer(partial(self._settle, name, value(new) if isinstance(new, Result) else new))

    def _settle(self, name, new):
        self._state[name] = new
        self._live.pop(name, None)

    def __call__(self, x):
        if not (self.h is None and self.c is None):
            _refuse_replays()
        (x,) = as_floating("RNN", x=x)
        y, h, c = self.forward(self.w, drop(x, self.dropout), self.h, self.c)
        for name, last in (("h", h), ("c", c)):
            if last is not None and self._now(name) is not None:
                self._keep(name, last)
        return y

    @speaking(lstm="RNN", gru="RNN", rnn="RNN", weights="w")
    def forward(self, w, x, h, c):
        """The output, h and c (None if there is none) for these weights and this state; nothing is kept."""
        shape = x.shape
        if not 1 <= len(shape) <= 3 or shape[-1] != self.inputSize:
            raise ShapeError(f"RNN: x must be (I,), (B, I) or (B, T, I) with I = {self.inputSize}, got {shape}")
        x = np.reshape(x, (shape[0] if len(shape) > 1 else 1, shape[1] if len(shape) > 2 else 1, shape[-1]))
        of_state = (self.numLayers * (1 + self.bidirectional), x.shape[0], self.hiddenSize)
        h, c = [self._first(name, state, of_state, x) for name, state in (("h", h), ("c", c))]
        options = {"bidirectional": self.bidirectional, "dropout": self.dropout}
        if self.rnnType == "lstm":
            y, (h, c) = lstm(x, w, (h, c), **options)
        elif self.rnnType == "gru":
            (y, h), c = gru(x, w, h, **options), None
        else:
            (y, h), c = rnn(x, w, h, nonlinearity=self.rnnType, **options), None
        return np.reshape(y, (*shape[:-1], y.shape[-1])), h, c

    def _first(self, name, state, shape, x):
        """A state as an array of this shape."""
        if state is None or (np.ndim(bare(state)) == 0 and bare(state) == 0):
            return np.zeros_like(bare(x), shape=shape)
        state = array_of("RNN", name, state)
        if (1,) * (3 - len(state.shape)) + tuple(state.shape) != shape:
            raise ShapeError(f"RNN: {name} must be None, 0 or (layers, B, hiddenSize) = {shape}, got {state.shape}")
        return np.reshape(state, shape)

    def __repr__(self):
        name = {"relu": "RNNRELU", "tanh": "RNNTANH"}.get(self.rnnType, self.rnnType.upper())
        more = [",bidirectional"] * self.bidirectional + [f",layers={self.numLayers}"] * (self.numLayers > 1)
        more += [f",dropout={self.dropout:g}"] * (self.dropout > 0) + [",skipinput"] * self.skipInput
        return f"{name}(input={self.inputSize},hidden={self.hiddenSize}{''.join(more)})"


def _refuse_replays():
    if is_replaying():
        raise TypeError(
            "RNN: one that keeps its state, h or c, cannot be run again with the same result, as checkpoint and "
            "gradcheck do; set both to None before, or write rnnforw(r, r.w, x, h, c)"
        )


def _rnn_of(name, r):
    if not isinstance(r, RNN):
        raise TypeError(f"{name}: r must be an RNN, such as kn.knet.RNN(3, 5), got {type(r).__name__}")
    return r


@told
def rnnparam(r, layer, id, par):
    """One matrix or bias of an `RNN`, by Knet's numbers, which are from 1.

    Parameters:
      r: an RNN.
      layer: from 1 to numLayers; with two directions 2k - 1 and 2k are the forward and the backward half of layer k.
      id: of which gate: of the input (for "lstm" 1 input, 2 forget, 3 new, 4 output; for "gru" 1 reset, 2 update, 3
        new; else 1), and then as many again of the state.
      par: 1 for the matrix, (inputs, hiddenSize) as in Knet; 2 for the bias.
    Returns: a part of r.w as a plain array, or inside of a transform with its derivative; None for a matrix that
      skipInput leaves out. To write into it, take r.w[layer - 1], whose matrices have all gates side by side.

    >>> import knetpy as kn
    >>> kn.knet.rnnparam(kn.knet.RNN(3, 5), 1, 2, 2)  # the forget gate
    array([1., 1., 1., 1., 1.], dtype=float32)
    """
    r, gates = _rnn_of("rnnparam", r), GATES[getattr(r, "rnnType", "lstm")]
    for name, given, most in (("layer", layer, len(r.w)), ("id", id, 2 * gates), ("par", par, 2)):
        if count_of("rnnparam", name, given, 1) > most:
            raise ValueError(f"rnnparam: {name} must be from 1 to {most} for {r}, got {given}")
    of_state, gate = divmod(id - 1, gates)
    if r.skipInput and par == 1 and not of_state and layer <= 1 + r.bidirectional:
        return None
    part = slice(gate * r.hiddenSize, (gate + 1) * r.hiddenSize)
    return r.w[layer - 1][of_state + 2 * (par - 1)][..., part]


@told
def rnnparams(r):
    """All matrices of an `RNN`, then all biases, each in the order of (layer, id).

    Parameters:
      r: an RNN.
    Returns: a list of what `rnnparam` gives.

    >>> import knetpy as kn
    >>> [w.shape for w in kn.knet.rnnparams(kn.knet.RNN(3, 5, rnnType="relu"))]
    [(3, 5), (5, 5), (5,), (5,)]
    """
    ids = range(1, 1 + 2 * GATES[_rnn_of("rnnparams", r).rnnType])
    return [rnnparam(r, layer, i, par) for par in (1, 2) for layer in range(1, 1 + len(r.w)) for i in ids]


def rnninit(inputSize, hiddenSize, **options):
    """Knet's older pair with `rnnforw`: an `RNN`, and its weights as plain arrays.

    Parameters:
      inputSize, hiddenSize, **options: as for `RNN`.
    Returns: (r, w).

    >>> import numpy as np, knetpy as kn
    >>> r, w = kn.knet.rnninit(3, 5, rnnType="gru")
    >>> y, hy, cy, _ = kn.knet.rnnforw(r, w, np.ones((2, 7, 3), np.float32), hy=True)
    >>> y.shape, hy.shape, cy
    ((2, 7, 5), (1, 2, 5), None)
    """
    r = RNN(inputSize, hiddenSize, **options)
    return r, [tuple([np.array(value(a)) for a in group]) for group in r.w]


@told
def rnnforw(r, w, x, h=None, c=None, *, hy=None, cy=None):
    """What an `RNN` computes, with weights and states as arguments: nothing is kept.

    Parameters:
      r: an RNN. w: its weights, as of `rnninit`, by which a gradient can be taken.
      x: (B, T, I), (B, I) for one time, or (I,).
      h=None, c=None: the state to begin with, None for zeros.
      hy=None, cy=None: whether the last state is returned; by default if one to begin with is given.
    Returns: (y, hy, cy, None), with None for states that are not wanted. (Knet's fourth is cuDNN's workspace.)

    >>> import numpy as np, knetpy as kn
    >>> r, w = kn.knet.rnninit(3, 5)
    >>> g = kn.knet.grad(lambda w, x: kn.knet.rnnforw(r, w, x)[0].sum())(w, np.ones((2, 3), np.float32))
    >>> [a.shape for a in g[0]]
    [(3, 20), (5, 20), (20,), (20,)]
    """
    y, last_h, last_c = _rnn_of("rnnforw", r).forward(w, array_of("rnnforw", "x", x), h, c)
    hy, cy = [given is not None if wanted is None else wanted for given, wanted in ((h, hy), (c, cy))]
    hy, cy = flags("rnnforw", hy=hy, cy=cy)
    return y, last_h if hy else None, last_c if cy else None, None
