"""`save` and `load`."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import telling
from ..core.errors import MutationError, StoreError, explaining_gpu, warn
from ..core.trace import active
from ..files import file_named
from ..ops.arguments import flag, whole
from . import foreign, npz, tensors
from .atomic import replace
from .describe import describe
from .fit import Fit, Make, compare_names
from .rebuild import Rebuilder, listed


@telling("save(path, tree), and keep=3 by name")
def save(path: Any, tree: Any, *, keep: int = 1) -> None:
    """Write params, arrays, optimizers and whatever training needs to go on into one file, whole or not at all.

    Whatever happens, a killed program or a full disk, at `path` is the earlier save or the new one. The file is a
    safetensors file with a description of the tree; it holds a sum over all bytes, and never code. Other programs find
    each array in it by its path, spelled as PyTorch does: `layers.0.w` is that of `layers[0].w` and `["layers"][0].w`.

    Parameters:
      path: the file; its folder must exist. A file that is replaced keeps its permissions (its mode).
      tree: lists, tuples, dicts and dataclasses, nested as you like, of Params, arrays (bool, integers, floating up to
        64 bits, complex64), numbers, texts and None; optimizers; `kn.Moments`; `kn.random` (the module) for the state
        of all random numbers, NumPy's generators; every object with two methods, state(), which returns such a tree,
        and restore(tree). Of models and functions the Params and Moments are saved that `kn.named_params` finds; of
        functions without any, which stay in your program, only the name. What is there twice is saved once and stays
        the same.
      keep=1: how many saves to keep; the earlier ones are path.1, the one before, to path.(keep - 1).
    Returns: None.
    Raises: TypeError, DtypeError, ValueError for what cannot be saved, by its path in the tree; OSError, as for a full
      disk. The earlier file is then as it was.

    >>> import os, tempfile, numpy as np, knetpy as kn
    >>> w, opt = [kn.param(3, 2), kn.param0(2)], kn.Adam()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "model.knet")
    ...     kn.save(file, {"w": w, "opt": opt, "random": kn.random, "epoch": 7})
    ...     kn.load(file)["epoch"]
    7
    """
    path = _checked_path(path)
    count = whole(keep)
    if count is None or count < 1:
        raise (TypeError if count is None else ValueError)(f"save: keep must be an integer of at least 1, got {keep!r}")
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"save: there is no folder {folder!r}; make it with os.makedirs")
    if os.path.isdir(path):
        raise IsADirectoryError(f"save: {path!r} is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"save: {path!r} is a device or a pipe, which would be replaced; name a file")
    try:
        with explaining_gpu(f"save: {path!r} was not written"):
            arrays, description = describe(tree)
            replace(path, lambda file: tensors.write(file, arrays, description), count)
    except OSError as error:
        if error.errno is None:
            raise
        raise _unwritten(error, path, folder) from error


@telling("load(path, into), and strict=False by name")
def load(path: Any, into: Any = None, *, strict: bool = True, change: Callable[[dict], dict] | None = None) -> Any:
    """Read what `save` wrote, a safetensors file of PyTorch's or others, or an npz file.

    A file can be anybody's: reading it imports and runs nothing, and takes memory only for what the file holds.

    Parameters:
      path: the file.
      into=None: what to load into: a tree like the one that was saved. Its Params, arrays, lists, dicts, dataclasses,
        optimizers and other objects are written in place. A list of plain numbers or texts, an empty container and None
        take whatever the file has. Optimizers take the file's settings too: numbers and schedules of knetpy's own
        (`kn.schedules`), each in the place of either, and the parts of `kn.optim.Choose` by their names. A function of
        your own, as a schedule, cannot be in a file: it stays, and what else the file has there does not fit.
        Of a file without a tree (PyTorch's, npz) the names are compared with the paths of `kn.named_params`, and with
        the spellings `layers.0.w`, as PyTorch's, and `layers/0/w` of `layers[0].w`.
      strict=True: raise if a name is missing in the file or extra, or has another shape, dtype or kind; nothing is
        changed then. With False, what fits is loaded, and a warning tells the rest.
      change=None: of a file without a tree, a function of the dict of its names and arrays that gives the dict to take
        instead, with other names, or transposed: such as the weights of PyTorch's Linear, which are (out, in), or all
        of Knet's that Julia wrote (NPZ.jl), whose axes come reversed: `lambda a: {k: x.T for k, x in a.items()}`.
    Returns: the tree: `into`, if that is given, with new numbers where they stand in tuples. Without it, Params are
      new Params, and what has a class of the user's (a dataclass, an optimizer, an object with a state) is a dict of
      its fields, a function its name. A file without a tree gives a dict from names to arrays, bfloat16 as float32;
      an npz file of `np.savez(path, *arrays)` a list.
    Raises: StoreError for a file that is damaged, is none of these or does not fit; FileNotFoundError; MutationError in
      a transform. Nothing is changed then.

    >>> import os, tempfile, numpy as np, knetpy as kn
    >>> w = [kn.param([1.0, 2.0])]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "model.knet")
    ...     kn.save(file, w)
    ...     w[0][...] = 0
    ...     same = kn.load(file, into=w)
    >>> w[0].value, same is w
    (array([1., 2.], dtype=float32), True)
    """
    path, strict = file_named("load", path), flag("load", "strict", strict)
    if not (change is None or callable(change)):
        raise TypeError(f"load: change must be a function or None, got {type(change).__name__}")
    if into is not None and any(trace.derives for trace in active()):
        raise MutationError("load: into writes in place, which cannot be while a transform runs; load outside of it")
    try:
        arrays, description = _read(path)
        if description is None:
            return _without_tree(arrays if change is None else _changed(arrays, change), into, strict)
        if change is not None:
            raise StoreError("it is a save, whose names are its own; change= is for the files of others")
        return _with_tree(arrays, description, into, strict)
    except StoreError as failure:
        raise StoreError(f"load: {path!r}: {failure}") from failure.__cause__
    except RecursionError:
        raise StoreError(f"load: {path!r}: its tree is nested too deeply") from None


def _checked_path(path: Any) -> str:
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"save: path must be the name of a file, got {type(path).__name__}") from None
    if not name or "\0" in name:
        raise ValueError(f"save: path must be the name of a file, got {name!r}")
    return name


def _unwritten(error: OSError, path: str, folder: str) -> OSError:
    """What the system refused, said of the folder and not of a temporary file in it."""
    way = "take a shorter name" if error.errno == errno.ENAMETOOLONG else "name a file in another folder, or make room"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        way = "name a file in a folder that you may write to"
    said = type(error)(f"save: {path!r} cannot be written into the folder {folder!r}: {error.strerror}; {way}")
    said.errno = error.errno
    return said


def _read(path: str) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of a file, and the description of a save; an npz file and those of others have none."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe could wait for ever
        raise StoreError("it is no file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(foreign.MOST)
        file.seek(0)
        try:
            return (npz.read(file, size), None) if first[:4] in npz.MAGIC else tensors.read(file, size)
        except StoreError as failure:
            raise StoreError(foreign.known(first) or str(failure)) from failure.__cause__


def _with_tree(arrays: dict[str, np.ndarray], description: Any, into: Any, strict: bool) -> Any:
    if not isinstance(description, dict) or set(description) != {"tree", "objects"}:
        raise StoreError("its description is not one of a save")
    node, objects = description["tree"], listed(description["objects"])
    if into is None:
        return Rebuilder(arrays, objects).tree(node)
    fit = Fit(arrays, objects, into)
    make = fit.compare(node, into)
    return _written(fit, make, strict)


def _changed(arrays: dict[str, np.ndarray], change: Callable[[dict], dict]) -> dict[str, np.ndarray]:
    """The arrays that the user's function makes of those of a file."""
    found = change(arrays)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise TypeError(f"load: change must return a dict from names to arrays, got {type(found).__name__}")
    return {name: np.asarray(x) for name, x in found.items()}


def _without_tree(arrays: dict[str, np.ndarray], into: Any, strict: bool) -> Any:
    if into is None:
        return npz.as_list(arrays)
    listing = npz.as_list(arrays)
    arrays = {f"[{n}]": array for n, array in enumerate(listing)} if isinstance(listing, list) else arrays
    fit = Fit(arrays, None, into)
    compare_names(fit, into)
    return _written(fit, lambda: into, strict)


def _written(fit: Fit, make: Make, strict: bool) -> Any:
    """Write what fits, if all fits or that was asked for."""
    differences = fit.differences()
    if differences and strict:
        raise StoreError(
            f"it does not fit what it is loaded into. {differences}. Nothing was changed; strict=False loads what fits"
        )
    result = fit.write(make, strict)
    differences = fit.differences()
    if differences:
        warn(f"load: not all of it fits. {differences}. The rest was loaded")
    return result
