"""imdb and corpus: right folders and archives, wrong and hostile ones."""

import gzip
import io
import tarfile
import tracemalloc

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataFileError, corpus, imdb

REVIEWS = {
    "aclImdb/train/neg/0_3.txt": "Awful.",
    "aclImdb/train/neg/10_1.txt": "Very awful.<br />Bad \u2013 bad.",
    "aclImdb/train/neg/2_4.txt": "Boring.",
    "aclImdb/train/pos/0_9.txt": "Good.",
    "aclImdb/test/neg/0_2.txt": "No.",
    "aclImdb/test/pos/0_10.txt": "Yes.",
    "aclImdb/test/pos/1_7.txt": "Yes!",
    "aclImdb/train/unsup/0_0.txt": "Who knows?",
    "aclImdb/train/pos/notes.txt": "not one",
    "aclImdb/imdb.vocab": "the",
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KNETPY_DATA_DIR", str(tmp_path / "cache"))


def unpacked(folder, files=REVIEWS):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def packed(folder, files=REVIEWS, more=()):
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "aclImdb_v1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            content = text if isinstance(text, bytes) else text.encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return folder


@pytest.mark.parametrize("place", ["", "imdb", "aclImdb"])
@pytest.mark.parametrize("write", [unpacked, packed])
def test_reviews(tmp_path, write, place):
    if place == "aclImdb":
        write, where = unpacked, tmp_path / "aclImdb"
        write(tmp_path)
    else:
        write(tmp_path / place)
        where = tmp_path
    found = imdb(where)
    assert found.x_train == ["Awful.", "Boring.", "Very awful.<br />Bad \u2013 bad.", "Good."]
    assert found.y_train.tolist() == [0, 0, 0, 1] and found.y_train.dtype == np.int64
    assert found.x_test == ["No.", "Yes.", "Yes!"] and found.y_test.tolist() == [0, 1, 1]
    assert found.names == ("negative", "positive") and repr(found) == "Reviews(x_train of 4, x_test of 3, 2 classes)"


def test_reviews_become_batches(tmp_path, monkeypatch):
    monkeypatch.setenv("KNETPY_DATA_DIR", str(unpacked(tmp_path)))
    x, y, *_ = imdb()
    tokens = [kn.data.words(text) for text in x]
    vocabulary = kn.data.Vocabulary((word for text in tokens for word in text), unknown="<unk>")
    batch, lengths = kn.data.batchseq([vocabulary.encode(text) for text in tokens])
    assert batch.shape == (4, lengths.max()) and len(batch) == len(y) and lengths[0] == 2


@pytest.mark.parametrize("write", [unpacked, packed])
def test_reviews_that_are_not_whole(tmp_path, write):
    fewer = {name: text for name, text in REVIEWS.items() if "test/pos" not in name}
    with pytest.raises(DataFileError, match="has no review aclImdb/test/pos/0_9.txt or the like; it is not whole"):
        imdb(write(tmp_path / "a", fewer))
    with pytest.raises(DataFileError, match="is corrupt: a review of aclImdb/test/pos/ is no text in utf-8"):
        imdb(write(tmp_path / "b", REVIEWS | {"aclImdb/test/pos/1_7.txt": b"\xff\xfe\xfa"}))
    with pytest.raises(DataFileError, match="has more than .* bytes.*; pass limit="):
        imdb(write(tmp_path / "c"), limit=20)


def test_damaged_and_hostile_archives(tmp_path):
    whole = (packed(tmp_path) / "aclImdb_v1.tar.gz").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-9] + b"\0" * 9, b"no archive", b"", whole[:3]):
        (tmp_path / "aclImdb_v1.tar.gz").write_bytes(content)
        with pytest.raises(DataFileError):
            imdb(tmp_path)
    links = []
    for name, kind in (("aclImdb/train/pos/5_5.txt", tarfile.SYMTYPE), ("aclImdb/train/pos/6_5.txt", tarfile.LNKTYPE)):
        link = tarfile.TarInfo(name)
        link.type, link.linkname = kind, "/etc/passwd"
        links.append(link)
    outside = {"../aclImdb/train/pos/7_7.txt": "out", "/aclImdb/train/pos/8_8.txt": "out"}
    assert len(imdb(packed(tmp_path, REVIEWS | outside, links)).x_train) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aclImdb_v1.tar.gz"]


