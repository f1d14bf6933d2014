"""Random changes of images: what they may do, how often, and that seeds determine it."""

from functools import partial

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataLoader, crop, cutout, flip, mixup, shift

X = np.arange(1, 1 + 200 * 2 * 6 * 5, dtype=np.float32).reshape(200, 2, 6, 5)
ALL = {
    "shift": shift,
    "crop": partial(crop, size=4),
    "padded crop": partial(crop, size=(6, 5), padding=2),
    "flip": flip,
    "cutout": partial(cutout, size=3),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float64])
@pytest.mark.parametrize("axes", [3, 4, 5])
def test_shapes_dtypes_and_seeds(name, dtype, axes):
    x = X.reshape({3: (400, 6, 5), 4: X.shape, 5: (100, 2, 2, 6, 5)}[axes]).astype(dtype)
    before = x.copy()
    kn.seed(1)
    first, second = ALL[name](x), ALL[name](x)
    kn.seed(1)
    again = ALL[name](x)
    assert first.dtype == dtype and first.shape == x.shape[:-2] + ((4, 4) if name == "crop" else (6, 5))
    assert (first == again).all() and (first != second).any() and (x == before).all()
    assert first.flags.c_contiguous and first.flags.writeable and not np.shares_memory(first, x)
    assert ALL[name](x[:0]).shape == (0, *first.shape[1:])


def test_shift():
    found, moves = shift(X, 1, fill=-1), set()
    padded = np.pad(X, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-1)
    for image, around in zip(found, padded, strict=True):
        places = [(i, j) for i in range(3) for j in range(3) if (image == around[:, i : i + 6, j : j + 5]).all()]
        assert len(places) == 1
        moves.add(places[0])
    assert len(moves) == 9 and (shift(X, 0) == X).all()


def test_crop():
    found, places = crop(X, (4, 3)), set()
    for image, whole in zip(found, X, strict=True):
        (place,) = [(i, j) for i in range(3) for j in range(3) if (image == whole[:, i : i + 4, j : j + 3]).all()]
        places.add(place)
    assert len(places) == 9
    assert (crop(X, (6, 5)) == X).all() and crop(X, 10, padding=3).shape == (200, 2, 10, 10)


@pytest.mark.parametrize("axis", [-1, -2, 2])
def test_flip(axis):
    found = flip(X, 0.25, axis=axis)
    mirrored = (found == np.flip(X, axis)).all(axis=(1, 2, 3))
    assert (found[~mirrored] == X[~mirrored]).all() and 25 < mirrored.sum() < 75
    assert (flip(X, 0.0) == X).all() and (flip(X, 1.0, axis=axis) == np.flip(X, axis)).all()


def test_cutout():
    found = cutout(X, 3, p=0.5, fill=-7)
    hidden = found == -7
    assert (found[~hidden] == X[~hidden]).all() and (hidden[:, 0] == hidden[:, 1]).all()
    counts = hidden[:, 0].sum(axis=(1, 2))
    assert set(counts.tolist()) == {0, 4, 6, 9} and 60 < (counts > 0).sum() < 140
    for one in hidden[counts > 0, 0]:
        rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
        assert one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert hidden.any(axis=(0, 1)).all()


def test_mixup():
    x, y = np.eye(200, dtype=np.float32), kn.onehot(np.arange(200), 200)
    a, b = mixup(x, y, 1.0)
    assert a.dtype == b.dtype == np.float32 and (a == b).all() and np.allclose(a.sum(axis=1), 1)
    share = np.diag(a)
    assert ((a > 0).sum(axis=1) <= 2).all() and 0.4 < share[share < 1].mean() < 0.6
    near, _ = mixup(x, y, 1e-3)
    assert (near.max(axis=1) > 0.99).mean() > 0.9
    kn.seed(1)
    one = mixup(x, y)[0]
    kn.seed(1)
    assert (mixup(x, y)[0] == one).all() and (mixup(x, y)[0] != one).any()
    z = np.arange(3.0).reshape(3, 1)
    assert mixup(z, z, 5.0)[0].dtype == np.float64


def augment(batch):
    x, y = batch
    return cutout(flip(shift(x, 1)), 2), y


def test_in_a_loader_its_seed_determines_them():
    def epochs(**way):
        data = DataLoader((X, np.arange(200)), 50, shuffle=True, seed=4, prepare=augment, **way)
        return [x for _ in range(2) for x, _ in data]

    once = epochs()
    kn.seed(99)
    for way in ({}, {"workers": 3}):
        assert all((a == b).all() for a, b in zip(epochs(**way), once, strict=True))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: shift(np.ones((6, 5))), ValueError, r"batch \(N, ..., H, W\), got shape \(6, 5\); write images\["),
        (lambda: shift(X, -1), ValueError, "most must be an integer >= 0, got -1"),
        (lambda: shift(X, 1.5), ValueError, "most must be an integer"),
        (lambda: crop(X, 7), ValueError, r"size must be one number or two.*got 7"),
        (lambda: crop(X, (1, 2, 3)), ValueError, "size must be one number or two"),
        (lambda: flip(X, 1.1), ValueError, "p must be a finite number >= 0"),
        (lambda: flip(X, axis=0), ValueError, "axis 0 counts the images"),
        (lambda: cutout(X, 0), ValueError, "size must be an integer >= 1"),
        (lambda: cutout(X.astype("u1"), fill=256), ValueError, "cutout: fill must be a number that uint8 can hold"),
        (lambda: shift(X.astype("u1"), fill=-1), ValueError, "shift: fill must be a number that uint8 .*got -1"),
        (lambda: crop(X.astype("u1"), 3, padding=1, fill=0.5), ValueError, "crop: fill must be .* uint8 .*got 0.5"),
        (lambda: mixup(X, np.arange(200)), TypeError, r"y must have.*int64; write kn.onehot\(y, classes\)"),
        (lambda: mixup(X, np.ones((199, 2))), ValueError, "equally many instances"),
        (lambda: mixup(X, np.ones((200, 2)), 0), ValueError, "alpha must be a finite number > 0"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
