"""`python -m knetpy info`: the versions, threads, backends and folders that a report of a problem should name."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import knetpy as kn
from knetpy.data.fetch import data_folder
from knetpy.kernels.dispatch import backend_of

from .outcome import say

NEEDED = ("numpy", "numba", "llvmlite", "tqdm", "threadpoolctl")
OPTIONAL = (
    *("cupy-cuda12x", "cupy-cuda13x", "matplotlib", "ipykernel", "ipywidgets", "jupyterlab"),
    *("pandas", "safetensors", "scikit-learn", "scipy", "tensorboard", "tensorboardX", "torch"),
)


def info() -> None:
    """Print a line for each fact."""
    for name, fact in facts():
        say(f"{name + ':':15}{fact}")


def facts() -> Iterator[tuple[str, str]]:
    """What is told, with its name."""
    yield "knetpy", f"{kn.__version__}, {Path(kn.__file__).parent}"
    yield "Python", f"{platform.python_version()}, {platform.python_implementation()}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    for name in NEEDED:
        yield name, installed(name) or "not installed"
    yield "optional", ", ".join([f"{name} {found}" for name in OPTIONAL if (found := installed(name))]) or "none"
    yield "threads", str(kn.threads())
    yield "backend", backend()
    yield "kernels", kernels()
    yield "data", data_sets()


def installed(name: str) -> str:
    """The version of a package, nothing if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def uncompiled() -> str:
    """Why no kernels of NumPy arrays are compiled, nothing if they are."""
    return backend_of(np.ndarray)("pool", "maxpool")[1]


def backend() -> str:
    """What serves the kernels of NumPy arrays, and why, if it is not Numba."""
    name, reason = backend_of(np.ndarray)("pool", "maxpool")
    return f"{name}, as {reason}" if reason else f"{name} (Numba)"


def kernels() -> str:
    """Where compiled kernels are kept, how many and how large, of this version and in all."""
    try:
        from knetpy.kernels.cpu.jit import folder
    except ImportError as failure:  # without Numba nothing is compiled
        return f"none: {failure}"
    try:
        here = folder()
        return f"{here}, {size(here, '*.kernel')}; of all versions {size(here.parent, '*/*.kernel')}"
    except OSError as failure:
        return f"not kept: {failure}"


def size(folder: Path, pattern: str) -> str:
    """How many such files there are, and how large they are together."""
    sizes = [path.stat().st_size for path in folder.glob(pattern)]
    return f"{len(sizes):,} files of {sum(sizes) / 1e6:.1f} MB"


def data_sets() -> str:
    """Where the files of data sets are looked for."""
    try:
        folder = data_folder()
    except RuntimeError as homeless:  # there is no home folder to put it in
        return f"none: {homeless}"
    return f"{folder}{'' if folder.is_dir() else ', which is not there yet'}"
