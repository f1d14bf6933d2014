"""The exceptions, and how a message finds the user's own line."""

import linecache
import os
import sys
import warnings
from contextlib import contextmanager

import numpy as np

from ..devices import memory, on_gpu

__all__ = [
    "DerivativeError",
    "DeviceError",
    "DtypeError",
    "EscapeError",
    "KnetpyError",
    "MutationError",
    "NonFiniteError",
    "ShapeError",
    "StoreError",
]

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class KnetpyError(Exception):
    """The root of every error that knetpy itself raises."""


class ShapeError(KnetpyError, ValueError):
    """Shapes, axes or sizes that do not fit together."""


class DtypeError(KnetpyError, TypeError):
    """A dtype that has no derivative, or dtypes that may not be mixed."""


class DerivativeError(KnetpyError, TypeError):
    """A derivative was asked for where there is none: no rule, not a scalar, not a number."""


class DeviceError(KnetpyError, RuntimeError):
    """Arrays of several devices in one call, or a GPU that cannot be used."""


class EscapeError(KnetpyError, RuntimeError):
    """A value was used after its transform ended, or by another thread than the one that runs it."""


class MutationError(KnetpyError, RuntimeError):
    """Something that a derivative needs was changed in place."""


class NonFiniteError(KnetpyError, FloatingPointError):
    """A NaN or an Inf, found by `check_nonfinite`."""


class StoreError(KnetpyError, ValueError):
    """A file that is damaged or no save, or that does not fit what it is loaded into."""


def explained_by(check, args, attrs):
    """Run the check of an op whose kernel has failed; what it raises stands for the failure."""
    try:
        check(*args, **attrs)
    except KnetpyError as told:
        raise told from None


def explain_device(failure, name, operands, args):
    """Raise in the user's terms what went wrong with devices in a call that failed, if that is why."""
    explain_gpu(failure, name)
    refuse_mixed(name, operands, args)


# What CUDA calls failures after which a program can use the GPU no more, as a part of "cudaErrorIllegalAddress: ..." or
# of "CUDA_ERROR_ILLEGAL_ADDRESS: ...".
LOST = (
    "illegaladdress", "launchfailure", "launchfailed", "launchtimeout", "hardwarestackerror", "illegalinstruction",
    "misalignedaddress", "invalidaddressspace", "invalidpc", "eccuncorrectable", "nvlinkuncorrectable", "errorassert",
    "devicesunavailable", "deviceunavailable", "contextisdestroyed", "errorunknown", "nodevice", "devicelost",
)  # fmt: skip


def gpu_is_lost(failure):
    """Whether an exception of CuPy's says that the GPU cannot be used any more."""
    kind = str(failure).partition(":")[0].lower().replace("_", "")
    return type(failure).__module__.startswith("cupy") and any([word in kind for word in LOST])


def explain_gpu(failure, name):
    """Raise in the user's terms what went wrong on the GPU, if that is why something failed."""
    if isinstance(failure, MemoryError) and type(failure).__module__.startswith("cupy"):
        raise DeviceError(
            f"{name}: the GPU has not enough memory: {failure}; {memory()}; take smaller batches, wrap parts of the "
            "model in kn.checkpoint, or del arrays that are not needed"
        ) from failure
    if gpu_is_lost(failure):
        raise DeviceError(
            f"{name}: the GPU has stopped working ({failure}); what is on it cannot be read any more. Files of kn.save "
            "are whole: start Python anew and go on from the last one with kn.load"
        ) from failure


def explain_derivative(failure, name, code, lasti):
    """Say in which derivative something failed."""
    explain_gpu(failure, f"the derivative of {name}")
    if hasattr(failure, "add_note") and not isinstance(failure, NonFiniteError):  # Python 3.11
        failure.add_note(f"in the derivative of {name}, called at {place(code, lasti)}")


@contextmanager
def explaining_gpu(name):
    """Explain what goes wrong on the GPU in this block."""
    try:
        yield
    except Exception as failure:
        explain_gpu(failure, name)
        raise


