"""Texts, vocabularies, steps that follow a text, and tables of numbers."""

import gzip
from collections import Counter

import numpy as np
import pytest

from knetpy.data import DataFileError, DataLoader, Vocabulary, follow, pride_and_prejudice, read_csv, read_text, words


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


HOUSING = " 0.00632  18.00   2.310  0  24.00\n 0.02731   0.00   7.070  1  21.60\n\n"


@pytest.mark.parametrize(
    "text",
    [
        HOUSING,
        "0.00632,18,2.31,0,24\n0.02731,0,7.07,1,21.6",
        "a,b,c,d,e\r\n0.00632,18,2.31,0,24\r\n0.02731,0,7.07,1,21.6\r\n",
        'a;"b";c;d;e\n0.00632;18;2.31;0;24\n0.02731;0;7.07;1;21.6\n',
        "a\tb\tc\td\te\n0.00632\t18\t2.31\t0\t24\n0.02731\t0\t7.07\t1\t21.6\n",
    ],
)
def test_tables(tmp_path, text):
    path = tmp_path / "housing"
    path.write_text(text)
    x, y, names = read_csv(path)
    assert x.dtype == y.dtype == np.float32 and x.shape == (2, 4) and y.tolist() == np.float32([24, 21.6]).tolist()
    assert names == (tuple("abcd") if "e" in text else tuple("0123"))
    third = read_csv(path, names[2])
    assert (third.y == x[:, 2]).all() and third.x.shape == (2, 4) and (read_csv(path, 2).y == x[:, 2]).all()
    everything = read_csv(path, None)
    assert everything.y is None and everything.x.shape == (2, 5) and (everything.x[:, :4] == x).all()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no line of numbers"),
        ("a,b\n", "no line of numbers"),
        ("1,2\n3\n", "line 2: 1 fields, where the first line has 2"),
        ("a,b\n1,2\n\n3,\n", "line 4, column b: '' is no number; write nan"),
        ("a,b\n1,x\n", "line 2, column b: 'x' is no number"),
        ("1,NA\n1,2\n", "line 1, column 1: 'NA' is no number; write nan"),
        ("a,b\n1,2\0\n", r"'2\\x00' is no number"),
        ("a,b\n1," + "9" * 10**6, "line 2: field larger than"),
    ],
)
def test_wrong_tables(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_csv(path)


def test_mistakes_with_tables_and_texts(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,a\n1,1e39,3\n")
    assert read_csv(path, "b").y.tolist() == [np.inf]
    for call, error, message in (
        (lambda: read_csv(path, "a"), ValueError, "2 columns are called 'a'; give target by its number"),
        (lambda: read_csv(path, delimiter=",,"), ValueError, "delimiter must be None or one character, got ',,'"),
        (lambda: read_csv(path, limit="x"), TypeError, "limit must be an integer, got str"),
        (lambda: read_text(path, encoding="nope"), ValueError, "encoding must be the name of one, .*'nope'"),
        (lambda: read_text(tmp_path), IsADirectoryError, "read_text: .* is a folder; name a file in it"),
    ):
        with pytest.raises(error, match=message):
            call()


def test_a_column_that_is_not_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n3,nan\n")
    assert np.isnan(read_csv(path).y[1])
    for target in ("c", 2, -3, 1.0):
        with pytest.raises(ValueError, match="target must be one of a, b, or its number"):
            read_csv(path, target)
