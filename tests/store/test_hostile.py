"""Damaged and hostile files: refused as such, quickly and in little memory; never wrong data, never another error."""

import io
import json
import os
import time
import tracemalloc

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

import knetpy as kn
from knetpy.store import tensors
from knetpy.store.rebuild import Rebuilder

FUZZED = 1000


def training():
    """A tree with all that training needs."""
    kn.seed(1)
    w, opt = [kn.param(3, 4), kn.param0(4)], kn.Adam()
    kn.update(w, [np.ones(p.shape, p.dtype) for p in w], opt)
    moments = kn.Moments()
    moments.update(np.ones(4), np.ones(4))
    return {"w": w, "opt": opt, "m": moments, "rng": kn.random, "losses": [0.5] * 60, "x": (1, "a", np.float32(2))}


def refused(path, data, into=None):
    """Load a file of these bytes, which must raise; the message."""
    path.write_bytes(data)
    with pytest.raises(kn.StoreError) as error:
        kn.load(path, into)
    return str(error.value)


def test_every_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "f"
    kn.save(path, [np.arange(3, dtype="u1"), {"a": 1.5}])
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        refused(path, bytes(data))


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "f"
    kn.save(path, [np.arange(3, dtype="u1"), {"a": 1.5}])
    whole = path.read_bytes()
    for length in range(len(whole)):
        refused(path, whole[:length])
    refused(path, whole + b"\0")


def damaged(rng, data):
    """`data`, with one of the things done that happen to files and are done to them."""
    data, n = bytearray(data), len(data)
    header = 8 + int.from_bytes(data[:8], "little")
    at, size = int(rng.integers(n)), int(rng.integers(1, 64))
    if rng.random() < 0.5:
        at = int(rng.integers(header))
    match rng.integers(8):
        case 0:  # bits flip
            for _ in range(size % 8 + 1):
                data[int(rng.integers(n))] ^= 1 << int(rng.integers(8))
        case 1:  # cut off
            del data[at:]
        case 2:  # a piece is lost
            del data[at : at + size]
        case 3:  # a piece is there twice
            data[at:at] = data[at : at + size]
        case 4:  # a sector of zeros, or of noise
            size = min(size * 8, n - at)
            data[at : at + size] = bytes(size) if rng.random() < 0.5 else rng.bytes(size)
        case 5:  # an absurd size of the header
            size = [0, 1, header, 2**31, 2**62, 2**64 - 1][int(rng.integers(6))] if rng.random() < 0.7 else at
            data[:8] = size.to_bytes(8, "little")
        case 6:  # another digit
            digits = [i for i in range(8, header) if data[i] in b"0123456789"]
            data[int(rng.choice(digits))] = int(rng.choice(list(b"0123456789-e.")))
        case 7:  # brackets
            data[at:at] = bytes(rng.choice(list(b'[{]}",:'), size).astype("u1"))
    return bytes(data)


def test_damaged_saves_are_refused(tmp_path):
    path, rng = tmp_path / "f", np.random.default_rng(0)
    kn.save(path, training())
    whole, into = path.read_bytes(), training()
    before, begin = repr(into), time.perf_counter()
    for n in range(FUZZED):
        data = damaged(rng, whole)
        if data != whole:
            refused(path, data, into if n % 2 else None)
    assert repr(into) == before and time.perf_counter() - begin < 60


def test_of_damaged_files_without_sum_only_those_are_read_that_the_package_reads_too(tmp_path):
    path, rng = tmp_path / "f", np.random.default_rng(1)
    whole = save({f"w{n}": np.arange(4 * n, dtype="f4").reshape(4, n) for n in range(5)}, {"format": "pt"})
    accepted = 0
    for _ in range(FUZZED):
        path.write_bytes(damaged(rng, whole))
        try:
            ours = kn.load(path)
        except kn.StoreError:
            continue
        try:
            theirs = load_file(path)
        except (SafetensorError, KeyError) as error:
            pytest.fail(f"the package refuses what load reads: {error}")
        accepted += 1
        assert set(ours) == set(theirs)
        assert all(ours[k].tobytes() == theirs[k].tobytes() and ours[k].shape == theirs[k].shape for k in ours)
    assert accepted > 30  # those whose data alone were damaged


# ------------------------------------------------------------------------------- headers that somebody thought up


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"w": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


