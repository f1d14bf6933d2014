"""Recurrent networks with every option, by all of their weights and states, against PyTorch's modules."""

import numpy as np

import knetpy as kn
from tests.draws.draw import Draw
from tests.ops.peers.rnn import before, ours, theirs
from tests.ops.rows.rnn import grouped

GATES = {kn.lstm: 4, kn.gru: 3, kn.rnn: 1}


def _shapes(dice, op, batched, options):
    """(shapes of x, weights and states; layers, biases)"""
    layers, biases, state = dice.pick(1, 1, 2), dice.pick(0, 2, 2), dice.chance(0.5)
    sides = 2 if options.get("bidirectional") else 1
    batch, steps, depth, size = dice.size(8), dice.integer(1, 10), dice.size(16, 0), dice.size(20, 0)
    if dice.chance(0.05):
        batch, steps, depth, size = [dice.integer(*ends) for ends in ((16, 40), (10, 20), (32, 130), (32, 130))]
    rows = GATES[op] * size
    x = (steps, depth) if not batched else (steps, batch, depth) if options.get("time_major") else (batch, steps, depth)
    shapes = [x]
    for layer in range(layers):
        inputs = depth if layer == 0 else sides * size
        shapes += [(rows, inputs), (rows, size), *[(rows,)] * biases] * sides
    states = (layers * sides, batch, size) if batched else (layers * sides, size)
    return shapes + [states] * (state * (2 if op is kn.lstm else 1)), layers, biases


def recurrent(op):
    def draw(dice):
        dtype, batched = dice.dtype(), dice.chance(0.9)
        options = {"layout": "torch"}
        options |= {"bidirectional": True} if dice.chance(0.3) else {}
        options |= {"time_major": True} if batched and dice.chance(0.4) else {}
        options |= {"nonlinearity": dice.pick("tanh", "relu")} if op is kn.rnn else {}
        shapes, layers, biases = _shapes(dice, op, batched, options)
        batch = shapes[0][1 if options.get("time_major") else 0] if batched else 0
        steps = shapes[0][0 if options.get("time_major") or not batched else 1]
        if batch and dice.chance(0.3):
            options["lengths"] = dice.rng.integers(1, steps + 1, batch)
        arrays = [dice.array(s, dtype, 1.0 if n == 0 else 0.4) for n, s in enumerate(shapes)]
        about = f"{layers} layers, {biases} biases, {options}"
        call = dice.pick(ours, _turned)
        return Draw(about, lambda *xs: call(op, layers, biases, xs, options),
                    lambda *xs: theirs(op, layers, biases, xs, options), arrays,
                    special="lengths" not in options, poison=(np.nan,), ties=False, slack=4)  # fmt: skip

    return draw


def _turned(op, layers, biases, args, options):
    """The same weights in our layout."""
    x, groups, states = grouped(args, layers, biases, **options)
    weights = [w.T if w.ndim == 2 else w for group in groups for w in group]
    return ours(op, layers, biases, [x, *weights, *states], {**options, "layout": "knetpy"})


def before_reset(dice):
    """One layer of gru with reset="before"."""
    batch, steps, depth, size, dtype = dice.size(6), dice.integer(1, 8), dice.size(9, 0), dice.size(9, 0), dice.dtype()
    shapes = (batch, steps, depth), (depth, 3 * size), (size, 3 * size), (3 * size,), (3 * size,), (batch, size)

    def formula(*args):
        y, h = before(*args)
        return y, h[None]

    def call(x, wx, wh, bx, bh, h):
        return kn.gru(x, (wx, wh, bx, bh), h[None], reset="before")

    return Draw("", call, formula, [dice.array(s, dtype, 0.5) for s in shapes], special=False, ties=False, slack=4)


FAMILIES = {op.__name__: recurrent(op) for op in GATES} | {"gru before": before_reset}
