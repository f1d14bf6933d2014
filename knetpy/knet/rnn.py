"""Knet's recurrent networks: a layer that may keep its state, and the older pair of functions that keep nothing."""

from functools import partial
from typing import Any

import numpy as np

from ..calls import speaking, told, told_class
from ..core.errors import ShapeError
from ..core.trace import active
from ..core.value import Result, bare, value
from ..journal import is_replaying
from ..ops.arguments import array_of, as_floating, count_of, flags, number, one_of
from ..ops.dropout import dropout as drop
from ..ops.rnn import MOST_LAYERS, gru, lstm, rnn
from ..parameters import init
from ..parameters.param import param
from ..random import as_dtype
from ..transforms.run import defer

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
        self.inputSize = count_of("RNN", "inputSize", inputSize, 1)
        self.hiddenSize = count_of("RNN", "hiddenSize", hiddenSize, 1)
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
        atype = as_dtype("RNN", atype, option="atype", drawn=True)
        winit, binit, finit = [_drawing(*pair) for pair in (("winit", winit), ("binit", binit), ("finit", finit))]
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

    @partial(told, name="RNN", elsewhere={"batchSizes": "kn.lstm(x, r.w, lengths=...)"})
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
            raise ShapeError(
                f"RNN: {name} must be None, 0 or (layers, B, hiddenSize) = {shape}, got {state.shape}; 0 begins anew"
            )
        return np.reshape(state, shape)

    def __repr__(self):
        name = {"relu": "RNNRELU", "tanh": "RNNTANH"}.get(self.rnnType, self.rnnType.upper())
        more = [",bidirectional"] * self.bidirectional + [f",layers={self.numLayers}"] * (self.numLayers > 1)
        more += [f",dropout={self.dropout:g}"] * (self.dropout > 0) + [",skipinput"] * self.skipInput
        dtype = self.w[0][1].dtype
        more += [f",{dtype}"] * (dtype != np.float32)
        return f"{name}(input={self.inputSize},hidden={self.hiddenSize}{''.join(more)})"


def _drawing(name, init):
    """An initialiser, which says what it must be if it cannot be called as one."""

    def draw(*sizes, dtype):
        try:
            return init(*sizes, dtype=dtype)
        except TypeError as failure:
            raise TypeError(
                f"RNN: {name} must be a function of the sizes and dtype=, such as kn.init.xavier, got {init!r:.60} "
                f"({failure})"
            ) from failure

    return draw


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


@speaking(RNN="rnninit")
@told
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
