"""Data sets of small images: MNIST, Fashion-MNIST, EMNIST, CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..ops.arguments import flag, one_of
from .bounded import DataFileError, ended, exactly, members, opened, zipped
from .fetch import located, present
from .idx import idx, read_idx
from .names import CIFAR10, CIFAR100, CIFAR100_GROUPS, DIGITS, EMNIST, FASHION


class Images(NamedTuple):
    """What data sets of images return: x_train, y_train, x_test, y_test, and the names of the classes.

    >>> import knetpy as kn
    >>> kn.data.fashion_mini()
    Images(x_train (5000, 1, 28, 28), x_test (1000, 1, 28, 28), 10 classes)
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Images(x_train {self.x_train.shape}, x_test {self.x_test.shape}, {len(self.names)} classes)"


def mnist(folder: Any = None, *, download: bool = True, dtype: Any = np.float32) -> Images:
    """MNIST: 60,000 + 10,000 images of handwritten digits.

    Parameters:
      folder=None: where the four files train-images-idx3-ubyte, ... lie, gzipped or not, or a folder in it called
        `mnist` has them. None is the environment variable KNETPY_DATA_DIR, else `data` in the cache folder.
      download=True: whether what is not there is downloaded into it, if no folder is given: checked by its checksum,
        and going on where an earlier attempt was broken off.
      dtype=np.float32: of images, with values from 0 to 1; np.uint8 has the bytes, from 0 to 255.
    Returns: `Images`, a named tuple: x_train (60000, 1, 28, 28), y_train (60000,) int64 from 0 to 9, x_test, y_test,
      names.
    Raises: FileNotFoundError where there is no file and none can be downloaded, which tells what to put where;
      kn.data.DataFileError if a file is truncated, corrupt or another one.
    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".

    >>> import knetpy as kn
    >>> kn.data.mnist("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: mnist: there is no train-images-idx3-ubyte.gz in nowhere; get it from ...
    """
    return _idx_set("mnist", "mnist", folder, download, dtype, DIGITS)


def fashion_mnist(folder: Any = None, *, download: bool = True, dtype: Any = np.float32) -> Images:
    """Fashion-MNIST: 60,000 + 10,000 images of clothes, in the format of MNIST; `fashion_mini` has 6,000 of them.

    Parameters:
      folder=None, download=True, dtype=np.float32: what they are to `mnist`; the folder in the folder is fashion-mnist.
    Returns: `Images` as of `mnist`, with the names of ten kinds of clothes.
    Raises: FileNotFoundError and kn.data.DataFileError as `mnist` does.
    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv:1708.07747.

    >>> import knetpy as kn
    >>> kn.data.fashion_mnist("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: fashion_mnist: there is no train-images-idx3-ubyte.gz in nowhere; get it from ...
    """
    return _idx_set("fashion_mnist", "fashion-mnist", folder, download, dtype, FASHION)


