"""`python -m knetpy train FILE.py`: epochs of training, saved so that they can be resumed to the last bit."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import ModuleType
from typing import Any
from warnings import catch_warnings, filterwarnings

import numpy as np

import knetpy as kn
from knetpy.core.errors import StoreError
from knetpy.interrupts import uninterrupted
from knetpy.optim.optimizer import Optimizer
from knetpy.parameters.search import Search
from knetpy.store.describe import describe
from knetpy.train.arguments import is_iterable

from .outcome import Failed, Mistake, say
from .score import scorer
from .script import run_script, users_code

FLAGS = {"seed": (int,), "opt": (str, type(None)), "lr": (float, type(None))}  # what a save remembers of the command


def train(options: argparse.Namespace) -> None:
    """Run the script, train on what it defines, save, and print a line for each epoch."""
    prepared(options).run()


def prepared(options: argparse.Namespace) -> Training:
    """The training that a command asks for, at its beginning or where its save left it."""
    earlier = earlier_save(options)
    flags = {name: getattr(options, name) for name in FLAGS}
    if earlier:
        flags = {name: earlier["run"][name] if given is None else given for name, given in flags.items()}
        if flags["seed"] != earlier["run"]["seed"]:
            raise Mistake(f"{options.save} was made with --seed {earlier['run']['seed']}; resume with that, or none")
        refuse_another_rule(options, earlier)
    flags["seed"] = flags["seed"] or 0
    kn.seed(flags["seed"])
    training = Training(run_script(options.file), flags, options)
    if earlier:
        training.resume(earlier)
    return training


def refuse_another_rule(options: argparse.Namespace, earlier: dict[str, Any]) -> None:
    """Refuse --opt where the save has the state of another rule."""
    made, state = earlier["run"]["opt"], earlier["opt"]
    found = made or (state.get("rule") if isinstance(state, dict) else None)  # without --opt it was the script's
    if options.opt not in (None, found):
        how = f"with --opt {made.lower()}; resume with that, or none" if made else "without --opt; resume without it"
        raise Mistake(f"{options.save} was made {how}")


class Training:
    """What a script and the options say. `tree` is what is saved: all that the next epoch depends on."""

    def __init__(self, script: ModuleType, flags: dict[str, Any], options: argparse.Namespace):
        self.file, self.path, self.epochs, self.every = options.file, options.save, options.epochs, options.every
        self.loss, self.data, self.evaluate = self._defined(script)
        if self.epochs > 1 and hasattr(self.data, "__next__"):
            raise Mistake(
                f"data in {self.file} is a {type(self.data).__name__}, which can be gone through only once; make it a "
                "list, kn.minibatch or kn.data.DataLoader, or pass --epochs 1"
            )
        self.opt = self._optimizer(script, flags)
        self.score = scorer(self.file, vars(script), self.opt)
        self.done = self.saved = 0  # epochs
        self.tree: dict[str, Any] = {
            "loss": self.loss,
            **{name: vars(script)[name] for name in ("model", "state") if name in vars(script)},
            "random": kn.random,
            "run": {"epoch": 0, **flags},
        }
        if (loader := loader_in(self.data)) is not None:
            self.tree["data"] = loader
        self.tree["opt"] = self.opt  # after the models, whose params its state belongs to

    def _defined(self, script: ModuleType) -> tuple[Callable, Any, Callable | None]:
        """The loss, the data and what evaluates, if they are what they are called."""
        names = vars(script)
        for name, what in (("loss", "a function of a batch"), ("data", "an iterable of batches")):
            if name not in names:
                raise Mistake(f"{self.file} does not define {name}, {what}")
        for name in ("loss", "evaluate"):
            if name in names and not callable(names[name]):
                raise Mistake(f"{name} in {self.file} must be a function, got {type(names[name]).__name__}")
        if not is_iterable(names["data"]):
            raise Mistake(f"data in {self.file} must be an iterable of batches, got {type(names['data']).__name__}")
        return names["loss"], names["data"], names.get("evaluate")

    def _optimizer(self, script: ModuleType, flags: dict[str, Any]) -> Optimizer:
        opt = rules()[flags["opt"].lower()]() if flags["opt"] else vars(script).get("opt", kn.Adam())
        if not isinstance(opt, Optimizer):
            raise Mistake(f"opt in {self.file} must be an optimizer such as kn.Adam(), got {type(opt).__name__}")
        if flags["lr"] is not None:
            self._set_lr(opt, flags["lr"])
        return opt

    def _set_lr(self, opt: Optimizer, lr: float) -> None:
        if not hasattr(opt, "lr"):
            raise Mistake(f"--lr: {type(opt).__name__} has no lr; set it in {self.file}")
        opt.lr = lr

    # --------------------------------------------------------------------------------------------------- saves

    def resume(self, earlier: dict[str, Any]) -> None:
        """Go on from a save; `earlier` is what it holds."""
        holder, wanted = earlier["loss"], self.tree["run"]["lr"]
        if isinstance(holder, dict) and set(holder) - set(Search(kn.Moments).over((self.loss,), {})):
            # a model makes its params in its first call; their values come from the file
            with users_code(), kn.training(True):
                first = next(iter(self.data))
                self.loss(*first if isinstance(first, tuple) else (first,))
        self.tree["run"] = dict(earlier["run"])
        try:
            kn.load(self.path, self.tree)
        except (StoreError, OSError) as misfit:
            sentence = str(misfit).replace("; strict=False loads what fits", "")  # which is for who calls kn.load
            raise Failed(
                f"cannot resume: {sentence}; resume with the script that the save was made with, or train anew with "
                "another --save"
            ) from None
        self.done = self.saved = self.tree["run"]["epoch"]
        if wanted != earlier["run"]["lr"]:  # else it is what the script has made of it, which is in the save
            self._set_lr(self.opt, wanted)
            self.tree["run"]["lr"] = wanted

    def save(self) -> None:
        """Save after an epoch, if it is one that is saved; Ctrl-C waits for it."""
        if not self.path or (self.done % self.every and self.done < self.epochs):
            return
        self.tree["run"]["epoch"] = self.done
        with saving(), uninterrupted():
            kn.save(self.path, self.tree)
            self.saved = self.done

    def last_save(self) -> str:
        """What a message says at its end of how to go on."""
        if not self.path:
            return "nothing was saved, which --save PATH does"
        if not self.saved:
            return "nothing was saved yet"
        return f"the last save is {self.path}, of epoch {self.saved}, and --resume goes on from it"

    # -------------------------------------------------------------------------------------------------- epochs

    def run(self) -> None:
        """Train from the epoch that was reached to the last one."""
        if self.done >= self.epochs:
            say(f"nothing to do: {self.path} has reached epoch {self.done}; --epochs {self.done + 1} trains on")
            return
        if self.path:
            with saving():  # better now than after an epoch
                describe(self.tree)
        seed = self.tree["run"]["seed"]
        say(f"{self.file}: {self.opt!r}, epochs {self.done + 1} to {self.epochs}, seed {seed}, threads {kn.threads()}")
        for epoch in range(self.done + 1, self.epochs + 1):
            try:
                self.epoch(epoch)
                self.done = epoch
                self.save()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"in epoch {epoch}; {self.last_save()}") from None
            except Failed as failure:
                ending = "\n" if "\n" in str(failure) else "; "  # a traceback has lines of its own
                raise Failed(f"epoch {epoch}: {failure}{ending}{self.last_save()}") from None
        if self.path:
            say(f"saved: {self.path}")

    def epoch(self, number: int) -> None:
        """Train for one epoch, evaluate, and print what came out."""
        begin, message, total, count = perf_counter(), f"epoch {number}/{self.epochs}", 0.0, 0
        with users_code(), catch_warnings():
            filterwarnings("ignore", "minimize: the loss", UserWarning)  # said below
            for value in kn.progress(kn.minimize(self.loss, self.data, self.opt), message):
                total, count = total + float(value), count + 1
        if not count:
            raise Failed("data gave nothing")
        if not math.isfinite(total):
            raise Failed(f"the loss became {total / count}; kn.check_nonfinite() in the script finds where")
        seconds = perf_counter() - begin
        with users_code():
            scores = self.score() if self.score else None
            found = self.evaluate() if self.evaluate else None
            say(f"{message}: loss {total / count:.4g}{shown(scores)}{shown(found)}, {seconds:.1f} s")


@contextmanager
def saving() -> Iterator[None]:
    """Tell what cannot be saved in a sentence; other errors are those of a state() of the user's."""
    with users_code():
        try:
            yield
        except (OSError, TypeError, ValueError) as failure:
            raise Failed(f"it cannot be saved: {failure}") from None


