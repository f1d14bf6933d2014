"""Texts as numbers: files, tokens, vocabularies, and batches that follow a text from step to step."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..files import file_named
from ..ops.arguments import count_of, integers, whole
from .bounded import MOST, DataFileError, everything


def pride_and_prejudice() -> str:
    """Jane Austen's novel "Pride and Prejudice", of 1813, which comes with the package.

    Returns: a text of 684,767 characters, lines ended by "\\n"; it is in the public domain.

    >>> import knetpy as kn
    >>> text = kn.data.pride_and_prejudice()
    >>> len(text), text[51:89]
    (684767, 'It is a truth universally acknowledged')
    """
    return read_text(Path(__file__).parent / "files" / "pride_and_prejudice.txt.gz")


def read_text(path: Any, *, encoding: str = "utf-8", limit: int = MOST) -> str:
    """The text in a file, plain or gzipped, with "\\n" between lines.

    Parameters:
      path: of the file.
      encoding="utf-8": how its bytes are read.
      limit=2**30: how many bytes are read at most, unpacked.
    Returns: a str.
    Raises: kn.data.DataFileError, a ValueError, if the file is truncated, larger than limit or not of this encoding;
      FileNotFoundError if there is none.

    >>> import gzip, os, tempfile, knetpy as kn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "text.gz")
    ...     with gzip.open(path, "wt") as file:
    ...         _ = file.write("To be, or not to be")
    ...     kn.data.read_text(path)
    'To be, or not to be'
    """
    path, limit = Path(file_named("read_text", path)), count_of("read_text", "limit", limit)
    try:
        codecs.lookup(encoding)
    except (LookupError, TypeError):
        raise ValueError(f"read_text: encoding must be the name of one, such as utf-8, got {encoding!r}") from None
    content = everything(path, limit)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path} is no text in {encoding}: {error}; pass encoding=") from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def words(text: str, *, lower: bool = True) -> list[str]:
    """The words of a text, and its punctuation marks, each by itself.

    Parameters:
      text: a str.
      lower=True: whether words are made lower case.
    Returns: a list of str; spaces and ends of lines are left out, an apostrophe within a word stays in it.

    >>> import knetpy as kn
    >>> kn.data.words("It's a truth; universally acknowledged.")
    ["it's", 'a', 'truth', ';', 'universally', 'acknowledged', '.']
    """
    if not isinstance(text, str):
        raise TypeError(f"words: text must be a str, got {type(text).__name__}")
    return re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*|[^\w\s]|_", text.lower() if lower else text)


class Vocabulary:
    """A number for each different token, the most frequent first: of characters `Vocabulary(text)`, of words
    `Vocabulary(words(text))`.

    Parameters:
      tokens: an iterable of str, such as a text, whose tokens are its characters, or a list of words.
      most=None: how many tokens it has at most, the rarer ones being unknown; None is all.
      least=1: how often a token must occur not to be unknown.
      unknown=None: a token that stands for all others, such as "<unk>", which comes first; None makes them an error.
    Raises: ValueError if there are no tokens or most or least is no integer of at least 1, TypeError for what is
      no str.
    Attributes: tokens is the tuple of all tokens by their numbers, unknown what was given.

    >>> import knetpy as kn
    >>> vocabulary = kn.data.Vocabulary("hello")
    >>> vocabulary.tokens, vocabulary.encode("hole").tolist(), "".join(vocabulary.decode([1, 3, 0, 2]))
    (('l', 'h', 'e', 'o'), [1, 3, 0, 2], 'hole')
    """

    def __init__(self, tokens: Iterable[str], *, most: int | None = None, least: int = 1, unknown: str | None = None):
        for option, given in (("most", 1 if most is None else most), ("least", least)):
            if (whole(given) or 0) < 1:
                raise ValueError(f"Vocabulary: {option} must be an integer >= 1, got {given!r}")
        if not isinstance(tokens, Iterable):
            raise TypeError(f"Vocabulary: tokens must be an iterable of texts, got {type(tokens).__name__}")
        counted = Counter(tokens)
        strangers = [token for token in counted if not isinstance(token, str)]
        if strangers or not counted:
            got = f"got {strangers[0]!r}" if strangers else "got none"
            raise (TypeError if strangers else ValueError)(f"Vocabulary: tokens must be texts, at least one, {got}")
        if unknown is not None:
            counted.pop(unknown, 0)
        kept = [token for token, count in counted.most_common(most) if count >= least]
        self.tokens = tuple(kept if unknown is None else [unknown, *kept][:most])
        self.unknown = unknown
        self._numbers = {token: i for i, token in enumerate(self.tokens)}

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens.

        Parameters:
          tokens: an iterable of str.
        Returns: int64 array (N,).
        Raises: ValueError for a token that is not in the vocabulary, if it has no unknown.

        >>> import knetpy as kn
        >>> kn.data.Vocabulary("abc", unknown="?").encode("cad").tolist()
        [3, 1, 0]
        """
        if self.unknown is None:
            try:
                return np.fromiter((self._numbers[token] for token in tokens), np.int64)
            except KeyError as error:
                raise ValueError(
                    f"encode: {error.args[0]!r} is not among the {len(self)} tokens of the vocabulary; "
                    'make it with unknown="<unk>"'
                ) from None
        return np.fromiter((self._numbers.get(token, 0) for token in tokens), np.int64)

    def decode(self, numbers: Any) -> list[str]:
        """The tokens of numbers; `"".join(...)` makes a text of them.

        Parameters:
          numbers: integers from 0 to below the size of the vocabulary, (N,).
        Returns: a list of str.
        Raises: ValueError for a number out of range.

        >>> import knetpy as kn
        >>> kn.data.Vocabulary(["to", "be", "to"]).decode([0, 1])
        ['to', 'be']
        """
        found = integers("decode", "numbers", numbers).ravel()
        wrong = found[(found < 0) | (found >= len(self))]
        if wrong.size:
            raise ValueError(f"decode: numbers must be from 0 to {len(self) - 1}, got {wrong[0]}")
        return [self.tokens[i] for i in found.tolist()]

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._numbers

    def __repr__(self) -> str:
        return f"Vocabulary of {len(self)}: {' '.join(map(repr, self.tokens[:5]))}{' ...' * (len(self) > 5)}"


