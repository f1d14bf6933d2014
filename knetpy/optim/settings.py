"""What settings may be, and what is told about others."""

from __future__ import annotations

import math
import numbers
from importlib import import_module
from typing import Any

import numpy as np

from ..calls import nearest
from ..ops.arguments import flag, number, whole
from ..parameters.search import named_params

# The kinds of settings: numbers from the first on and below the second, which may be functions of the step; and
# numbers above 0, integers of at least 1, of at least 0, and what is true or false, which may not.
AMOUNT, SHARE, FACTOR = (0, math.inf), (0, 1), (1, math.inf)
POSITIVE, COUNT, NATURAL, FLAG = "positive", "count", "natural", "flag"
Kind = tuple[float, float] | str

SETTINGS = {  # of PyTorch's, and what to write
    "weight_decay": ". Write kn.chain(kn.optim.WeightDecay(rate), opt), or kn.AdamW",
    "momentum": ". Momentum is a rule: kn.Momentum(lr, momentum)",
    "nesterov": ". It is a rule: kn.Nesterov(lr, momentum)",
    "amsgrad": ". It is a rule: kn.AMSGrad(lr)",
    "eta": ". Write lr=0.001",
    "betas": ". Write beta1=0.9, beta2=0.999",
    "alpha": ". Write rho=0.99",
    "params": ". Params are given to update or minimize",
    "maximize": ". Minimize -f",
    "decay": ". A learning rate that changes is a schedule: lr=kn.schedules.Exponential(0.1, 0.99)",
}
ATTRIBUTES = {
    "zero_grad": ": no gradients are kept; each step has new ones, g = kn.grad(loss)(x, y)",
    "param_groups": ": settings are attributes, as opt.lr; for other settings of some params see kn.optim.Choose",
    "state_dict": ": write kn.save(path, {'model': model, 'opt': opt})",
    "load_state_dict": ": write kn.load(path, into={'model': model, 'opt': opt})",
    "minimize": ": write kn.minimize(loss, data, opt)",
    "update": ": write kn.update(params, grads, opt)",
    "apply_gradients": ": write kn.update(params, grads, opt)",
    "learning_rate": ": write opt.lr",
    "eta": ": write opt.lr",
}


def checked(rule: str, name: str, value: Any, kind: Kind) -> Any:
    """The value of a setting, or an error that says what it must be; functions of the step are not for here."""
    if kind == FLAG:
        return flag(rule, name, value)
    if kind in (COUNT, NATURAL):
        count, least = whole(value), int(kind == COUNT)
        if count is None or count < least:
            error = TypeError if count is None else ValueError
            raise error(f"{rule}: {name} must be an integer of at least {least}, got {value!r}")
        return count
    if kind == POSITIVE:
        return number(rule, name, value, above=0)
    if isinstance(value, type):
        raise TypeError(
            f"{rule}: {name} is the class {value.__name__}; make one, such as kn.schedules.Cosine(1e-3, 100)"
        )
    if not is_number(value):
        hint = f"; params are given to update or minimize, not to the optimizer: {spelled(rule)}({name}=...)"
        hint = "" if isinstance(value, str) else hint
        raise TypeError(f"{rule}: {name} must be a number, got {type(value).__name__}{hint}")
    low, high = kind  # type: ignore[str-unpack]
    if not low <= value < high:
        raise ValueError(f"{rule}: {name} must be at least {low} and less than {high}, got {value}")
    return float(value)


def no_setting(name: str, known: tuple[str, ...]) -> str:
    """The end of a sentence about a name that is no setting."""
    told = SETTINGS.get(name)
    return f"has no setting {name!r}{nearest(name, () if told else known)} has {', '.join(known) or 'none'}{told or ''}"


def spelled(rule: str) -> str:
    """The name of a rule as a program writes it: kn.SGD, kn.optim.EMA; a user's own has no more than its name."""
    package = import_module(__package__.partition(".")[0])
    rooms = {"kn": dir(package), "kn.optim": dir(package.optim)}
    return next((f"{room}.{rule}" for room, names in rooms.items() if rule in names), rule)


def is_number(x: Any) -> bool:
    """Whether `x` is a real number of Python's or NumPy's; not a boolean, a time or an array."""
    return isinstance(x, numbers.Real) and not isinstance(x, (bool, np.bool_, np.timedelta64))


def is_schedule(x: Any) -> bool:
    """Whether `x` may be a function of the step: not a class, nor a model, as users of PyTorch may pass."""
    return callable(x) and not isinstance(x, type) and not named_params(x)