def shown(found: Any) -> str:
    """What a line says of the result of `evaluate`: a number, a dict of numbers, or anything that prints."""
    if found is None:
        return ""
    numbers = found if isinstance(found, dict) else {"evaluate": found}
    is_number = (float, np.floating)
    return "".join([f", {k} {v:.4g}" if isinstance(v, is_number) else f", {k} {v}" for k, v in numbers.items()])


def rules() -> dict[str, type[Optimizer]]:
    """The rules of `kn.optim` that can be made without arguments and update any array, by their names in lower case.

    Muon is for matrices only: it goes together with another rule for biases, as kn.optim.Choose in a script.
    """
    classes = [x for x in vars(kn.optim).values() if isinstance(x, type) and issubclass(x, Optimizer)]
    return {x.__name__.lower(): x for x in classes if x.moves and "lr" in x.settings and x is not kn.optim.Muon}


def rule(text: str) -> str:
    """What argparse calls to read the name of a rule."""
    known = rules()
    if text.lower() not in known:
        names = ", ".join(sorted(known))
        if text.lower() == "muon":
            raise argparse.ArgumentTypeError(
                "muon updates matrices only; write in the script opt = kn.optim.Choose(lambda path, w: 'muon' if "
                "w.ndim > 1 else 'adam', muon=kn.optim.Muon(), adam=kn.Adam())"
            )
        raise argparse.ArgumentTypeError(f"there is no rule {text!r}; those of kn.optim are {names}")
    return known[text.lower()].__name__