def test_a_large_archive_takes_memory_for_reviews_only(tmp_path):
    packed(tmp_path, REVIEWS | {"aclImdb/train/unsup/1_0.txt": b" " * (50 << 20)})
    tracemalloc.start()
    try:
        assert len(imdb(tmp_path).x_train) == 4
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_reviews_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="imdb: there is no aclImdb_v1.tar.gz in .*; get it from https://"):
        imdb(tmp_path)
    with pytest.raises(FileNotFoundError, match="and download is False"):
        imdb(download=False)
    for call, message in (
        (lambda: imdb(3), "imdb: folder must be its name, got int"),
        (lambda: imdb(tmp_path, download=1), "download must be True or False"),
        (lambda: imdb(tmp_path, limit="a"), "imdb: limit must be an integer"),
        (lambda: imdb(tmp_path, downlod=True), "did you mean download"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


# ---------------------------------------------------------------------------------------------------- corpora

PTB = {"train": " no it was n't black monday \n but <unk> N \n", "valid": " a b \n", "test": " c \n"}


@pytest.mark.parametrize("form", ["ptb.{}.txt", "wiki.{}.tokens", "{}.txt", "ptb.{}.txt.gz"])
def test_corpora(tmp_path, form):
    for part, text in PTB.items():
        content = gzip.compress(text.encode()) if form.endswith("gz") else text.encode()
        (tmp_path / form.format(part)).write_bytes(content)
    (tmp_path / "README.train").write_text("no")
    (tmp_path / "training.txt").write_text("no")
    train, valid, test = corpus(tmp_path)
    assert train == ["no", "it", "was", "n't", "black", "monday", "<eos>", "but", "<unk>", "N", "<eos>"]
    assert valid == ["a", "b", "<eos>"] and test == ["c", "<eos>"]
    assert corpus(str(tmp_path), end=None).valid == ["a", "b"] and len(corpus(tmp_path, end="\n").train) == 11
    assert repr(corpus(tmp_path)) == "Corpus(train of 11, valid of 3, test of 2 words)"


def test_empty_lines_end_too(tmp_path):
    for part in PTB:
        (tmp_path / f"wiki.{part}.tokens").write_text(" \n = Title = \n \n")
    assert corpus(tmp_path).train == ["<eos>", "=", "Title", "=", "<eos>", "<eos>"]


def test_wrong_corpora(tmp_path):
    with pytest.raises(FileNotFoundError, match="corpus: there is no train.txt nor ptb.train.txt .*; has nothing"):
        corpus(tmp_path)
    for part, text in PTB.items():
        (tmp_path / f"ptb.{part}.txt").write_text(text)
    (tmp_path / "wiki.train.tokens").write_text("a")
    with pytest.raises(ValueError, match="corpus: which of ptb.train.txt and wiki.train.tokens is meant"):
        corpus(tmp_path)
    (tmp_path / "wiki.train.tokens").unlink()
    for content, message in (
        (b"\xff\xff", "no text in utf-8"),
        (b"", "has no words"),
        (b"a " * 50, "more than 60 byt"),
    ):
        (tmp_path / "ptb.valid.txt").write_bytes(content)
        with pytest.raises(DataFileError, match=message):
            corpus(tmp_path, limit=60)
    with pytest.raises(FileNotFoundError, match="corpus: there is no folder"):
        corpus(tmp_path / "no")
    for call, message in (
        (lambda: corpus(3), "folder must be its name"),
        (lambda: corpus(tmp_path, end=3), "end must"),
    ):
        with pytest.raises(TypeError, match=message):
            call()