def emnist(part: str = "balanced", folder: Any = None, *, download: bool = True, dtype: Any = np.float32) -> Images:
    """EMNIST: handwritten digits and letters, in the format of MNIST.

    Parameters:
      part="balanced": "balanced" (47 classes, 112,800 + 18,800 images), "bymerge" (47, 814,255), "byclass" (62,
        814,255), "letters" (26, 145,600), "digits" (10, 280,000) or "mnist" (10, 70,000).
      folder=None, download=True, dtype=np.float32: what they are to `mnist`; there is one archive, gzip.zip, or the
        files from it, emnist-balanced-train-images-idx3-ubyte.gz and so on.
    Returns: `Images` as of `mnist`; the images stand upright, and labels of letters count from 0.
    Raises: FileNotFoundError and kn.data.DataFileError as `mnist` does, ValueError for another part.
    Source: Cohen, Afshar, Tapson, van Schaik, "EMNIST", arXiv:1702.05373.

    >>> import knetpy as kn
    >>> kn.data.emnist("letters", "nowhere")
    Traceback (most recent call last):
    FileNotFoundError: emnist: there is no gzip.zip in nowhere; get it from ...
    """
    one_of("emnist", "part", part, EMNIST)
    kind = _kind("emnist", dtype)
    files = [
        f"emnist-{part}-{half}-{file}"
        for half in ("train", "test")
        for file in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    lying = [present("emnist", folder, [f"{file}.gz", file]) for file in files]
    if all(lying):
        arrays = [read_idx(path) for path in lying if path]
    else:
        archive = located("emnist", "emnist", "gzip.zip", folder, flag("emnist", "download", download))
        arrays = [_zipped_idx(archive, f"gzip/{file}.gz") for file in files]
    first = 1 if part == "letters" else 0
    halves: list[Any] = []
    for (x, y), file in zip((arrays[:2], arrays[2:]), files[::2]):
        x, y = _checked(x, y, file)
        halves += [_pixels(x.transpose(0, 2, 1)[:, np.newaxis], kind), _labels(y, EMNIST[part], file, first)]
    return Images._make([*halves, EMNIST[part]])


def cifar10(folder: Any = None, *, download: bool = True, dtype: Any = np.float32) -> Images:
    """CIFAR-10: 50,000 + 10,000 coloured images of ten kinds of vehicles and animals.

    Parameters:
      folder=None, download=True, dtype=np.float32: what they are to `mnist`; there is one archive,
        cifar-10-binary.tar.gz, or a folder cifar-10-batches-bin with the files from it.
    Returns: `Images`: x_train (50000, 3, 32, 32), y_train (50000,) int64 from 0 to 9, x_test, y_test, names.
    Raises: FileNotFoundError and kn.data.DataFileError as `mnist` does.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009; its binary version.

    >>> import knetpy as kn
    >>> kn.data.cifar10("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: cifar10: there is no cifar-10-binary.tar.gz in nowhere; get it from ...
    """
    files = {f"data_batch_{i}.bin": 10000 for i in range(1, 6)} | {"test_batch.bin": 10000}
    *train, test = _cifar("cifar10", "cifar-10-batches-bin", files, 1, folder, download)
    return _coloured(np.concatenate(train), test, 0, CIFAR10, _kind("cifar10", dtype))


def cifar100(folder: Any = None, *, coarse: bool = False, download: bool = True, dtype: Any = np.float32) -> Images:
    """CIFAR-100: 50,000 + 10,000 coloured images of a hundred classes, in twenty groups of five.

    Parameters:
      folder=None, download=True, dtype=np.float32: what they are to `mnist`; there is one archive,
        cifar-100-binary.tar.gz, or a folder cifar-100-binary with the files from it.
      coarse=False: whether labels are those of the twenty groups.
    Returns: `Images`: x_train (50000, 3, 32, 32), y_train (50000,) int64 from 0 to 99 (19), x_test, y_test, names.
    Raises: FileNotFoundError and kn.data.DataFileError as `mnist` does.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009; its binary version.

    >>> import knetpy as kn
    >>> kn.data.cifar100("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: cifar100: there is no cifar-100-binary.tar.gz in nowhere; get it from ...
    """
    files = {"train.bin": 50000, "test.bin": 10000}
    train, test = _cifar("cifar100", "cifar-100-binary", files, 2, folder, download)
    groups = flag("cifar100", "coarse", coarse)
    names = CIFAR100_GROUPS if groups else CIFAR100
    return _coloured(train, test, 0 if groups else 1, names, _kind("cifar100", dtype))


# ---------------------------------------------------------------------------------------------------- the files


def _idx_set(name: str, dataset: str, folder: Any, download: Any, dtype: Any, names: tuple[str, ...]) -> Images:
    kind, download = _kind(name, dtype), flag(name, "download", download)
    halves: list[Any] = []
    for half in ("train", "t10k"):
        files = [f"{half}-images-idx3-ubyte.gz", f"{half}-labels-idx1-ubyte.gz"]
        images, labels = (located(name, dataset, file, folder, download) for file in files)
        x, y = _checked(read_idx(images), read_idx(labels), images)
        halves += [_pixels(x[:, np.newaxis], kind), _labels(y, names, labels)]
    return Images._make([*halves, names])


def _zipped_idx(archive: Path, member: str) -> np.ndarray:
    with zipped(archive, member) as stream:
        return idx(stream, f"{archive}: {member}")


def _cifar(name: str, inner: str, files: dict[str, int], labels: int, folder: Any, download: Any) -> list[np.ndarray]:
    """The records of each file, label bytes and pixels; the files lie there by themselves, or in the archive."""
    record = labels + 3072
    lying = [present(name, folder, [f"{inner}/{file}", file]) for file in files]
    if all(lying):
        return [_records(path, n, record) for path, n in zip(lying, files.values()) if path]
    archive = located(name, name, _ARCHIVE[name], folder, flag(name, "download", download))
    found = members(archive, {f"{inner}/{file}": n * record for file, n in files.items()})
    return [found[f"{inner}/{file}"].reshape(n, record) for file, n in files.items()]


_ARCHIVE = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}


def _records(path: Path, n: int, record: int) -> np.ndarray:
    with opened(path) as stream:
        array = exactly(stream, n * record, path).reshape(n, record)
        ended(stream, path)
    return array


def _coloured(train: np.ndarray, test: np.ndarray, column: int, names: tuple[str, ...], kind: np.dtype) -> Images:
    halves: list[Any] = []
    for half in (train, test):
        pixels = half[:, half.shape[1] - 3072 :].reshape(-1, 3, 32, 32)
        halves += [_pixels(pixels, kind), _labels(half[:, column], names, "the file of CIFAR")]
    return Images._make([*halves, names])


# ------------------------------------------------------------------------------------------------ what is in them


def _kind(name: str, dtype: Any) -> np.dtype:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind is None or kind not in (np.uint8, np.float16, np.float32, np.float64):
        raise TypeError(f"{name}: dtype must be np.float32, another floating-point one, or np.uint8, got {dtype!r}")
    return kind


def _checked(x: np.ndarray, y: np.ndarray, path: Any) -> tuple[np.ndarray, np.ndarray]:
    if x.dtype != np.uint8 or x.shape[1:] != (28, 28) or y.dtype != np.uint8 or y.shape != (len(x),):
        raise DataFileError(
            f"{path} and its labels must be bytes of shapes (N, 28, 28) and (N,), got {x.dtype} {x.shape} and "
            f"{y.dtype} {y.shape}; they are files of another data set, or not of one half"
        )
    return x, y


def _pixels(x: np.ndarray, kind: np.dtype) -> np.ndarray:
    x = np.ascontiguousarray(x)
    return x if kind == np.uint8 else np.divide(x, kind.type(255), dtype=kind)


def _labels(y: np.ndarray, names: tuple[str, ...], path: Any, first: int = 0) -> np.ndarray:
    labels = y.astype(np.int64) - first
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        wrong = labels[(labels < 0) | (labels >= len(names))][0] + first
        raise DataFileError(f"{path} is corrupt: a label is {wrong}, of {len(names)} classes from {first}")
    return labels