def loader_in(data: Any) -> Any:
    """The loader whose position is to be saved: data itself, or what it goes through again, as kn.train.repeat does."""
    while data is not None:
        if callable(getattr(data, "state", None)) and callable(getattr(data, "restore", None)):
            return data
        data = getattr(data, "data", None)
    return None


def earlier_save(options: argparse.Namespace) -> dict[str, Any] | None:
    """What is in the save to resume, None if there is nothing to resume; raises for a path that cannot be saved to."""
    path = options.save
    if path is None:
        if options.resume:
            raise Mistake("--resume needs --save PATH, the file to go on from")
        return None
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise Mistake(f"--save: there is no folder {folder}; make it first")
    if os.path.isdir(path):
        raise Mistake(f"--save: {path} is a folder; name a file in it")
    if not os.path.exists(path):
        if options.resume:
            say(f"{path} is not there yet; beginning with epoch 1")
        return None
    if not options.resume:
        raise Mistake(f"--save: {path} exists; pass --resume to go on from it, or another name, or remove it")
    try:
        tree = kn.load(path)
    except (StoreError, OSError) as failure:
        raise Failed(f"cannot resume: {failure}") from None
    run = tree.get("run") if isinstance(tree, dict) and {"loss", "opt", "random"} <= set(tree) else None
    if not is_run(run):
        raise Failed(f"cannot resume: {path} is no save of `python -m knetpy train`")
    return tree


def is_run(run: Any) -> bool:
    """Whether this is what a save says of the command and how far it came."""
    kinds = {"epoch": (int,), **FLAGS}
    if not isinstance(run, dict) or set(run) != set(kinds) or not all(type(run[k]) in kinds[k] for k in kinds):
        return False
    return run["epoch"] >= 1 and 0 <= run["seed"] < 2**64 and (run["opt"] is None or run["opt"].lower() in rules())
