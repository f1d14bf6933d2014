"""Search for good settings where there is no gradient: `goldensection` and `hyperband`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import told
from ..ops.arguments import count_of, flag, number
from .arguments import function_of

FARTHEST = 1e15  # a step that has grown to this has no minimum before it


@told
def goldensection(
    f: Callable,
    n: int,
    *,
    dxmin: float = 0.1,
    accel: float = 1.618033988749895,
    history: list | None = None,
    verbose: bool = False,
) -> tuple[float, np.ndarray]:
    """Search for the minimum of `f` with steps along one axis at a time, by golden section.

    It starts at zeros with steps of 1. A step that finds less is taken, and the next along that axis is longer; after
    one that does not, it goes the other way, shorter. The axis with the largest gain to be expected is next. Settings
    that are positive take f(x0 * np.exp(x)), where x0 is the first guess.

    Parameters:
      f: a function of a float64 array (n,) that returns a number; NaN says that it is out of range there.
      n: how many axes, an integer of at least 1.
      dxmin=0.1: it ends when no step is longer, above 0.
      accel=1.618033988749895: by what a step grows or shrinks, above 1.
      history=None: a list of (x, f(x)); f is not called again for an x in it, and each call is appended.
      verbose=False: print a line for each step.
    Returns: (the least f(x), its x).
    Raises: TypeError and ValueError for arguments of the wrong kind; ValueError if f falls without end, or is NaN or
      infinite for every x.
    Source: Knet.jl's function of that name.

    >>> import numpy as np, knetpy as kn
    >>> least, x = kn.train.goldensection(lambda x: (x[0] - 2) ** 2 + (x[1] + 1) ** 2, 2, dxmin=0.01)
    >>> bool(least < 0.001), x.round(1).tolist()
    (True, [2.0, -1.0])
    """
    name = "goldensection"
    function_of(name, "f", f, "goldensection(lambda x: ..., 2)")
    n, dxmin, accel = count_of(name, "n", n, 1), number(name, "dxmin", dxmin, above=0), number(name, "accel", accel)
    if accel <= 1:
        raise ValueError(f"{name}: accel must be above 1, got {accel}")
    if not (history is None or isinstance(history, list)):
        raise TypeError(f"{name}: history must be a list of (x, f(x)), got {type(history).__name__}")
    return descend(remembered(f, [] if history is None else history), n, dxmin, accel, flag(name, "verbose", verbose))


def descend(known: Callable, n: int, dxmin: float, accel: float, verbose: bool) -> tuple[float, np.ndarray]:
    """The search itself; `known` gives f(x), inf where it is out of range."""
    best, dx, gains = np.zeros(n), np.ones(n), np.full(n, np.inf)
    least = known(best)
    while abs(dx).max() > dxmin:
        i = int(gains.argmax())
        x = best.copy()
        x[i] += dx[i]
        found = known(x)
        if verbose:
            print(f"goldensection: f({x.tolist()}) = {found:.6g}, the least so far {least:.6g} at {best.tolist()}")
        if found < least:
            dx[i], gains[i] = accel * dx[i], accel * (least - found)
            best, least = x, found
            if abs(dx[i]) > FARTHEST:
                raise ValueError(f"goldensection: f falls without end along axis {i}: it is {least} at {best.tolist()}")
            short = abs(dx) < dxmin * accel  # elsewhere there may be more to gain by now
            dx[short], gains[short] = np.sign(dx[short]) * dxmin * accel, np.maximum(gains[short], 0)
        else:
            rise = found - least if found < math.inf else gains[i]
            dx[i], gains[i] = -dx[i] / accel, rise / accel
            if abs(dx[i]) < dxmin:
                gains[i] = -1
    if least == math.inf:
        raise ValueError("goldensection: f(x) was no finite number for any x; look at what f returns for zeros")
    return least, best


def remembered(f: Callable, history: list) -> Callable[[np.ndarray], float]:
    """`f` as floats, with inf for NaN, called once for each x."""

    def known(x: np.ndarray) -> float:
        value = next((value for at, value in history if np.shape(at) == x.shape and np.allclose(at, x)), None)
        if value is None:
            value = float(f(x.copy()))
            history.append((x.copy(), value))
        return math.inf if math.isnan(value) else float(value)

    return known


@told
def hyperband(
    getconfig: Callable, getloss: Callable, maxresource: float = 27, reduction: int = 3
) -> tuple[float, float, Any]:
    """Search for the best of random configurations: many are trained a little, the better ones longer.

    Parameters:
      getconfig: a function without arguments that returns a random configuration, of any type.
      getloss: called as getloss(config, resource), it returns the loss with that much of a resource, such as epochs;
        NaN is the worst.
      maxresource=27: how much at most is spent on one configuration, at least 1.
      reduction=3: of so many configurations one gets so many times as much in the next round, an integer of at least 2.
    Returns: (the least loss, the resource with which it was reached, its configuration).
    Raises: TypeError and ValueError for arguments of the wrong kind; ValueError if every loss is NaN or inf.
    Source: Li et al. 2016, algorithm 1.

    >>> import numpy as np, knetpy as kn
    >>> rng = np.random.default_rng(1)
    >>> loss, resource, lr = kn.train.hyperband(lambda: 10 ** rng.uniform(-4, 0), lambda lr, n: abs(lr - 0.1) + 1 / n)
    >>> resource, bool(0.05 < lr < 0.2)
    (27, True)
    """
    function_of("hyperband", "getconfig", getconfig, "hyperband(lambda: ..., getloss)")
    function_of("hyperband", "getloss", getloss, "hyperband(getconfig, lambda config, resource: ...)")
    maxresource = number("hyperband", "maxresource", maxresource, least=1)
    reduction = count_of("hyperband", "reduction", reduction, least=2)
    rounds = 0
    while reduction ** (rounds + 1) <= maxresource:
        rounds += 1
    best: tuple = (math.inf, 0, None)
    for s in range(rounds, -1, -1):
        configs = [getconfig() for _ in range(math.ceil((rounds + 1) * reduction**s / (s + 1)))]
        for i in range(s, -1, -1):
            resource = maxresource / reduction**i
            resource = int(resource) if resource.is_integer() else resource
            losses = [float(getloss(config, resource)) for config in configs]
            losses = [math.inf if math.isnan(loss) else loss for loss in losses]
            order = sorted(range(len(configs)), key=losses.__getitem__)
            if losses[order[0]] < best[0]:
                best = losses[order[0]], resource, configs[order[0]]
            configs = [configs[k] for k in order[: len(order) // reduction]]
            if not configs:
                break
    if best[0] == math.inf:
        raise ValueError("hyperband: no configuration had a loss that is a finite number; look at what getloss returns")
    return best