def follow(numbers: Any, batchsize: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A text in steps for truncated backpropagation: row i of each step goes on where row i of the step before ended.

    The text is cut into `batchsize` stretches of equal length, read side by side. A loop over
    `DataLoader(follow(numbers, 32, 100))` has the steps in order, so that a recurrent net may keep its state.

    Parameters:
      numbers: the text as integers, (N,), as of `kn.data.Vocabulary.encode`.
      batchsize: how many stretches are read side by side.
      length: how many tokens of each a step has.
    Returns: inputs and targets, both (steps, batchsize, length), steps = (N - 1) // (batchsize * length); the targets
      are the next token of each input. What is left over at the end is left out.
    Raises: ValueError if there is not enough for one step, TypeError for what is no integers.

    >>> import numpy as np, knetpy as kn
    >>> x, y = kn.data.follow(np.arange(9), 2, 2)
    >>> x.tolist(), y[1].tolist()
    ([[[0, 1], [4, 5]], [[2, 3], [6, 7]]], [[3, 4], [7, 8]])
    """
    text, rows, columns = integers("follow", "numbers", numbers), whole(batchsize), whole(length)
    for option, given, found in (("batchsize", batchsize, rows), ("length", length, columns)):
        if found is None or found < 1:
            raise ValueError(f"follow: {option} must be an integer >= 1, got {given!r}")
    steps = (text.size - 1) // (rows * columns)
    if text.ndim != 1 or steps < 1:
        raise ValueError(
            f"follow: numbers must have one axis and at least batchsize * length + 1 = {rows * columns + 1} of them, "
            f"got shape {text.shape}"
        )

    def cut(stretch: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(stretch.reshape(rows, steps, columns).transpose(1, 0, 2))

    most = steps * rows * columns
    return cut(text[:most]), cut(text[1 : most + 1])