def explain_broadcasting(name, shapes):
    """Raise in the user's terms if shapes do not broadcast."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast; counted from the last, each axis must "
            "agree or be 1: reshape one, or insert an axis with x[:, None]"
        ) from None
    except RuntimeError:  # NumPy cannot tell of more than 32 axes, and says itself what is wrong
        pass


def refuse_mixed(name, operands, args):
    """Raise if some arrays of a call are on the CPU and some on a GPU."""
    if operands and len(operands) < len(args):  # of *operands
        operands = [f"{operands[-1]}[{i}]" for i in range(len(args))]
    arrays = [(n, a) for n, a in zip(operands or [""], args) if getattr(a, "shape", ()) or on_gpu(a)]
    places = {on_gpu(a): n for n, a in reversed(arrays)}
    if len(places) > 1:
        raise DeviceError(
            f"{name}: {places[True]} is on the GPU and {places[False]} on the CPU; write kn.gpu({places[False]}), or "
            f"kn.cpu({places[True]})"
        )


def refuse_elsewhere(p, new):
    """`new`, which is to be written into a Param; it raises if that is on another device."""
    there = on_gpu(p.value)
    if getattr(new, "shape", ()) and on_gpu(new) != there:
        here, where = ("CPU", "GPU") if there else ("GPU", "CPU")
        raise DeviceError(
            f"p[...] = new: the Param of shape {p.shape} is on the {where} and new on the {here}; write p[...] = "
            f"kn.{where.lower()}(new)"
        )
    return new


def label_of(f):
    """The name of a function, for messages."""
    return getattr(f, "__name__", type(f).__name__)


PYTORCH = {  # what its users type after an array, and what to write
    "grad": ": write g = kn.grad(loss)(x, y), then g[p]", "backward": ": kn.grad(loss)(x, y) gives the gradients",
    "detach": ": write kn.value(x)", "numpy": ": write kn.value(x)", "view": ": write x.reshape(...)",
    "permute": ": write x.transpose(...)", "unsqueeze": ": write x[:, None]", "clone": ": write x.copy()",
    "t": ": write x.T", "cpu": ": write kn.cpu(x)", "cuda": ": write kn.gpu(x)", "dim": ": write x.ndim",
    "to": ": write kn.gpu(x), kn.cpu(x) or x.astype(...)", "half": ": write x.astype(np.float16)",
    "float": ": write x.astype(np.float32)", "double": ": write x.astype(np.float64)",
    "long": ": write x.astype(np.int64)", "norm": ": write np.linalg.norm(x)", "pow": ": write x ** n",
    **dict.fromkeys(("add_", "mul_", "copy_", "assign"), ": write p[...] = new values, outside a transform"),
    "at": ": write np.where(...)", "flat": ": write x.ravel()", "tofile": ": write kn.save",
    "requires_grad": ": kn.param makes what is trained, kn.grad(f, 0) differentiates by an argument",
    **{name: f": write kn.{name}(x)" for name in ("relu", "sigmoid", "softmax", "logsoftmax", "gelu", "silu")},
    "__cuda_array_interface__": ": only Params on a GPU have one, outside of transforms; write kn.value(x)",
    "opt": ": an optimizer remembers its state by Param, and kn.optim.Choose has one for each",
    "log_softmax": ": write kn.logsoftmax(x)", "zero_": ": write p[...] = 0, outside a transform",
}  # fmt: skip

INSTEAD = {  # of writing into one
    "a Param": "write p[...] = new values, outside a transform",
    "a value being differentiated": "use the function of the same name, or build a new array with np.where or "
    "np.concatenate",
    "r[...] = v": "r[...] = v: a value being differentiated cannot be assigned into; build it with np.where, "
    "np.concatenate or np.stack, or collect the parts in a list first",
}

ESCAPED = (
    "is used outside the transform that made it: its transform has ended, or another thread runs it; return it from "
    "the function (then it comes back as a plain array), or take kn.value(r) inside"
)

TO_ARRAY = (  # what was called, and what to write
    "making a plain array (np.array, np.asarray, np.full, np.r_, array[i] = r, or a function given a list)",
    "kn.array([a, b]) makes one of values, np.broadcast_to repeats one",
)


def to_array(x):
    """`TO_ARRAY`, for the caller of whoever asks; of a function of NumPy's or SciPy's its name too."""
    if on_gpu(x.value):
        raise DeviceError(f"{TO_ARRAY[0]} of a value on the GPU, of shape {x.shape}: write kn.cpu(kn.value(x))")
    name = called_by(sys._getframe(2))
    if name is None:
        return TO_ARRAY
    scipys = "kn.scipy has those with a derivative"
    return f"a plain array made by {name}", scipys if "scipy" in name else TO_ARRAY[1]


def called_by(frame):
    """The function of NumPy's or SciPy's that the user called, if `frame` lies in it; its module if it has no name."""
    rooms = []
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("numpy", "scipy"):
        module, name = _called(frame)
        room = ".".join(module[: _DEPTHS.get(module[1] if len(module) > 1 else "", 1 + (module[0] != "numpy"))])
        public = hasattr(sys.modules.get(room), name)
        spelled = room.replace("numpy", "np", 1)
        if public or (module[0] == "scipy" and not room.partition(".")[2].startswith("_")):
            rooms.append(f"{spelled}.{name}" if public else f"a function of {spelled}")
        frame = frame.f_back
    named = [name for name in rooms if not name.startswith("a function")] or rooms
    return named[-1] if named else None


_DEPTHS = {"linalg": 2, "fft": 2, "ma": 2, "polynomial": 3}  # of the modules in which NumPy's functions are public


def _called(frame):
    """(module, name) of the function that a frame runs; of the class, where it makes an instance or is its method."""
    code = frame.f_code
    if code.co_argcount and code.co_name.startswith("__"):
        first = frame.f_locals.get(code.co_varnames[0])
        kind = first if isinstance(first, type) else type(first)
        return kind.__module__.split("."), kind.__name__
    return frame.f_globals["__name__"].split("."), code.co_name


users: set = set()  # the source files, met so far, that are not knetpy's own; asked at every recorded call
ours: set = set()  # those that are


def outside(frame):
    """The innermost frame, from `frame` outwards, that is not knetpy's own."""
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file in ours:
            frame = frame.f_back
        elif file in users:
            break
        else:
            (ours if file.startswith(PACKAGE) and not file.endswith("__main__.py") else users).add(file)
    return frame


