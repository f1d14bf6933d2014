"""Recurrent layers over whole sequences: RNN, LSTM, GRU, GRUv3.

States are arguments and results, never kept in a layer. Sequences are (B, T, I), as for `kn.lstm`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from ..core.errors import ShapeError
from ..core.value import Param
from ..ops.arguments import count_of, flag, number
from ..ops.rnn import MOST_LAYERS, gru, lstm, rnn
from ..parameters import init as inits
from .layer import (
    begin,
    call_of,
    changed,
    explain_axis,
    first_call,
    initialiser,
    inputs_of,
    made,
    size,
    told,
    unmake_later,
)


class Weights(NamedTuple):
    """The weights of one layer in one direction, as `kn.lstm` takes them; None for a bias that is not there."""

    wx: Param
    wh: Param
    bx: Param | None = None
    bh: Param | None = None


class Kind(NamedTuple):
    """A kind of cell: the function over sequences, how many gates, which biases it has, the activation if not tanh."""

    run: Callable
    gates: int
    biases: tuple[bool, bool]
    activation: str | None = None


LSTM_KIND, GRU_KIND = Kind(lstm, 4, (True, False)), Kind(partial(gru, reset="after"), 3, (True, True))
GRUV3_KIND = Kind(partial(gru, reset="before"), 3, (True, False))
_RNN = {"tanh": Kind(rnn, 1, (True, False)), "relu": Kind(partial(rnn, nonlinearity="relu"), 1, (True, False), "relu")}


def _plain(name: str, activation: Any) -> Kind:
    """The kind of a plain cell with this activation."""
    word = "tanh" if activation is None else getattr(activation, "__name__", activation)
    if word not in _RNN:
        raise ValueError(f"{name}: after (inputs, hidden) np.tanh or kn.relu may follow, got {activation!r:.60}")
    return _RNN[word]


@dataclass(eq=False, repr=False, init=False)
class Recurrent:
    """How recurrent layers and cells are constructed; they differ in their kind and in how they are called.

    inputs (None before the first call) and hidden are sizes; weights is a list, None before the first call.
    """

    inputs: int | None
    hidden: int
    weights: list[Weights] | None
    _layers: int
    _bidirectional: bool
    _dropout: float
    _biased: bool
    _told: int  # how many weights of a group there are, not None
    _cell: Kind
    _init: tuple[Callable, Callable]

    def _construct(self, sizes, kind, bias, init, recurrent_init, layers=1, bidirectional=False, dropout=0.0):
        name = type(self).__name__
        (*inputs, hidden), activation = told(name, sizes, None, "(hidden) or (inputs, hidden)", 1, 2)
        if kind is None:
            kind = _plain(name, activation)
        elif activation is not None:
            raise TypeError(f"{name} takes (inputs, hidden) and no activation, since its own are fixed; RNN takes one")
        self.inputs, self.hidden = size(name, "inputs", *inputs) if inputs else None, size(name, "hidden", hidden)
        self._cell, self._layers = kind, count_of(name, "layers", layers, 1, MOST_LAYERS)
        self._init = initialiser(name, init), initialiser(name, recurrent_init, "recurrent_init")
        self._biased, self._bidirectional = flag(name, "bias", bias), flag(name, "bidirectional", bidirectional)
        self._dropout = number(name, "dropout", dropout, 0, 1)
        self._told = 2 + self._biased * sum(kind.biases)
        self.weights = None
        begin(self, inputs)

    def init_from(self, x: Any = None) -> None:
        """Make the params, for x with its features on the last axis."""
        inputs, wide = self.inputs or inputs_of(type(self).__name__, x, -1), self._cell.gates * self.hidden
        directions = 2 if self._bidirectional else 1
        self.weights = []
        for layer in range(self._layers):
            for _ in range(directions):
                shape = (self.hidden * directions if layer else inputs, wide)
                biases = [
                    made(self, (wide,), inits.zeros, x) if self._biased and b else None for b in self._cell.biases
                ]
                wx, wh = made(self, shape, self._init[0], x), made(self, (self.hidden, wide), self._init[1], x)
                self.weights.append(Weights(wx, wh, *biases))
        unmake_later(self, ["weights"], x)

    def _run(self, x, state, lengths=None):
        if self.weights is None:
            return first_call(self, (x,), self._run, x, state, lengths)
        told, both, dropout = self._told, self._bidirectional, self._dropout
        weights = [group[:told] for group in self.groups()]
        try:
            return self._cell.run(x, weights, state, bidirectional=both, dropout=dropout, lengths=lengths)
        except ShapeError:
            explain_axis(self, x, -1, self.groups()[0].wx.shape[0], "features")
            raise

    def groups(self) -> list[Weights]:
        """The weights of each layer and direction; those that `kn.load` has put here are dicts at first."""
        if isinstance(self.weights[0], dict):  # type: ignore[index]
            self.weights = [Weights(**group) for group in self.weights]  # type: ignore[union-attr, arg-type]
        return self.weights  # type: ignore[return-value]

    def __repr__(self) -> str:
        inputs = self.inputs if self.weights is None else self.groups()[0].wx.shape[0]
        options = changed(
            layers=(self._layers, 1), bidirectional=(self._bidirectional, False), bias=(self._biased, True)
        )
        options |= changed(dropout=(self._dropout, 0.0), return_state=(getattr(self, "return_state", False), False))
        return call_of(
            type(self).__name__,
            f"{'?' if inputs is None else inputs} => {self.hidden}",
            self._cell.activation,
            **options,
        )


@dataclass(eq=False, repr=False, init=False)
class _Layer(Recurrent):
    """A recurrent layer over whole sequences; return_state tells whether a call returns the last state, too."""

    return_state: bool

    _kind: ClassVar[Kind | None] = None

    def __init__(
        self,
        *sizes: Any,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        return_state: bool = False,
        init: Callable = inits.xavier_uniform,
        recurrent_init: Callable = inits.xavier_uniform,
    ):
        self.return_state = flag(type(self).__name__, "return_state", return_state)
        self._construct(sizes, self._kind, bias, init, recurrent_init, layers, bidirectional, dropout)

    def __call__(self, x: Any, state: Any = None, *, lengths: Any = None) -> Any:
        y, last = self._run(x, state, lengths)
        return (y, last) if self.return_state else y


class LSTM(_Layer):
    """Long short-term memory over whole sequences; see `kn.lstm`.

    Parameters:
      *sizes: `LSTM(16, 32)` from 16 features to a state of 32; `LSTM(32)` takes the number of features from its first
        call.
      layers=1: how many, one upon the other. bidirectional=False: whether each also runs backward in time.
      dropout=0.0: the share of the inputs of layers after the first that is dropped in training.
      bias=True: whether there are biases, beginning with zeros.
      return_state=False: whether a call returns also the last state.
      init=kn.init.xavier_uniform, recurrent_init=kn.init.xavier_uniform: of the weights of the input and of the state.
    Attributes: weights, for each layer and direction the tuple (wx, wh, bx, bh), with None for what is not there; None
      before the first call. inputs, hidden: sizes; return_state.
    Returns: when called with x (B, T, inputs), and with a first state and lengths=, as `kn.lstm`: y (B, T, directions *
      hidden); with return_state the pair (y, (h, c)).
    Raises: TypeError, ValueError; when called those of `kn.lstm`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.LSTM(16, 32)(np.ones((2, 7, 16), np.float32)).shape
    (2, 7, 32)
    """

    _kind = LSTM_KIND


class GRU(_Layer):
    """Gated recurrent units over whole sequences; see `kn.gru`, whose reset="after" this is.

    Parameters, attributes and errors: as for `LSTM`, with one array h as state.
    Returns: when called with x (B, T, inputs): y (B, T, directions * hidden); with return_state the pair (y, h).

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GRU(16, 32, bidirectional=True)(np.ones((2, 7, 16), np.float32)).shape
    (2, 7, 64)
    """

    _kind = GRU_KIND


class GRUv3(_Layer):
    """`GRU` in which the reset gate multiplies the state before the product, as in the paper: reset="before" there.

    Parameters, attributes, returns and errors: as for `GRU`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GRUv3(32)(np.ones((2, 7, 16), np.float32)).shape
    (2, 7, 32)
    """

    _kind = GRUV3_KIND


class RNN(_Layer):
    """A plain recurrent network over whole sequences; see `kn.rnn`.

    Parameters, attributes and errors: as for `GRU`; np.tanh (the default) or kn.relu may follow the sizes.
    Returns: when called with x (B, T, inputs): as for `GRU`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.RNN(16, 32, kn.relu)(np.ones((2, 7, 16), np.float32)).shape
    (2, 7, 32)
    """
