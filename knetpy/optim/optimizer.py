"""What every optimizer has: settings that may be changed at any time, and a state for each array it has updated."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core.errors import DtypeError
from ..devices import GPU, on_gpu
from ..graphs import capture
from ..interrupts import uninterrupted
from ..kernels import kernel
from ..ops.rowsparse import RowSparse
from . import captured
from .settings import AMOUNT, ATTRIBUTES, SHARE, Kind, checked, is_number, is_schedule, no_setting, spelled
from .state import Pairs, State, identity, readable, undoing, working_dtype, writable

_step = kernel("optim", "step")


class Optimizer:
    """The base of the rules. A rule says what it remembers of an array (`init`) and how a step changes it (`formula`).

    The formula is a static method (w, g, *state, *numbers) -> (w, *state), written with operators and NumPy's
    functions for one element or whole arrays alike; `numbers` are what it takes from the settings. Of it a kernel is
    made that goes over all arrays once. What cannot be written so is a method `step` instead.

    The parameters of `__init__` are the settings: attributes that may be changed at any time; the next step goes by
    them. The state belongs to the Param or array and is dropped with it; one that was never updated has none. A copy
    and an unpickled optimizer have the settings but no state.

    Attributes:
      settings: the names of the settings.
      kinds: {name: kind} of the settings that are checked; a class adds its own to those of its base.
      moves: whether it can be an update by itself, or else is for a `chain` with a rule.
      place: "before" the rules of a chain, "after" them, or "" where it may stand anywhere.
      fused: whether the formula makes the step, of all arrays at once.
      fixed: names of the settings that decide what is remembered, and cannot be changed later.
      idle: whether a step along zeros changes neither array nor state, so that rows without gradient can wait.
      real: whether it takes no complex params; others get them as real ones with a last axis of two.
      rescales: whether the gradients that it takes are those of the loss times its setting scale.
      states, warned: what is remembered about each array, and the Params that were said to be untouched.

    >>> import numpy as np, knetpy as kn
    >>> class Momentum(kn.optim.Optimizer):
    ...     kinds = {"gamma": (0, 1)}  # at least 0, less than 1; lr has a range from the base
    ...     def __init__(self, lr=0.05, gamma=0.9):
    ...         self.lr, self.gamma = lr, gamma
    ...     def init(self, w):
    ...         return (np.zeros_like(w),)
    ...     @staticmethod
    ...     def formula(w, g, v, lr, gamma):
    ...         v = gamma * v - lr * g
    ...         return w + v, v
    ...     def numbers(self, t):
    ...         return self.lr, self.gamma
    >>> w = kn.param([1.0, 2.0])
    >>> kn.update(w, np.ones(2, "f4"), Momentum(lr=0.5))
    >>> w.value
    array([0.5, 1.5], dtype=float32)
    """

    settings: tuple[str, ...] = ()
    kinds: dict[str, Kind] = {"lr": AMOUNT, "beta1": SHARE, "beta2": SHARE, "eps": AMOUNT}
    fixed: tuple[str, ...] = ()
    formula: Any = None
    moves = True
    place = ""
    fused = idle = real = rescales = False
    states: dict[Any, State]
    warned: set[int]  # serial numbers

    def __init__(self) -> None:
        pass  # no settings

    def __init_subclass__(cls) -> None:
        cls.kinds = {k: kind for base in cls.__mro__[::-1] for k, kind in vars(base).get("kinds", {}).items()}
        cls.settings = tuple(inspect.signature(cls.__init__).parameters)[1:]
        cls.fused = cls.step is Optimizer.step and cls.formula is not None

    def __new__(cls, *args: Any, **options: Any) -> Optimizer:
        first = cls.settings[0] if cls.settings else ""
        if args and isinstance(cls.kinds.get(first), tuple) and not (is_number(args[0]) or is_schedule(args[0])):
            checked(cls.__name__, first, args[0], cls.kinds[first])
        if unknown := set(options) - set(cls.settings):
            raise TypeError(f"{cls.__name__} {no_setting(unknown.pop(), cls.settings)}")
        self = super().__new__(cls)
        object.__setattr__(self, "states", {})
        object.__setattr__(self, "warned", set())
        return self

    def __getattr__(self, name: str) -> Any:
        silent = {"name": None} if name in ATTRIBUTES else {}  # or Python would add the nearest name
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{ATTRIBUTES.get(name, '')}", **silent)

    def init(self, w: Any) -> tuple:
        """The arrays to remember about `w`, at its first update; `w` has the dtype that `step` computes in."""
        return ()

    def numbers(self, t: int) -> tuple:
        """What the formula takes after the state, at the `t`-th update of an array: Python numbers."""
        return ()

    def step(self, w: Any = None, g: Any = None, state: tuple = (), t: int = 0) -> None:
        """Write new values into the bare array `w` and into its `state`, from the gradient `g`, at its `t`-th update.

        `g` and the state are float32 if `w` is float16, else they have its dtype. This one goes by the formula.
        """
        if w is None:
            raise TypeError(
                f"{type(self).__name__}.step() is for kn.update to call: write kn.update(params, grads, opt)"
            )
        if self.formula is None:
            raise TypeError(f"{type(self).__name__} has no formula, and no step(self, w, g, state, t)")
        if g.shape != w.shape or g.dtype != working_dtype(w):  # a rule that calls this one may have computed it
            g = np.broadcast_to(g, w.shape).astype(working_dtype(w))
        _step(w, [(w, g, *state)], [self.numbers(t)], self.formula)

    def apply(self, pairs: Pairs, path_of: Callable) -> None:
        """Update each Param or array by its gradient. Trusts its caller, which is `update`, to have checked them.

        `path_of` says what path a Param or array has in the first argument of `update`.
        """
        if not self.moves:
            rule = next(type(x).__name__ for x in (*self.inside(), self) if not x.moves)
            raise TypeError(f"{rule} moves no params by itself; write kn.chain, with a rule such as kn.Adam(), of both")
        with np.errstate(all="ignore"):
            _, writes = self.plan(pairs, path_of)  # what may fail comes before the first write
            undo = undoing(self, pairs) if self.may_fail(pairs) else None
            with uninterrupted():
                try:
                    for write in writes:
                        write()
                except BaseException:
                    if undo:
                        undo()
                    raise

    def plan(self, pairs: Pairs, path_of: Callable) -> tuple[Pairs, list[Callable]]:
        """What the next of a chain gets, and the functions that will write; this writes nothing."""
        states = [self.state(target) for target, _ in pairs]
        now = self._at(1 + max([state.t for state in states], default=0))  # a layer that joins late has the same rate
        numbers = {t: now.numbers(t) for t in {state.t + 1 for state in states}}
        whole = [(w, g.dense() if g.__class__ is RowSparse and not self._by_rows(g) else g) for w, g in pairs]
        return pairs, [partial(self._write, whole, states, now, numbers)]

    def _by_rows(self, g: RowSparse) -> bool:
        """Whether only the rows that a gradient has are updated: where that was asked for, or makes no difference.

        On a GPU the latter would take longer, as the number of different rows must be waited for.
        """
        return getattr(self, "lazy", False) or (self.idle and not on_gpu(g.values))

    def _write(self, pairs: Pairs, states: list[State], now: Optimizer, numbers: dict[int, tuple]) -> None:
        """Make the step of each array: with settings as they are now, and numbers of its own update."""
        if capture():
            numbers = captured.numbers(self, states, numbers)
        together: dict[Any, list] = {}
        back: list[tuple] = []  # (arrays, rows, what these rows become), of what is updated by rows
        for (target, g), state in zip(pairs, states):
            w, arrays = writable(target), state.arrays
            if g.__class__ is RowSparse:
                g = g.summed()
                some = tuple([array[g.rows] for array in (w, *arrays)])
                back.append(((w, *arrays), g.rows, some))
                w, arrays, g = some[0], some[1:], g.values
            if self.fused:
                together.setdefault((w.__class__, w.dtype), []).append(((w, g, *arrays), numbers[state.t + 1]))
            else:
                now.step(w, g.astype(working_dtype(w), copy=False), arrays, state.t + 1)
        for steps in together.values():
            _step(steps[0][0][0], *zip(*steps), self.formula)
        for arrays, rows, new in back:
            for array, values in zip(arrays, new):
                array[rows] = values
        self._count(states)

    def _count(self, states: list[State]) -> None:
        """Remember the states, which have been updated once more; of a step that is captured, when it is launched."""
        if capture():
            captured.count(self, states)
            return
        for state in states:
            self.states[state.key] = state
            state.t += 1

    def _at(self, t: int) -> Optimizer:
        """This; if settings are functions of the step, one that has their values at the `t`-th update."""
        scheduled = [name for name, x in vars(self).items() if name in self.kinds and callable(x)]
        if not scheduled:
            return self
        now = copy.copy(self)
        for name in scheduled:
            setattr(now, name, self._asked(name, t))
        return now

    def _asked(self, name: str, t: int) -> Any:
        """The value of a setting at the `t`-th update."""
        value = getattr(self, name)
        if name not in self.kinds or not callable(value):
            return value
        value = value(t - 1)
        if not is_number(value):
            raise TypeError(
                f"{type(self).__name__}: {name} is a function of the step and must return a number; "
                f"at step {t - 1} it returned {type(value).__name__}"
            )
        return value

    def now(self, name: str) -> Any:
        """The value of a setting: that of the newest update if it is a function of the step, such as a schedule.

        Parameters:
          name: the name of the setting, such as "lr".
        Raises: TypeError for what is no text, ValueError for an unknown name; of a chain or `Choose` AttributeError if
          several of its parts have such a setting.

        >>> import numpy as np, knetpy as kn
        >>> w, opt = kn.param([0.0]), kn.SGD(lr=kn.schedules.Step(1.0, every=2, factor=0.5))
        >>> for _ in range(4):
        ...     kn.update(w, np.ones(1, "f4"), opt)
        ...     print(opt.now("lr"), end=" ")
        1.0 1.0 0.5 0.5
        """
        if not isinstance(name, str):
            raise TypeError(f'now: name must be that of a setting, such as "lr", got {name!r:.60}')
        if name not in self.settings:
            rule = type(self).__name__
            raise ValueError(f"now: name must be that of a setting; {rule} {no_setting(name, self.known_settings())}")
        return self._asked(name, max([state.t for state in list(self.states.values())], default=1))

    def known_settings(self) -> tuple[str, ...]:
        """The names of the settings that can be read and changed as attributes."""
        return self.settings

    def inside(self) -> tuple[Optimizer, ...]:
        """The optimizers that this one consists of."""
        return ()

    def may_fail(self, pairs: Pairs) -> bool:
        """Whether an update may fail after its first write: where it needs memory in between, or calls a user's code.

        Kernels, which have all they need, do not.
        """
        if not self.fused and type(self).plan is Optimizer.plan:
            return True
        return any([w.dtype.char not in "fd" for w, _ in pairs]) or any([x.may_fail([]) for x in self.inside()])

    def state(self, target: Any) -> State:
        """What is remembered about a Param or array; a fresh state, not remembered yet, if it was never updated."""
        key, owner = identity(target)
        state = self.states.get(key)
        if state is None or state.owner() is not owner:
            if into := capture():
                raise into.unready("the state of the optimizer")
            if self.real and target.dtype.kind == "c":
                raise DtypeError(
                    f"{type(self).__name__}: it goes by rows and columns of real numbers, and an array of shape "
                    f"{target.shape} has dtype {target.dtype}; update it by another optimizer, such as kn.Adam()"
                )
            w = readable(target)
            w = w.astype(working_dtype(w), copy=False)
            state = State(self, key, owner, self.init(w))
            if self.fused and any(a.shape != w.shape or a.dtype != w.dtype for a in state.arrays):
                raise TypeError(f"{type(self).__name__}: init must return arrays of the shape and dtype of w")
        elif GPU:
            state.follow(readable(target))
        return state

    def __setattr__(self, name: str, value: Any) -> None:
        rule = type(self).__name__
        if name not in self.settings:
            raise AttributeError(f"{rule} {no_setting(name, self.known_settings())}")
        if name in self.fixed and name in vars(self):
            if value == vars(self)[name]:
                return
            way = f"{spelled(rule)}({f'{name}={value}' if is_number(value) or isinstance(value, bool) else '...'})"
            raise AttributeError(f"{rule}: {name} decides what is remembered; make another: {way}")
        kind = self.kinds.get(name)
        if kind is not None and not (isinstance(kind, tuple) and is_schedule(value)):
            value = checked(rule, name, value, kind)
        object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple:
        return type(self), tuple(getattr(self, name) for name in self.settings)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)
        return f"{type(self).__name__}({settings})"


def checked_optimizer(opt: Any, caller: str) -> Optimizer:
    """`opt` if it is an optimizer, else an error that says what to write."""
    if isinstance(opt, Optimizer):
        return opt
    if isinstance(opt, type) and issubclass(opt, Optimizer):
        raise TypeError(f"{caller}: opt is the class {opt.__name__}; make one: opt = {spelled(opt.__name__)}()")
    if opt is None:
        raise TypeError(f"{caller}: opt is missing; before the loop write opt = kn.Adam(), and pass it at every step")
    example = f"kn.Adam(lr={opt})" if is_number(opt) else "kn.Adam()"
    raise TypeError(f"{caller}: opt must be an optimizer such as {example}, got {type(opt).__name__}")
