"""Texts, vocabularies, steps that follow a text."""

import gzip
from collections import Counter

import numpy as np
import pytest

from knetpy.data import DataFileError, DataLoader, Vocabulary, follow, pride_and_prejudice, read_text, words


def test_the_novel():
    text = pride_and_prejudice()
    assert text.startswith("PRIDE AND PREJUDICE\n\nBy Jane Austen") and text.endswith("means of uniting them.")
    assert "\r" not in text and text.count("Chapter ") >= 61 and text.count("Darcy") > 300


def test_characters_of_the_novel_there_and_back():
    text = pride_and_prejudice()
    vocabulary = Vocabulary(text)
    numbers = vocabulary.encode(text)
    assert numbers.dtype == np.int64 and "".join(vocabulary.decode(numbers)) == text
    assert vocabulary.tokens[:2] == (" ", "e") and 60 < len(vocabulary) < 100
    assert (np.diff(np.bincount(numbers)) <= 0).all()


def test_words():
    assert words("Mr. Bennet's _own_ well-bred\nnieces, 2 of them!") == [
        *("mr", ".", "bennet's", "_", "own", "_", "well-bred", "nieces", ",", "2", "of", "them", "!"),
    ]
    assert words("Über Élan", lower=False) == ["Über", "Élan"]
    found = Counter(words(pride_and_prejudice()))
    assert found["elizabeth"] > 500 and len(found) < 8000


def test_vocabularies_with_unknown_tokens():
    tokens = "a b c a b a d".split()
    for options, expected in (
        ({}, ("a", "b", "c", "d")),
        ({"most": 2}, ("a", "b")),
        ({"least": 2}, ("a", "b")),
        ({"unknown": "?"}, ("?", "a", "b", "c", "d")),
        ({"unknown": "?", "most": 3}, ("?", "a", "b")),
        ({"unknown": "a"}, ("a", "b", "c", "d")),
    ):
        assert Vocabulary(tokens, **options).tokens == expected
    known = Vocabulary(tokens, unknown="?", least=2)
    assert known.encode(tokens).tolist() == [1, 2, 0, 1, 2, 1, 0] and known.decode([0, 1]) == ["?", "a"]
    assert "a" in known and "c" not in known and repr(known) == "Vocabulary of 3: '?' 'a' 'b'"
    assert known.encode([]).shape == (0,)


def test_mistakes_with_vocabularies():
    with pytest.raises(ValueError, match=r"'z' is not among the 3 tokens.*unknown"):
        Vocabulary("abc").encode("az")
    for wrong in ([3], [-1]):
        with pytest.raises(ValueError, match=f"from 0 to 2, got {wrong[0]}"):
            Vocabulary("abc").decode(wrong)
    with pytest.raises(TypeError, match="must be texts.* got 1"):
        Vocabulary([1, 2])
    with pytest.raises(ValueError, match="at least one, got none"):
        Vocabulary("")
    with pytest.raises(ValueError, match="most must be"):
        Vocabulary("abc", most=0)


@pytest.mark.parametrize("n, batchsize, length", [(13, 3, 2), (100, 4, 5), (7, 1, 6), (8, 2, 3)])
def test_rows_follow_the_text(n, batchsize, length):
    x, y = follow(np.arange(n), batchsize, length)
    steps = (n - 1) // (batchsize * length)
    assert x.shape == y.shape == (steps, batchsize, length) and (y == x + 1).all()
    stretches = x.transpose(1, 0, 2).reshape(-1)
    assert (stretches == np.arange(steps * batchsize * length)).all()
    first = next(iter(DataLoader((x, y))))
    assert (first[0] == x[0]).all() and (first[1] == y[0]).all()


def test_too_short_a_text():
    with pytest.raises(ValueError, match=r"at least batchsize \* length \+ 1 = 13 of them, got shape \(12,\)"):
        follow(np.arange(12), 3, 4)
    with pytest.raises(ValueError, match="length must be"):
        follow(np.arange(12), 3, 0)
    with pytest.raises(TypeError, match="must be integers"):
        follow(["a", "b"], 1, 1)


def test_text_files(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffa\r\nb\rcé".encode())
    assert read_text(path) == "a\nb\ncé"
    path.write_bytes(gzip.compress("é".encode("latin-1")))
    assert read_text(str(path), encoding="latin-1") == "é"
    with pytest.raises(DataFileError, match="no text in utf-8"):
        read_text(path)
    path.write_bytes(gzip.compress(b" " * (50 << 20)))
    with pytest.raises(DataFileError, match="more than 1000000 bytes"):
        read_text(path, limit=1_000_000)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nothing")
