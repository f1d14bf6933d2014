"""Kernels whose tasks threads share.

Such a kernel has one loop over tasks. Each thread runs all of the kernel, with its own portion of that loop. Numba's
`parallel=True` would compile the kernel once more, which takes three times as long as for one thread; here a single
loop of that kind, compiled once, runs every kernel by its address.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from threading import Lock
from typing import Any

import numba
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from knetpy import settings
from knetpy.kernels.cpu.codegen.vectors import I32, I64, call, compiled_address
from knetpy.kernels.cpu.jit import OPTIONS, compiled, jit, name_of

config: Any = numba.config


@jit()
def portion(rank, tasks):
    """The tasks of one thread, of the numbers below `tasks`; its rank: (number of the thread, of how many)."""
    return range(tasks * rank[0] // rank[1], tasks * (rank[0] + 1) // rank[1])


def threaded(function: Callable) -> Threaded:
    """Decorate a kernel `f(rank, ...)`: Python calls it without `rank`, and it runs on `settings.threads()` threads.

    On each of them it computes what its loop needs, then `for task in portion(rank, tasks)`; it may return what is the
    same on all. Results must not depend on the number of threads.
    """
    return Threaded(function)


class Threaded:
    """A kernel whose tasks threads share; `serial` calls it on this thread alone, for small problems."""

    def __init__(self, function: Callable):
        self.__name__ = function.__name__
        self.launcher = _launcher(function)
        self.serial = partial(self.launcher, 0, 1)

    @property
    def signatures(self) -> list[tuple]:
        """The types of arguments compiled for so far."""
        return self.launcher.signatures

    def __call__(self, *args: Any) -> Any:
        threads = 1 if _forked else min(settings.threads(), config.NUMBA_NUM_THREADS)
        if threads == 1:
            return self.serial(*args)
        with _team():
            users = numba.get_num_threads()  # per Python thread, and the user's own kernels go by it
            if users == threads:
                return self.launcher(_driver(), threads, *args)
            numba.set_num_threads(threads)
            try:
                return self.launcher(_driver(), threads, *args)
            finally:
                numba.set_num_threads(users)


# ----------------------------------------------------------------------------------------------------- launch

RANK = types.UniTuple(types.int64, 2)


def _launcher(function: Callable) -> Any:
    """What Python calls: a function (address of the driver, threads, what the kernel takes beside its rank)."""
    options = {**OPTIONS, "no_cpython_wrapper": True}
    kernel = numba.njit(**options)(function)  # without a cache: its code becomes the launcher's
    names = ", ".join(list(inspect.signature(function).parameters)[1:])
    found: dict[str, Any] = {"launch": _launch(kernel), "__name__": function.__module__}
    exec(f"def launcher(driver, threads, {names}): return launch(driver, threads, ({names},))", found)
    return compiled(found["launcher"], f"{name_of(function)}-launcher", OPTIONS)


def _launch(kernel: Any) -> Any:
    @intrinsic
    def launch(typing, driver, threads, arguments):
        kind = types.Dispatcher(kernel).get_call_type(typing, (RANK, *arguments), {})  # which compiles it

        def generate(context, builder, signature, values):
            driver, threads, given = values
            fields = [given.type, context.get_value_type(kind.return_type), I32]
            block = cgutils.alloca_once(builder, ir.LiteralStructType(fields))
            arguments, returned, failed = _places(builder, block)
            builder.store(given, arguments)
            builder.store(I32(0), failed)
            part = _part(context, builder, kernel.overloads[kind.args], block.type)
            unused = [cgutils.alloca_once(builder, a.type.pointee) for a in part.args[:2]]
            where = builder.ptrtoint(block, I64)
            with builder.if_else(builder.icmp_signed("==", threads, I64(1))) as (alone, together):
                with alone:
                    builder.call(part, [*unused, I64(0), threads, where])
                with together:
                    drive = ir.FunctionType(I32, [a.type for a in unused] + [I64] * 3).as_pointer()
                    code = builder.ptrtoint(part, I64)
                    builder.call(builder.inttoptr(driver, drive), [*unused, code, threads, where])
            with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, builder.load(failed))):
                context.call_conv.return_user_exc(builder, MemoryError, ("for the work of a kernel",))
            return builder.load(returned)

        return kind.return_type(driver, threads, arguments), generate

    return launch


def _places(builder: Any, block: Any) -> list[Any]:
    """Where a block has the arguments of a kernel, what it returns, and whether it has failed on any thread."""
    return [cgutils.gep_inbounds(builder, block, 0, k) for k in range(3)]


def _part(context: Any, builder: Any, kernel: Any, block: Any) -> Any:
    """A function (number of a thread, of how many, address of such a block) that runs a compiled kernel there."""
    kind = context.call_conv.get_function_type(types.none, (types.int64,) * 3)
    part = ir.Function(builder.module, kind, f"{builder.function.name}.part")
    part.linkage = "internal"
    part.attributes.add("noinline")  # it is called from two places
    inner = ir.IRBuilder(part.append_basic_block())
    number, threads, where = part.args[2:]
    arguments, returned, failed = _places(inner, inner.inttoptr(where, block))
    given = [cgutils.pack_array(inner, [number, threads]), *cgutils.unpack_tuple(inner, inner.load(arguments))]
    function, known = context.declare_function(builder.module, kernel.fndesc), kernel.signature
    context.active_code_library.add_linking_library(kernel.library)
    status, result = context.call_conv.call_function(inner, function, known.return_type, known.args, given)
    with inner.if_then(status.is_error):
        inner.store(I32(1), failed)
    with inner.if_then(cgutils.is_null(inner, number)):
        inner.store(result, returned)
    inner.ret(I32(0))
    return part


# ----------------------------------------------------------------------------------------------------- threads

_forked = False  # OpenMP's threads do not survive a fork, and it aborts the child that tries to use them
_turn = Lock()


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@cache
def _team() -> AbstractContextManager:
    """Start Numba's threads and return what to hold during a launch: its own pool serves one caller only."""
    if config.THREADING_LAYER == "default" and "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
        # Numba would try tbb first, which is far slower
        config.THREADING_LAYER_PRIORITY = ["omp", "workqueue", "tbb"]
    with _spinning_less():
        numba.get_num_threads()
    return _turn if numba.threading_layer() == "workqueue" else nullcontext()


@contextmanager
def _spinning_less():
    """Have GNU's OpenMP, which is loaded in here, spin a fifth as long before a waiting thread sleeps.

    Beside other work a step is 2 to 10 times as fast then, and on a quiet machine as fast (bench/spinning.py).
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}.isdisjoint(os.environ):
        yield  # the user has said how to wait
        return
    os.environ["GOMP_SPINCOUNT"] = "60000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _drive(part, threads, block):
    for number in prange(threads):
        call(part, (number, threads, block))


@cache
def _driver() -> int:
    """The address of the loop that runs a part of a kernel on each thread."""
    return compiled_address(compiled(_drive, name_of(_drive), {**OPTIONS, "parallel": True}), (types.int64,) * 3)