HEADERS = {
    "nothing": (b"", "cut off"),
    "empty": (file_of(b""), "cannot be read"),
    "a size beyond the file": ((2**40).to_bytes(8, "little") + b"{}", "cut off"),
    "a huge header": (file_of(b" " * ((16 << 20) + 1)), "at most 16,777,216 are read"),
    "a list": (file_of([]), "not one of a safetensors file"),
    "UTF-16": (file_of("{}".encode("utf-16")), "cannot be read"),
    "deep": (file_of(b"[" * 10**6), "cannot be read"),
    "a long number": (file_of(b'{"w":' + b"9" * 10**6 + b"}"), "cannot be read"),
    "NaN": (file_of(b'{"w":NaN}'), "cannot be read"),
    "a name twice": (file_of(b'{"a":1,"a":1}'), "a name stands there twice"),
    "metadata that are no texts": (file_of({"__metadata__": {"a": 1}}), "not one of a safetensors file"),
    "absurd shape": (file_of(one(shape=(10**12,)), bytes(4)), "does not fit its 4 bytes"),
    "absurd product": (file_of(one(shape=(2**32, 2**32)), bytes(4)), "does not fit its 4 bytes"),
    "absurd empty": (file_of(one(shape=(0, 2**62, 2**62), offsets=(0, 0))), "does not fit its 0 bytes"),
    "negative": (file_of(one(shape=(-1, -1)), bytes(4)), "shape or place"),
    "a fraction": (file_of(one(shape=(1.0,)), bytes(4)), "shape or place"),
    "a truth": (file_of(one(shape=(True,)), bytes(4)), "shape or place"),
    "many axes": (file_of(one(shape=(1,) * 65), bytes(4)), "shape or place"),
    "backwards": (file_of(one(offsets=(4, 0)), bytes(4)), "does not fit"),
    "beyond the end": (file_of(one(offsets=(0, 4)), bytes(3)), "3 bytes of data where its header tells of 4"),
    "a gap": (file_of(one(offsets=(4, 8)), bytes(8)), "begin at byte 4, where 0 was due"),
    "left over": (file_of(one(), bytes(8)), "8 bytes of data where its header tells of 4"),
    "overlapping": (file_of({**one(), "v": one()["w"]}, bytes(4)), "where 4 was due"),
    "eight bits": (file_of(one("F8_E4M3", offsets=(0, 1)), bytes(1)), "dtype 'F8_E4M3', which NumPy does not have"),
    "a dtype that is none": (file_of(one(["F32"]), bytes(4)), "which NumPy does not have"),
    "a missing part": (file_of({"w": {"dtype": "F32"}}), "does not tell dtype, shape and data_offsets"),
    "no truth": (file_of(one("BOOL", (1,), (0, 1)), b"\2"), "neither true nor false"),
    "half a save": (file_of({"__metadata__": {"knetpy.format": "1"}}), "damaged"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_are_none(tmp_path, kind):
    data, message = HEADERS[kind]
    (tmp_path / "f").write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(kn.StoreError, match=message):
            kn.load(tmp_path / "f")
        assert tracemalloc.get_traced_memory()[1] < 20 * len(data) + (1 << 20)
    finally:
        tracemalloc.stop()


# -------------------------------------------------------------------------------- saves with a right sum, but wrong


def save_of(tree, objects=(), **arrays):
    """The bytes of a save with this description, its sum in order."""
    file = io.BytesIO()
    text = tree if isinstance(tree, str) else json.dumps({"tree": tree, "objects": list(objects)})
    tensors.write(file, arrays, text)
    return file.getvalue()


NUMBERS = np.zeros(1000)
TREES = {
    "no JSON": ("{", "its description cannot be read"),
    "no tree": ("[]", "its description is not one of a save"),
    "a kind of later": ({"set": []}, "a kind that this knetpy does not know"),
    "a method": ({"items": []}, "a kind that this knetpy does not know"),
    "two kinds": ({"tuple": [], "dict": []}, "a kind that this knetpy does not know"),
    "no array": ({"array": "v"}, "names an array 'v' that it does not hold"),
    "a list as name": ({"param": ["w"]}, "that it does not hold"),
    "a Param of integers": ({"param": "n"}, "has no gradient"),
    "a bomb of lists": ([{"numbers": "w"}] * 2, "a list of numbers that save does not write"),
    "a list of rows": ({"scalars": "m"}, "a list of numbers that save does not write"),
    "a list of halves": ({"scalars": "h"}, "a list of numbers that save does not write"),
    "no number": ({"float": "nano"}, "a number that is none"),
    "no complex number": ({"complex": [1, "a"]}, "a complex number that is none"),
    "no dtype": ({"scalar": ["|O8", "00"]}, "a scalar of no known dtype"),
    "too short": ({"scalar": ["<f4", "00"]}, "a scalar that is none"),
    "no hexadecimals": ({"scalar": ["<f4", "zzzzzzzz"]}, "a scalar that is none"),
    "no pairs": ({"dict": [[1]]}, "not as save writes it"),
    "a key twice": ({"dict": [["a", 1], ["a", 2]]}, "a key that stands there twice"),
    "an array as key": ({"dict": [[{"array": "w"}, 1]]}, "a key that is none"),
    "fields without names": ({"fields": ["A", [[1, 2]]]}, "fields without names"),
    "no object": ({"object": 1}, "names an object that it does not hold"),
    "an object in itself": ({"object": 0}, "contains itself"),
    "code without name": ({"code": 1}, "a function without name"),
}  # fmt: skip


@pytest.mark.parametrize("into", [None, [kn.param([1.0])], {"a": 1}, kn.Moments(), kn.random, np.zeros(1000), 1, ()])
@pytest.mark.parametrize("kind", TREES)
def test_trees_that_save_does_not_write(tmp_path, kind, into):
    tree, message = TREES[kind]
    arrays = {"w": NUMBERS, "n": np.arange(3), "m": np.eye(3), "h": np.zeros(3, "f2")}
    data = save_of(tree, [["A", [{"object": 0}]]], **arrays)
    found = refused(tmp_path / "f", data, into)
    assert into is not None or message in found


@pytest.mark.parametrize("levels", [59, 62, 100, 300, 100_000])
@pytest.mark.parametrize("kind", ["list", "key", "objects"])
def test_deep_nesting(tmp_path, levels, kind):
    objects = "[]"
    if kind == "list":
        tree = "[" * levels + "]" * levels
    elif kind == "key":
        tree = '{"dict":[[' + '{"tuple":[' * levels + "1" + "]}" * levels + ",1]]}"
    else:
        objects = json.dumps([["A", [{"object": n + 1}] * 2] for n in range(levels)] + [["A", 1]])
        tree = '{"object":0}'
    (tmp_path / "f").write_bytes(save_of(f'{{"tree":{tree},"objects":{objects}}}'))
    for into in (None, [kn.Moments()]):
        try:
            kn.load(tmp_path / "f", into)  # what it shares is made once: 2**59 lists would take long
        except kn.StoreError:
            assert levels > 20 or into
        else:
            assert levels < 60 or kind == "key"


def parts(node):
    """Every container of a JSON text, with each of its places."""
    steps = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
    for key, child in list(steps):
        yield node, key
        yield from parts(child)


def test_changed_trees_are_read_or_refused(tmp_path):
    """A right sum, and some part of the description replaced: the reader knows nothing but StoreError."""
    path, rng = tmp_path / "f", np.random.default_rng(2)
    kn.save(path, training())
    arrays, description = tensors.read(io.BytesIO(path.read_bytes()), os.path.getsize(path))
    text, read = json.dumps(description), 0
    others = [None, True, -1, 3, 1e300, "w", "['w'][0]", [], {}, [[]], {"object": 0}, {"array": "['w'][0]"}]
    others += [{"tuple": [1]}, {"dict": []}, {"numbers": "['losses']"}, {"code": "f"}, {"fields": ["A", []]}]
    for n in range(FUZZED):
        changed = json.loads(text)
        places = list(parts(changed))
        for _ in range(int(rng.integers(1, 4))):
            node, key = places[int(rng.integers(len(places)))]
            node[key] = json.loads(json.dumps(others[int(rng.integers(len(others)))]))
        path.write_bytes(save_of(json.dumps(changed), **arrays))
        try:
            kn.load(path, training() if n % 2 else None)
            read += 1
        except kn.StoreError:
            pass
    assert FUZZED // 50 < read < FUZZED


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "f")
    with pytest.raises(kn.StoreError, match="it is no file"):
        kn.load(tmp_path / "f")


def test_a_later_format(tmp_path):
    kn.save(tmp_path / "f", 1)
    arrays = {}
    file = io.BytesIO()
    try:
        tensors.VERSION = 2
        tensors.write(file, arrays, '{"tree":1,"objects":[]}')
    finally:
        tensors.VERSION = 1
    assert "it has format '2' and this knetpy reads format 1" in refused(tmp_path / "f", file.getvalue())


@pytest.mark.parametrize(
    "name, fields",
    [
        ("Cosine", [["lr", -1.0], ["steps", 3]]),
        ("Cosine", [["lr", "x"], ["steps", 3]]),
        ("Cosine", [["lr", 1.0]]),
        ("Cosine", [["lr", 1.0], ["steps", 3], ["__class__", 3]]),
        ("Piecewise", [["lr", 1.0], ["later", {"dict": [["a", 1.0]]}]]),
        ("Warmup", [["steps", 3], ["then", []]]),
    ],
)
def test_a_schedule_that_is_none(name, fields):
    with pytest.raises(kn.StoreError, match="its tree has a schedule that is none"):
        Rebuilder({}, []).tree({"fields": [f"schedules.{name}", fields]})
    assert Rebuilder({}, []).tree({"fields": [name, [["lr", -1.0]]]}) == {"lr": -1.0}  # a class of the user's