def line_of(code, lasti):
    """The line number that the instruction at `lasti` came from."""
    return next((n for start, end, n in code.co_lines() if start <= lasti < end), None) or code.co_firstlineno


def _file(name):
    """The short name of a source file; a notebook's cell by its number."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    cell = getattr(getattr(shell, "compile", None), "_filename_map", {}).get(name)
    return f"In[{cell}]" if cell else os.path.basename(name)


def place(code, lasti):
    """The user's line as a message shows it: `model.py:12, in loss: y = x @ w`."""
    line = line_of(code, lasti)
    text = linecache.getline(code.co_filename, line).strip()
    return f"{_file(code.co_filename)}:{line}, in {code.co_name}" + (f": {text}" if text else "")


def numpy_name(function):
    """A function of NumPy's or SciPy's as the user wrote it."""
    modules = [(np, "np"), (np.linalg, "np.linalg"), (np.fft, "np.fft"), (np.random, "np.random")]
    for module, spelling in (*modules, (sys.modules.get("scipy.special"), "scipy.special")):
        if getattr(module, function.__name__, None) is function:
            return f"{spelling}.{function.__name__}"
    return function.__name__.lstrip("_")  # some of SciPy's have a function in front


def warn(message, category=UserWarning):
    """Warn at the user's own line; Python shows it once for each line."""
    frame = outside(sys._getframe(1))
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "__main__"),  # of None Python says nothing, as of exec(code, {})
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
