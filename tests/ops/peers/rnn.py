"""Recurrent layers against PyTorch's, final states included."""

from itertools import product

import knetpy as kn
from tests.ops.peer import Case, torch
from tests.ops.rows.rnn import grouped, shapes_of

MODULES = {kn.lstm: "LSTM", kn.gru: "GRU", kn.rnn: "RNN"}


def ours(op, layers, biases, args, options):
    x, groups, states = grouped(args, layers, biases, **options)
    first = (tuple(states) if op is kn.lstm else states[0]) if states else None
    y, last = op(x, groups, first, **options)
    return (y, *last) if op is kn.lstm else (y, last)


def theirs(op, layers, biases, args, options):
    """The module with our arrays for its parameters."""
    options = dict(options)
    lengths, first = options.pop("lengths", None), not options.pop("time_major", False)
    del options["layout"]
    x, groups, states = grouped(args, layers, biases, **options)
    weights = [w for group in groups for w in group]
    size = groups[0][1].shape[1]
    options |= {"num_layers": layers, "bias": biases > 0, "batch_first": first, "dtype": x.dtype}
    net = getattr(torch.nn, MODULES[op])(x.shape[-1], size, **options)
    params = dict(zip([name for name, _ in net.named_parameters()], weights))
    state = (tuple(states) if op is kn.lstm else states[0]) if states else None
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    if lengths is None:
        y, last = torch.func.functional_call(net, params, (x, state))
    else:
        packed = pack(x, torch.tensor(lengths), batch_first=first, enforce_sorted=False)
        y, last = torch.func.functional_call(net, params, (packed, state))
        y, _ = unpack(y, batch_first=first, total_length=x.shape[1 if first else 0])
    return (y, *last) if op is kn.lstm else (y, last)


def case(name, op, x=(2, 3, 2), size=2, layers=1, biases=2, state=False, **options):
    options["layout"] = "torch"
    return Case(
        f"{op.__name__} {name}",
        lambda *args: ours(op, layers, biases, args, options),
        lambda *args: theirs(op, layers, biases, args, options),
        shapes_of(op, x, size, layers, biases, state, **options),
    )


def before(x, wx, wh, bx, bh, h):
    """One layer of gru with reset="before"."""
    size, ys = wh.shape[0], []
    cut = 2 * size
    for t in range(x.shape[1]):
        p = x[:, t] @ wx + bx
        r, z = torch.sigmoid(p[:, :cut] + h @ wh[:, :cut] + bh[:cut]).split(size, 1)
        n = torch.tanh(p[:, cut:] + (r * h) @ wh[:, cut:] + bh[cut:])
        h = (1 - z) * n + z * h
        ys.append(h)
    return torch.stack(ys, 1), h


def before_case(x, size):
    return Case(
        f"gru before {x} {size}",
        lambda x, wx, wh, bx, bh, h: kn.gru(x, (wx, wh, bx, bh), h[None], reset="before"),
        lambda *args: [y if y.ndim == 3 else y[None] for y in before(*args)],
        (*shapes_of(kn.gru, x, size), (x[0], size)),
    )


KINDS = ((kn.lstm, {}), (kn.gru, {}), (kn.rnn, {}), (kn.rnn, {"nonlinearity": "relu"}))
CASES = [
    case(
        f"{' '.join(how.values())} {layers} {sides} {biases} {state} {lengths}".strip(),
        op,
        layers=layers,
        biases=biases,
        state=state,
        **({"bidirectional": True} if sides == 2 else {}),
        **({"lengths": lengths} if lengths else {}),
        **how,
    )
    for op, how in KINDS
    for layers, sides, lengths in product((1, 2), (1, 2), (None, [1, 3]))
    for biases, state in ((2, True), (0, True), (2, False))
    if not how or (biases and state)
]
CASES += [case("time first", op, x=(4, 3, 2), time_major=True, lengths=[2, 4, 1]) for op in MODULES]
CASES += [case("one sequence", op, x=(4, 3), layers=2, state=True, bidirectional=True) for op in MODULES]
CASES += [case("wide", op, x=(3, 5, 4), size=5, layers=1, state=False) for op in MODULES]
CASES += [before_case((batch, times, 3), size) for batch, times, size in product((1, 2), (1, 3, 4), (1, 3))]
