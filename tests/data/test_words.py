"""What typical mistakes with data are told: in the user's terms, with the way out."""

import inspect

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataLoader, LoaderError, kfolds, minibatch, read_csv, read_idx, read_text, split

X, Y = np.zeros((100, 3)), np.arange(100) % 10
OPTIONS = "It takes data, batchsize=None, shuffle=False"


def fails(batch):
    return 1 / 0


CALLS = {  # call: what it says
    "parts apart": (
        lambda: DataLoader(X, Y, 50),
        "DataLoader takes 2 arguments by position, got 3; write DataLoader((x, y), 50), and options by name",
    ),
    "parts apart, no batchsize": (
        lambda: DataLoader(X, Y),
        "DataLoader: batchsize must be an integer, got ndarray; several parts of data go together: write "
        "DataLoader((x, y), 50)",
    ),
    "parts in a list": (
        lambda: DataLoader([X, Y], 50),
        "there are 2 instances, and as a last incomplete batch is left out there would be none; pass partial=True, or "
        "(x, y) if the list was to hold parts of data",
    ),
    "PyTorch's batch_size": (
        lambda: DataLoader(X, batch_size=5),
        "no argument 'batch_size'; did you mean batchsize? It takes data",
    ),
    "PyTorch's num_workers": (lambda: DataLoader(X, num_workers=5), f"'num_workers'; did you mean workers? {OPTIONS}"),
    "PyTorch's drop_last": (
        lambda: DataLoader(X, drop_last=True),
        "'drop_last'; did you mean partial, its opposite? It takes",
    ),
    "split of parts apart": (
        lambda: split(X, Y, 0.8),
        "split takes 2 arguments by position, got 3; write split((x, y), 0.8)",
    ),
    "split without sizes": (
        lambda: split(X, Y),
        "leave no part empty, got array([0, 1, ..., 6, 7, 8, 9]); several parts of data go together: write split((x, y",
    ),
    "scikit-learn's stratify": (
        lambda: split(X, 0.8, stratify=Y),
        "split has no argument 'stratify'; did you mean labels? It",
    ),
    "folds of parts apart": (lambda: kfolds(X, Y, 5), "got 3; write kfolds((x, y), 5)"),
    "a misspelled option": (
        lambda: minibatch(X, Y, 50, shuffel=True),
        "minibatch has no argument 'shuffel'; did you mean shuffle? It takes x, y=None, batchsize=None",
    ),
    "an option without likeness": (
        lambda: minibatch(X, 50, epochs=3),
        "minibatch has no argument 'epochs'; it takes x",
    ),
    "an option without its name": (
        lambda: minibatch(X, Y, 50, True),
        "got 4; write minibatch(x, y, 50), and options by name, such as shuffle=True",
    ),
    "a tuple for minibatch": (lambda: minibatch((X, Y), 50), "x is a tuple of arrays; write minibatch(x, y, 50)"),
    "images of bytes": (
        lambda: kn.conv(next(iter(DataLoader(np.zeros((4, 1, 8, 8), np.uint8), 2))), np.ones((2, 1, 3, 3), "f4")),
        "conv: x has dtype uint8; write x.astype(np.float32) (of images / 255; of a DataLoader's batches in prepare=)",
    ),
    "what fails in a batch": (
        lambda: list(DataLoader(X, 50, prepare=fails)),
        "DataLoader: batch 0 of epoch 0 (instances 0, 1, 2, ..., 49) failed: ZeroDivisionError: division by zero",
    ),
    "a short state": (lambda: DataLoader(X).restore(3), "state must be a dict of seed, epoch, batch"),
    "words of bytes": (lambda: kn.data.words(b"a"), "words: text must be a str, got bytes"),
    "a vocabulary of nothing": (lambda: kn.data.Vocabulary(3), "tokens must be an iterable of texts, got int"),
    "one instance": (lambda: kn.data.collate(3), "collate: instances must be a sequence, got int"),
    "one sequence": (lambda: kn.data.batchseq(3), "batchseq: sequences must be a sequence of arrays or lists, got int"),
    "load's options": (lambda: kn.load("f", [], False), "load takes 2 arguments by position, got 3; write"),
    "save's options": (
        lambda: kn.save("f", [], keeps=3),
        "save has no argument 'keeps'; did you mean keep? It takes path, tree",
    ),
}


@pytest.mark.parametrize("mistake", CALLS)
def test_mistakes_are_told(mistake):
    call, message = CALLS[mistake]
    with pytest.raises((TypeError, ValueError, LoaderError)) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_errors_from_within_are_what_they_were():
    with pytest.raises(TypeError, match="^load: path is missing; it takes path, into=None"):
        kn.load()
    with pytest.raises(TypeError, match="shuffle must be True or False"):
        minibatch(X, 50, shuffle="yes")
    assert list(inspect.signature(DataLoader).parameters)[:2] == ["data", "batchsize"] and split.__name__ == "split"


@pytest.mark.parametrize("read", [kn.load, read_csv, read_text, read_idx])
def test_a_file_that_is_not_there(tmp_path, read):
    name, path = read.__name__, tmp_path / "model.knet"
    with pytest.raises(FileNotFoundError) as error:
        read(path)
    assert str(error.value) == f"{name}: there is no file {str(path)!r} in {tmp_path}; it is empty"
    for n in range(7):
        (tmp_path / f"other{n}").touch()
    with pytest.raises(FileNotFoundError, match="; there are other0, other1, other2, other3, other4 and others$"):
        read(path)
    for near in ("model.knet.1", "model.npz"):
        (tmp_path / near).touch()
    with pytest.raises(FileNotFoundError, match="; there are model.knet.1, model.npz$"):
        read(path)
    with pytest.raises(FileNotFoundError, match=f"'.*', nor a folder {tmp_path}/no$"):
        read(tmp_path / "no" / "f")
    with pytest.raises(TypeError, match=f"{name}: path must be the name of a file, got int"):
        read(3)
