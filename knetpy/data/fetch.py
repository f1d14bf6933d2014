"""Where the files of data sets are: in a folder of the user's, or downloaded, once, into the cache."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .bounded import PIECE, DataFileError

TIMEOUT, TRIES = 30, 3  # seconds without a byte; how often a transfer that breaks off is taken up again
RANGE_NOT_SATISFIABLE = 416


class Remote(NamedTuple):
    """A file as its authors publish it."""

    addresses: tuple[str, ...]
    md5: str
    size: int


def _idx_files(addresses: tuple[str, ...], *files: tuple[str, str, int]) -> dict[str, Remote]:
    return {name: Remote(tuple(address + name for address in addresses), md5, size) for name, md5, size in files}


_CIFAR = "https://www.cs.toronto.edu/~kriz/"
REMOTE: dict[str, dict[str, Remote]] = {
    "mnist": _idx_files(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542),
    ),
    "fashion-mnist": _idx_files(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26421880),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29515),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4422102),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5148),
    ),
    "emnist": {
        "gzip.zip": Remote(
            ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",), "58c8d27c78d21e728a6bc7b3cc06412e", 561753746
        )
    },
    "imdb": {
        "aclImdb_v1.tar.gz": Remote(
            ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
            "7c2ac02c03563afcf9b574c7e56c153a",
            84125825,
        )
    },
    "cifar10": {
        "cifar-10-binary.tar.gz": Remote(
            (_CIFAR + "cifar-10-binary.tar.gz",), "c32a1d4ab5d03f1284b67883e8d87530", 170052171
        )
    },
    "cifar100": {
        "cifar-100-binary.tar.gz": Remote(
            (_CIFAR + "cifar-100-binary.tar.gz",), "03b5dce01913d631647c71ecec9e9cb8", 168513733
        )
    },
}


def data_folder() -> Path:
    """Where data sets are looked for, and downloaded to, where no folder is given."""
    given = os.environ.get("KNETPY_DATA_DIR")
    return Path(given or Path(os.environ.get("KNETPY_CACHE_DIR") or "~/.cache/knetpy") / "data").expanduser()


def present(dataset: str, folder: Any, names: Iterable[str]) -> Path | None:
    """The first of these files that is in the folder, or in a folder in it that is called as the data set."""
    if not (folder is None or isinstance(folder, str | os.PathLike)):
        raise TypeError(f"{dataset.replace('-', '_')}: folder must be its name, got {type(folder).__name__}")
    root = data_folder() if folder is None else Path(os.fspath(folder)).expanduser()
    names = list(names)
    return next((path for place in (root, root / dataset) for name in names if (path := place / name).is_file()), None)


def located(name: str, dataset: str, file: str, folder: Any, download: bool) -> Path:
    """A file of a data set, downloaded if need be. `name` is the function that the user called."""
    plain = file.removesuffix(".gz")
    found = present(dataset, folder, [file, plain])
    if found:
        return found
    remote, target = REMOTE[dataset][file], data_folder() / dataset / file
    where = target.parent if folder is None else Path(os.fspath(folder))
    advice = (
        f"get it from {' or '.join(remote.addresses)} and put it into {where}, or pass the folder that has it: "
        f"{name}(folder)"
    )
    if folder is not None:
        raise FileNotFoundError(f"{name}: there is no {file} in {where}; {advice}")
    if not download:
        raise FileNotFoundError(f"{name}: there is no {file} in {where}, and download is False; {advice}")
    failed = []
    for address in remote.addresses:
        try:
            return _downloaded(address, target, remote)
        except (OSError, HTTPException) as error:
            failed.append(f"{type(error).__name__}: {error}")
    raise FileNotFoundError(f"{name}: {file} cannot be downloaded ({'; '.join(failed)}); {advice}")


def _downloaded(address: str, target: Path, remote: Remote) -> Path:
    """Download, going on where an earlier attempt ended; the file appears under its name when it is whole and right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(TRIES):
        begun = part.stat().st_size if part.exists() else 0
        try:
            whole = _transferred(address, part, remote)
        except DataFileError:
            part.unlink()
            raise
        except HTTPError as error:
            if error.code != RANGE_NOT_SATISFIABLE or not begun:
                raise
            part.unlink()  # of another file: this one has not so many bytes
            continue
        if whole:
            break
        if attempt + 1 == TRIES or part.stat().st_size == begun:
            raise OSError(f"the transfer broke off at {part.stat().st_size} bytes; call again to go on")
    if _md5(part) != remote.md5:
        part.unlink()
        raise DataFileError(
            f"{address} does not have the checksum {remote.md5} that is known of {target.name}, and was removed; what "
            "the server sends is not the file, or it was damaged on the way: try again"
        )
    part.replace(target)
    return target


def _transferred(address: str, part: Path, remote: Remote) -> bool:
    """Take bytes over until the server ends; whether it sent all that it announced."""
    from tqdm.std import tqdm  # only here: importing knetpy must not load it

    begun = part.stat().st_size if part.exists() else 0
    if begun >= remote.size:  # whole already, or no part of this file
        return True
    headers = {"Range": f"bytes={begun}-"} if begun else {}
    with urlopen(Request(address, headers=headers), timeout=TIMEOUT) as answer:
        resumed = (
            begun > 0 and answer.status == 206 and re.match(rf"bytes {begun}-", answer.headers["Content-Range"] or "")
        )
        done = begun if resumed else 0
        announced = answer.headers["Content-Length"]
        total = done + int(announced) if (announced or "").isdecimal() else None
        options: dict[str, Any] = {"unit": "B", "unit_scale": True, "disable": None}
        with (
            open(part, "ab" if resumed else "wb") as file,
            tqdm(total=total or remote.size, initial=done, desc=part.stem, **options) as bar,
        ):
            while piece := answer.read1(PIECE):  # what has come is kept, should the rest not come
                done += len(piece)
                if done > remote.size:
                    raise DataFileError(
                        f"{address} sends more than the {remote.size} bytes that are known of {part.stem}"
                    )
                file.write(piece)
                bar.update(len(piece))
    return total is None or done >= total


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
