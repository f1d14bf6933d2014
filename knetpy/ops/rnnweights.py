"""The weights and states of recurrent layers as users give them: put in order, and checked against x."""

import numpy as np

from ..core.errors import ShapeError
from ..core.value import bare
from ..devices import maybe
from .arguments import as_floating, lengths_of, one_of, placed

_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
_NAMES = {"knetpy": ("wx", "wh", "bx", "bh"), "torch": ("w_ih", "w_hh", "b_ih", "b_hh")}


def floating(name, x, weights, state):
    """x, weights as [[(what the user calls it, array), ...] of each layer and direction], the arrays of the state."""
    groups, states = _grouped(name, weights), _states(name, state)
    named = [pair for group in groups for pair in group] + states
    x, *arrays = as_floating(name, x=x, **dict(named))
    if len(x.shape) not in (2, 3):
        raise ShapeError(f"{name}: x must be (B, T, I), or (T, I) for one sequence, got {x.shape}")
    arrays = iter(arrays)
    return x, [[(path, next(arrays)) for path, _ in group] for group in groups], list(arrays)


def _grouped(name, weights):
    if not isinstance(weights, (list, tuple)) or not weights:
        raise TypeError(
            f"{name}: weights must be a tuple (wx, wh, bx) of arrays, or a list of such, one for each layer and "
            f"direction, got {'an empty' if isinstance(weights, (list, tuple)) else 'a'} {type(weights).__name__}"
        )
    if any(isinstance(group, (list, tuple)) for group in weights):
        pairs = [(f"weights[{k}]", w) for k, w in enumerate(weights)]
        groups = [
            [(f"{path}[{i}]", w) for i, w in enumerate(group)] if isinstance(group, (list, tuple)) else [(path, group)]
            for path, group in pairs
        ]
    else:
        groups = _by_axes([(f"weights[{i}]", w) for i, w in enumerate(weights)])
    for group in groups:
        _check_group(name, group)
    return groups


def _by_axes(flat):
    """Arrays without brackets, in groups: two matrices, and the vectors that follow."""
    groups = []
    for path, w in flat:
        if not groups or (len(groups[-1]) > 1 and getattr(w, "ndim", 0) != 1):
            groups.append([])
        groups[-1].append((path, w))
    return groups


def _check_group(name, group):
    for path, w in group:
        if not hasattr(getattr(w, "dtype", None), "kind"):
            way = f"; write {path}.detach().numpy()" if hasattr(w, "detach") else ""
            raise TypeError(f"{name}: {path} must be a NumPy array or a Param, got a {type(w).__name__}{way}")
    if not 2 <= len(group) <= 4:
        last = group[-1][1].shape if group else ()
        projects = len(group) == 5 and len(last) == 2 and last[0] > 1  # (1, 4 * H) will be meant for a bias
        raise ValueError(
            f"{name}: each layer and direction takes (wx, wh), (wx, wh, bx) or (wx, wh, bx, bh), matrices and vectors; "
            f"got {', '.join([f'{path} {w.shape}' for path, w in group]) or 'an empty tuple'}"
            + ("; a projection of h (PyTorch's proj_size) is not supported" if projects else "")
        )


def check_weights(name, x, groups, directions, layout):
    """The size of h; raises unless each weight has the shape that x and this size ask for."""
    one_of(name, "layout", layout, tuple(_NAMES))
    if len(groups) % directions:
        raise ValueError(
            f"{name}: bidirectional=True takes weights for the forward and the backward direction of each layer, an "
            f"even number of tuples, got {len(groups)}"
        )
    gates, size = _GATES[name], _hidden_size(name, groups[0][1], layout)
    for k, group in enumerate(groups):
        layer, backward = divmod(k, directions)
        inputs = size * directions if layer else x.shape[-1]
        why = f"layer {layer} takes the {inputs} outputs of layer {layer - 1}" if layer else f"x is {x.shape}"
        shapes = [(inputs, gates * size), (size, gates * size), (gates * size,), (gates * size,)]
        for (path, w), role, shape in zip(group, _NAMES[layout], shapes):
            wanted = shape[::-1] if layout == "torch" else shape
            if w.shape != wanted:
                of = f"layer {layer}{', backward' if backward else ', forward' if directions == 2 else ''}"
                raise ShapeError(
                    f"{name}: {path} must have shape {wanted}, got {w.shape}: it is {role} of {of}; {why}, h has size "
                    f"{size}, {gates} gate{'s' * (gates > 1)}{_other_layout(layout, w.shape == wanted[::-1] != wanted)}"
                )
    return size


def _hidden_size(name, wh, layout):
    path, w = wh
    gates = _GATES[name]
    shape = w.shape[::-1] if layout == "torch" else w.shape
    if len(shape) != 2 or shape[1] != gates * shape[0]:
        wanted = f"({gates} * H, H)" if layout == "torch" else f"(H, {gates} * H)"
        raise ShapeError(
            f"{name}: {path} is {_NAMES[layout][1]} and must have shape {wanted.replace('1 * ', '')} for some H, got "
            f"{w.shape}{_other_layout(layout, len(shape) == 2 and shape[0] == gates * shape[1])}"
        )
    return shape[0]


def _other_layout(layout, fits):
    other = "knetpy" if layout == "torch" else "torch"
    return f'; it is transposed: write layout="{other}"' if fits else ""


def _states(name, state):
    """[(what the user calls it, array)]: h and c for lstm, h for the others, or nothing."""
    if state is None:
        return []
    pair = isinstance(state, (list, tuple))
    if pair != (name == "lstm") or (pair and len(state) != 2):
        wanted = "a tuple (h, c)" if name == "lstm" else "one array h"
        of = f" of {len(state)}" if pair else ""
        raise TypeError(f"{name}: state must be {wanted}, got a {type(state).__name__}{of}")
    return [(f"state[{i}]", s) for i, s in enumerate(state)] if pair else [("state", state)]


def first_state(name, x, states, shape, ndim):
    """States as (layers * directions, S, B, H); zeros if none were given."""
    wanted = shape if ndim == 3 else (shape[0], shape[2])
    for s, which in zip(states, ("h", "c")):
        if s.shape != wanted:
            raise ShapeError(
                f"{name}: {which} in state must have shape {wanted}, (layers * directions, "
                f"{'B, ' * (ndim == 3)}H), got {s.shape}"
            )
    if not states:
        return np.zeros((shape[0], 2 if name == "lstm" else 1, *shape[1:]), x.dtype, like=bare(x))
    return np.stack([np.reshape(s, shape) for s in states], 1)


def checked_lengths(name, x, lengths, ndim):
    """The lengths as an array, or None if all are full."""
    if lengths is None:
        return None
    times, batch, _ = x.shape
    if ndim == 2:
        raise ValueError(f"{name}: lengths is for batches; x is one sequence, (T, I): write x[:n]")
    lengths = lengths_of(name, "lengths", lengths, batch, times, "T")
    return placed(name, "lengths", lengths, x) if maybe(lengths != times) else None
