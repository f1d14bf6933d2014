"""Cells of recurrent layers, for one time: LSTMCell, GRUCell, GRUv3Cell, RNNCell; Recurrence of any cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.errors import ShapeError
from ..ops.arguments import flag
from ..ops.rnn import lstm
from ..parameters import init as inits
from .layer import call_of, changed, shape_of
from .printing import brief
from .recurrent import GRU_KIND, GRUV3_KIND, LSTM_KIND, Kind, Recurrent


class _Cell(Recurrent):
    """One step of a recurrent layer: (x, state) -> (output, new state)."""

    _kind: ClassVar[Kind | None] = None

    def __init__(
        self,
        *sizes: Any,
        bias: bool = True,
        init: Callable = inits.xavier_uniform,
        recurrent_init: Callable = inits.xavier_uniform,
    ):
        self._construct(sizes, self._kind, bias, init, recurrent_init)

    def __call__(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        pair = self._cell.run is lstm
        shape = shape_of(type(self).__name__, x)
        try:
            at_once = state
            if state is not None:
                at_once = tuple([s[None] for s in state]) if pair else state[None]
            y, last = self._run(x[..., None, :], at_once)
        except (TypeError, ValueError, IndexError):
            if state is not None:
                self._explain_state((*shape[:-1], self.hidden), state, pair)
            raise
        return y[..., 0, :], tuple([s[0] for s in last]) if pair else last[0]

    def _explain_state(self, wanted: tuple[int, ...], state: Any, pair: bool) -> None:
        """Raise in the cell's own terms if the state is not as wanted."""
        parts = state if pair and isinstance(state, (tuple, list)) else (state,)
        got = [getattr(s, "shape", type(s).__name__) for s in parts]
        if len(parts) != 1 + pair or any([shape != wanted for shape in got]):
            kind = f"the pair (h, c), each {wanted}" if pair else f"an array {wanted}"
            found = got[0] if len(got) == 1 else tuple(got)
            raise ShapeError(f"{type(self).__name__}: the state must be {kind}, got {found}") from None


class LSTMCell(_Cell):
    """One step of an `LSTM`: called with x (B, inputs) and (h, c), each (B, hidden), returns (h, (h, c)).

    Parameters: sizes, bias, init and recurrent_init as for `LSTM`.
    Returns: when called, the output and the new state; without a state it begins with zeros. x may be (inputs,), the
      state then (hidden,).
    Raises: TypeError, ValueError; when called those of `kn.lstm`.

    >>> import numpy as np, knetpy as kn
    >>> y, (h, c) = kn.nn.LSTMCell(16, 32)(np.ones((2, 16), np.float32))
    >>> y.shape, c.shape
    ((2, 32), (2, 32))
    """

    _kind = LSTM_KIND


class GRUCell(_Cell):
    """One step of a `GRU`: called with x (B, inputs) and h (B, hidden), returns (h, h).

    Parameters, returns and errors: as for `LSTMCell`.

    >>> import numpy as np, knetpy as kn
    >>> y, h = kn.nn.GRUCell(16, 32)(np.ones((2, 16), np.float32))
    >>> y.shape
    (2, 32)
    """

    _kind = GRU_KIND


class GRUv3Cell(_Cell):
    """One step of a `GRUv3`: called with x (B, inputs) and h (B, hidden), returns (h, h).

    Parameters, returns and errors: as for `LSTMCell`.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.GRUv3Cell(16, 32)(np.ones((2, 16), np.float32))[0].shape
    (2, 32)
    """

    _kind = GRUV3_KIND


class RNNCell(_Cell):
    """One step of an `RNN`: called with x (B, inputs) and h (B, hidden), returns (h, h).

    Parameters, returns and errors: as for `LSTMCell`; np.tanh (the default) or kn.relu may follow the sizes.

    >>> import numpy as np, knetpy as kn
    >>> kn.nn.RNNCell(16, 32)(np.ones((2, 16), np.float32))[0].shape
    (2, 32)
    """


def initialstates(cell: Any, batch: int | None = None) -> Any:
    """The zeros that a cell begins with.

    Parameters:
      cell: an LSTMCell, GRUCell, GRUv3Cell or RNNCell. batch=None: B, None for no batch axis.
    Returns: h, or the pair (h, c) of an LSTMCell, each (B, hidden) or (hidden,), float32.
    Raises: TypeError for what is no such cell.

    >>> import knetpy as kn
    >>> kn.nn.initialstates(kn.nn.GRUCell(3, 2))
    array([0., 0.], dtype=float32)
    """
    if not isinstance(cell, _Cell):
        raise TypeError(f"initialstates takes a cell such as LSTMCell(16, 32), got a {type(cell).__name__}")
    shape = (cell.hidden,) if batch is None else (batch, cell.hidden)
    like = None if cell.weights is None else cell.groups()[0].wx.value
    zero = np.zeros(shape, np.float32) if like is None else np.zeros(shape, like.dtype, like=like)
    return (zero, zero.copy()) if cell._cell.run is lstm else zero


@dataclass(eq=False, repr=False)
class Recurrence:
    """Any cell over a whole sequence.

    Parameters:
      cell: called with x (B, I) and a state, returns (output, new state); at first the state is what a call is given.
      return_state=False: whether a call returns also the last state.
    Returns: when called with x (B, T, I) or (T, I), and a first state (None by default): the outputs (B, T, ...),
      joined along the time axis; with return_state the pair of them and the state.
    Raises: TypeError for what is no cell; when called ShapeError, also for a sequence of no times.

    >>> import numpy as np, knetpy as kn
    >>> sums = kn.nn.Recurrence(lambda x, s: (x if s is None else s + x,) * 2)
    >>> sums(np.array([[1.0], [2.0], [3.0]]))
    array([[1.],
           [3.],
           [6.]])
    """

    cell: Callable
    return_state: bool = False

    def __post_init__(self) -> None:
        if not callable(self.cell) or isinstance(self.cell, type):
            raise TypeError(f"Recurrence: cell must be a cell such as LSTMCell(16, 32), got {self.cell!r:.60}")
        flag("Recurrence", "return_state", self.return_state)

    def __repr__(self) -> str:
        return call_of("Recurrence", brief(self.cell), **changed(return_state=(self.return_state, False)))

    def __call__(self, x: Any, state: Any = None) -> Any:
        if len(shape_of("Recurrence", x)) < 2 or not x.shape[-2]:
            raise ShapeError(f"Recurrence: x must be (B, T, I) or (T, I) with one time or more, got {x.shape}")
        ys = []
        for t in range(x.shape[-2]):
            y, state = self.cell(x[..., t, :], state)
            ys.append(y)
        y = np.stack(ys, len(x.shape) - 2)
        return (y, state) if self.return_state else y
