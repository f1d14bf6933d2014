"""Texts that others publish in parts to train on and to test on: reviews of films, and corpora of words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..calls import told
from ..ops.arguments import count_of, flag
from .bounded import MOST, DataFileError, everything, matching
from .fetch import data_folder, located, present
from .text import read_text

OPINIONS = ("neg", "pos")  # as their folders are called
PARTS = ("train", "valid", "test")


class Reviews(NamedTuple):
    """What `kn.data.imdb` returns: x_train, y_train, x_test, y_test, and the names of the classes.

    >>> import knetpy as kn
    >>> kn.data.Reviews(["Good."], [1], [], [], ("negative", "positive"))
    Reviews(x_train of 1, x_test of 0, 2 classes)
    """

    x_train: list[str]
    y_train: np.ndarray
    x_test: list[str]
    y_test: np.ndarray
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Reviews(x_train of {len(self.x_train)}, x_test of {len(self.x_test)}, {len(self.names)} classes)"


class Corpus(NamedTuple):
    """What `kn.data.corpus` returns: the words of its three parts.

    >>> import knetpy as kn
    >>> kn.data.Corpus(["to", "be"], [], [])
    Corpus(train of 2, valid of 0, test of 0 words)
    """

    train: list[str]
    valid: list[str]
    test: list[str]

    def __repr__(self) -> str:
        return f"Corpus({', '.join(f'{name} of {len(part)}' for name, part in zip(PARTS, self))} words)"


@told
def imdb(folder: Any = None, *, download: bool = True, limit: int = MOST) -> Reviews:
    """Large Movie Review Dataset: 25,000 + 25,000 reviews of films, half of them negative, half positive.

    `kn.data.words` and `kn.data.Vocabulary` make numbers of them, `kn.data.batchseq` batches.

    Parameters:
      folder=None: where the archive aclImdb_v1.tar.gz lies, or the folder aclImdb that is in it, or a folder called
        `imdb` that has one of them. None is the environment variable KNETPY_DATA_DIR, else `data` in the cache folder.
      download=True: what it is to `mnist`.
      limit=2**30: how many bytes of reviews are read at most.
    Returns: a named tuple: x_train, a list of str, with its line breaks `<br />`; y_train int64, 0 for negative and 1
      for positive ones, the negative first, so shuffle them; x_test, y_test; names, ("negative", "positive").
    Raises: FileNotFoundError where there is no file and none can be downloaded, which tells what to put where;
      kn.data.DataFileError if a file is truncated, corrupt, no text or larger than limit.
    Source: Maas et al., "Learning word vectors for sentiment analysis", 2011.

    >>> import knetpy as kn
    >>> kn.data.imdb("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: imdb: there is no aclImdb_v1.tar.gz in nowhere; get it from ...
    """
    download, limit = flag("imdb", "download", download), count_of("imdb", "limit", limit)
    archive = present("imdb", folder, ["aclImdb_v1.tar.gz"])
    lying = None if archive else _unpacked(folder)
    if lying:
        where, files = lying, _lying(lying, limit)
    else:
        where = archive or located("imdb", "imdb", "aclImdb_v1.tar.gz", folder, download)
        found = matching(where, rf"aclImdb/(train|test)/({'|'.join(OPINIONS)})/\d+_\d+\.txt", limit)
        files = {name.removeprefix("aclImdb/"): content for name, content in found.items()}
    halves: list[Any] = []
    for half in ("train", "test"):
        texts = [_texts(where, files, f"{half}/{opinion}/") for opinion in OPINIONS]
        halves += [texts[0] + texts[1], np.repeat(np.arange(2), [len(some) for some in texts])]
    return Reviews._make([*halves, ("negative", "positive")])


def _unpacked(folder: Any) -> Path | None:
    """The folder aclImdb, if it is there."""
    root = data_folder() if folder is None else Path(folder).expanduser()
    places = (root, root / "aclImdb", root / "imdb", root / "imdb" / "aclImdb")
    return next((place for place in places if (place / "train" / "pos").is_dir()), None)


def _lying(folder: Path, limit: int) -> dict[str, bytes]:
    """The reviews in a folder, by their names from there."""
    found: dict[str, bytes] = {}
    left = limit
    for half in ("train", "test"):
        for opinion in OPINIONS:
            for path in (folder / half / opinion).glob("*.txt"):
                if re.fullmatch(r"\d+_\d+\.txt", path.name) and path.is_file():
                    found[f"{half}/{opinion}/{path.name}"] = everything(path, left)
                    left -= len(found[f"{half}/{opinion}/{path.name}"])
    return found


def _texts(where: Path, files: dict[str, bytes], begin: str) -> list[str]:
    """The texts whose names begin so, in the order of their numbers."""
    names = sorted((name for name in files if name.startswith(begin)), key=lambda name: _number(name, begin))
    if not names:
        raise DataFileError(f"{where} has no review aclImdb/{begin}0_9.txt or the like; it is not whole")
    try:
        return [files[name].decode() for name in names]
    except UnicodeDecodeError as error:
        raise DataFileError(f"{where} is corrupt: a review of aclImdb/{begin} is no text in utf-8: {error}") from None


def _number(name: str, begin: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removeprefix(begin).removesuffix(".txt").split("_"))


@told
def corpus(folder: Any, *, end: str | None = "<eos>", limit: int = MOST) -> Corpus:
    """A corpus of words in three files, as the Penn Treebank of Mikolov, ptb.train.txt and so on, and WikiText have it.

    `kn.data.Vocabulary(corpus.train)` numbers the words, `kn.data.follow` makes batches of them.

    Parameters:
      folder: where three text files lie, gzipped or not, that have "train", "valid" and "test" in their names, at
        the beginning or after the first dot: ptb.train.txt, wiki.train.tokens, train.txt.
      end="<eos>": the word that is put at the end of every line; None puts none.
      limit=2**30: how many bytes of each file are read at most.
    Returns: a named tuple: train, valid and test, lists of str: what stands between spaces.
    Raises: FileNotFoundError if there is no such file, ValueError if there are several, kn.data.DataFileError for a
      file that is truncated, larger than limit, empty or no text.

    >>> import os, tempfile, knetpy as kn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in ("train", "valid", "test"):
    ...         with open(os.path.join(folder, f"ptb.{part}.txt"), "w") as file:
    ...             _ = file.write(" to be or not to be \\n <unk> N \\n")
    ...     train, valid, test = kn.data.corpus(folder)
    >>> train
    ['to', 'be', 'or', 'not', 'to', 'be', '<eos>', '<unk>', 'N', '<eos>']
    """
    limit = count_of("corpus", "limit", limit)
    if not (end is None or isinstance(end, str)):
        raise TypeError(f"corpus: end must be a word or None, got {type(end).__name__}")
    try:
        root = Path(folder).expanduser()
    except TypeError:
        raise TypeError(f"corpus: folder must be its name, got {type(folder).__name__}") from None
    if not root.is_dir():
        raise FileNotFoundError(f"corpus: there is no folder {str(folder)!r}")
    return Corpus._make([_words(_part(root, part), end, limit) for part in PARTS])


def _part(root: Path, part: str) -> Path:
    found = sorted(path for path in root.iterdir() if re.match(rf"([^.]+\.)?{part}\.", path.name) and path.is_file())
    if not found:
        there = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
        raise FileNotFoundError(f"corpus: there is no {part}.txt nor ptb.{part}.txt or the like in {root}; has {there}")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise ValueError(f"corpus: which of {names} is meant? Put the three files into a folder of their own")
    return found[0]


def _words(path: Path, end: str | None, limit: int) -> list[str]:
    found: list[str] = []
    for line in read_text(path, limit=limit).removesuffix("\n").split("\n"):
        found += line.split()
        if end is not None:
            found.append(end)
    if not found or found == [end]:
        raise DataFileError(f"{path} has no words")
    return found
