"""Training steps that are captured as CUDA graphs: made eagerly at first, then captured once, then launched again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random, settings
from ..core.errors import PACKAGE, DeviceError, explaining_gpu, place
from ..core.trace import active
from ..core.value import Param
from ..devices import cupy, on_gpu, why_not
from ..graphs import Capture, Refused, Unready, alike_captured
from ..interrupts import uninterrupted
from ..optim.chain import Choose, chain
from ..optim.gradients import ClipGlobalNorm, ClipNorm, ClipValue, SignDecay, WeightDecay
from ..optim.optimizer import Optimizer
from ..parameters.search import Search, named_params
from ..transforms.run import watch
from ..tree import leaves, tree_map
from .signals import Skip, Stop

EAGER = 2  # steps of each kind of batch: they compile kernels, and make what optimizers remember
MOST = 8  # kinds of batches: every graph has memory of its own
OF_GRADIENTS = (ClipValue, ClipNorm, ClipGlobalNorm, WeightDecay, SignDecay)  # all they do, they do on the GPU


def refuse(reason: str) -> DeviceError:
    """What minimize raises for a step that it cannot capture."""
    return DeviceError(
        f"minimize: capture=True, but this step cannot be captured: {reason}. Without capture=True it runs"
    )


def check_capture(loss: Callable, opt: Optimizer, before: Any, check_finite: bool) -> None:
    """Raise for what a captured step cannot be, as far as the arguments tell."""
    if why_not():
        raise refuse(f"no GPU can be used: {why_not()}")
    if before is not None or check_finite:
        option = "check_finite=True" if before is None else "before="
        raise refuse(f"{option} reads the loss and the gradients of each step on the host")
    check_optimizer(opt)
    for path, p in named_params(loss).items():
        if not on_gpu(p.value):
            raise refuse(f"{path} is on the CPU; write kn.gpu(model), or kn.gpu(loss), once")


def check_optimizer(opt: Optimizer) -> None:
    """Raise unless all that a step of the optimizer has from the host are the numbers of its formula."""
    if isinstance(opt, (chain, Choose)):
        for part in opt.inside():
            check_optimizer(part)
        return
    name = type(opt).__name__
    if isinstance(opt, OF_GRADIENTS):
        if any([callable(setting) for setting in vars(opt).values()]):
            raise refuse(f"a setting of {name} is a function of the step, which a graph cannot ask")
    elif not opt.fused or type(opt).plan is not Optimizer.plan:
        raise refuse(f"{name} decides on the host what a step does; rules that have a formula, such as kn.Adam, do not")


class Captured:
    """The steps of a `Minimize`: the first of each kind of batch are eager, then one is captured, and launched again.

    make: makes a step eagerly and returns (loss, gradients). loss: the user's function.
    """

    def __init__(self, make: Callable, opt: Optimizer, loss: Callable):
        self.make, self.opt, self.loss = make, opt, loss
        self.graphs: dict[tuple, Graph] = {}
        self.eager: dict[tuple, int] = {}  # how many steps of a kind were
        self.tries = 0  # to capture a step that was not ready

    def step(self, *args: Any) -> Any:
        """Make one step on these arguments of the loss function, and return the loss before it."""
        if active() or watch():  # whoever looks at each operation sees none of a graph's
            return self.make(*args)[0]
        with explaining_gpu("minimize"):
            return self._step(args)

    def _step(self, args: tuple) -> Any:
        kind = self._kind(args)
        graph = self.graphs.get(kind)
        if graph and not graph.capture.fits():
            del self.graphs[kind]  # params were moved, say; what optimizers remember was loaded
            self.eager[kind], graph = 0, None
        if graph is None:
            graph = self._prepared(kind, args)
            if not isinstance(graph, Graph):
                return graph
        return graph.launch(args)

    def _prepared(self, kind: tuple, args: tuple) -> Any:
        """The graph for a kind of batch, once enough steps were eager; until then the loss of such a step."""
        with alike_captured():
            if self.eager.get(kind, 0) < EAGER:
                if len(self.graphs) >= MOST:
                    raise refuse(f"there are batches of more than {MOST} shapes or other arguments; pad them to a few")
                loss = self.make(*args)[0]
                if not on_gpu(loss):
                    raise refuse("its loss is on the CPU; move the params with kn.gpu(model), once")
                self.eager[kind] = self.eager.get(kind, 0) + 1
                return loss
            try:
                self.graphs[kind] = Graph(self.make, args, self.loss)
            except Unready as reason:
                self.tries += 1
                if self.tries > MOST:
                    raise refuse(str(reason)) from reason
                return self.make(*args)[0]
        return self.graphs[kind]

    def _kind(self, args: tuple) -> tuple:
        """What a graph is bound to: shapes and dtypes of arrays, other arguments, what kernels are chosen by."""
        kinds = [(path, *_kind_of(path, leaf)) for path, leaf in leaves(args)]
        return (id(self.opt), settings.tensor_cores, settings.deterministic, *kinds)


def _kind_of(path: str, leaf: Any) -> tuple:
    if isinstance(leaf, Param):
        return (leaf.uid,)
    if on_gpu(leaf):
        return leaf.shape, leaf.dtype.str
    if isinstance(leaf, np.ndarray):
        raise refuse(
            f"argument{path} of the loss is on the CPU; write kn.gpu(batch), or kn.DataLoader(data, 50, device='gpu')"
        )
    try:
        hash(leaf)
    except TypeError:
        raise refuse(f"argument{path} of the loss is a {type(leaf).__name__}; give arrays, numbers and texts") from None
    return type(leaf), leaf


class Graph:
    """A step that has been captured: its batch is copied into memory of its own, its loss out of it."""

    def __init__(self, make: Callable, args: tuple, loss: Callable):
        before = random.state()
        self.constants = Search(cupy().ndarray).over((loss,), {})  # held here, as the graph reads them
        self.capture = Capture()
        own = tree_map(lambda x: cupy().empty(x.shape, x.dtype) if on_gpu(x) else x, args)
        self.arrays = [x for _, x in leaves(own) if on_gpu(x)]
        try:
            with self.capture.capturing():
                self.loss, gradients = make(*own)
                self.params = list(gradients)
        except BaseException as failure:
            random.restore(before)
            if isinstance(failure, Unready):
                raise
            reason = self.capture.reason or _reason(failure)
            if not reason:
                raise
            raise refuse(f"{reason}{_told(failure)}") from failure
        places = [p.value for p in self.params]
        self.capture.fixed.append(lambda: all([p.value is place for p, place in zip(self.params, places)]))

    def launch(self, args: tuple) -> Any:
        """Make the step on these arguments, and return its loss."""
        with uninterrupted():
            for p in self.params:
                p.writable()  # which counts as a change, and raises inside a transform
            loss = cupy().empty(self.loss.shape, self.loss.dtype)
            for place, x in zip(self.arrays, [x for _, x in leaves(args) if on_gpu(x)]):
                place[...] = x
            self.capture.launch()
            loss[...] = self.loss
        return loss


def _told(failure: BaseException) -> str:
    """Where the user's code was when something failed."""
    if notes := getattr(failure, "__notes__", []):
        return f", {notes[0]}"  # which derivative it was
    tb, found = failure.__traceback__, ""
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not file.startswith(PACKAGE) and "cupy" not in file:
            found = f", at {place(tb.tb_frame.f_code, tb.tb_lasti)}"
        elif found:
            break  # what the user's code called
        tb = tb.tb_next
    return found


def _reason(failure: BaseException) -> str:
    """Why a step cannot be captured, if that is what a failure means; "" for an error of the step's own."""
    if isinstance(failure, Refused):
        return str(failure)
    if isinstance(failure, (Skip, Stop)):
        return f"it raised {type(failure).__name__}; a graph cannot decide"
    if isinstance(failure, NotImplementedError):
        return f"CuPy: {failure}"
    if isinstance(failure, RuntimeError) and "captur" in str(failure).lower():
        return f"it waits for the GPU, to read an array on the host or to sort one ({failure})"
    return ""
