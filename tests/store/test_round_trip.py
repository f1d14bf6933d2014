"""What is saved comes back: values, dtypes, structure, and what is the same object."""

import errno
import math
import os
from collections import namedtuple
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import knetpy as kn
from knetpy.store import atomic
from knetpy.tree import tree_map

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", ">f4", ">i8"]
Pair = namedtuple("Pair", "left right")


@dataclass
class Dense:
    w: Any
    b: Any
    activation: Any = np.tanh


def stretched(array, how):
    """The same values in memory that is not contiguous, or in Fortran order."""
    if how == "fortran":
        return np.asfortranarray(array)
    if how == "strided" and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    return array


arrays = st.builds(
    stretched,
    hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    st.sampled_from(["as it is", "fortran", "strided"]),
)
params = st.builds(
    kn.param, hnp.arrays(st.sampled_from(["f2", "f4", "f8"]), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.builds(lambda x, d: np.array(x).astype(d)[()], st.integers(0, 99), st.sampled_from(DTYPES)),
)
numbers = st.one_of(
    st.lists(st.floats(), min_size=45, max_size=60),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=45, max_size=60),
    st.lists(st.floats(width=32).map(np.float32), min_size=45, max_size=60),
)
keys = st.one_of(st.text(), st.integers(), st.none(), st.tuples(st.text(), st.integers()))


def containers(children):
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(keys, children, max_size=3),
    )


trees = st.recursive(st.one_of(scalars, arrays, params, numbers), containers, max_leaves=8)


def same(x, y):
    """Whether two trees are equal to the last bit, NaN included."""
    if isinstance(x, kn.Param):
        return isinstance(y, kn.Param) and same(x.value, y.value)
    if isinstance(x, np.ndarray | np.generic):
        known = isinstance(y, np.ndarray if isinstance(x, np.ndarray) else np.generic)
        native = x.dtype.newbyteorder("=")
        return known and y.dtype == native and x.shape == y.shape and x.astype(native).tobytes() == y.tobytes()
    if type(x) is not type(y):
        return False
    if isinstance(x, list | tuple):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, dict):
        return list(map(repr, x)) == list(map(repr, y)) and all(same(x[k], y[m]) for k, m in zip(x, y))
    if isinstance(x, float | complex):
        return repr(x) == repr(y)
    return x == y


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees)
def test_any_tree_comes_back(tmp_path, tree):
    kn.save(tmp_path / "tree", tree)
    assert same(tree, kn.load(tmp_path / "tree"))


def emptied(tree):
    """A tree of the same form, with other values."""

    def other(x):
        if isinstance(x, kn.Param):
            return kn.param(np.ones_like(x.value))
        return np.ones(x.shape, x.dtype) if isinstance(x, np.ndarray) else x

    return tree_map(other, tree)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=containers(trees))
def test_any_tree_can_be_loaded_into_another_of_its_form(tmp_path, tree):
    kn.save(tmp_path / "tree", tree)
    into = emptied(tree)
    loaded = kn.load(tmp_path / "tree", into)
    assert loaded is into or isinstance(into, tuple)
    assert same(as_native(tree), as_native(loaded))


def as_native(tree):
    return tree_map(lambda x: x.astype(x.dtype.newbyteorder("=")) if isinstance(x, np.ndarray) else x, tree)


def test_what_is_the_same_object_stays_the_same(tmp_path):
    w, a, m = kn.param(2, 3), np.arange(3), kn.Moments()
    kn.save(tmp_path / "f", {"encoder": w, "decoder": [w], "a": a, "b": (a,), "m": [m, m]})
    tree = kn.load(tmp_path / "f")
    assert tree["encoder"] is tree["decoder"][0] and tree["a"] is tree["b"][0] and tree["m"][0] is tree["m"][1]
    assert isinstance(tree["m"][0], kn.Moments)


def test_equal_objects_stay_two(tmp_path):
    a = np.arange(3)
    kn.save(tmp_path / "f", [a, a.copy()])
    first, second = kn.load(tmp_path / "f")
    assert first is not second and same(first, second)


def test_dataclasses_and_named_tuples_come_back_as_dicts_without_into(tmp_path):
    model = Pair(Dense(kn.param(3, 2), kn.param0(2), kn.relu), [Dense(kn.param(2, 1), None)])
    kn.save(tmp_path / "f", model)
    tree = kn.load(tmp_path / "f")
    assert same(tree["left"]["w"], model.left.w) and tree["left"]["activation"] == "relu"
    other = Pair(Dense(kn.param(3, 2), kn.param0(2), kn.relu), [Dense(kn.param(2, 1), None)])
    assert kn.load(tmp_path / "f", other) is other
    assert same(other.left.w, model.left.w) and other.left.activation is kn.relu


def test_arrays_of_the_file_have_the_names_of_named_params(tmp_path):
    from safetensors.numpy import load_file

    model = {"layers": [Dense(kn.param(3, 2), kn.param0(2))], "out": kn.param(2, 1)}
    kn.save(tmp_path / "f", model)
    stored = load_file(tmp_path / "f")
    params = {
        path.replace("['", "").replace("']", "").replace("[0]", ".0"): p for path, p in kn.named_params(model).items()
    }
    assert set(stored) == set(params) == {"layers.0.w", "layers.0.b", "out"}
    assert all(same(stored[name], p.value) for name, p in params.items())


def test_long_lists_of_numbers_are_kept_small(tmp_path):
    losses = [np.float32(n) / 3 for n in range(100_000)]
    kn.save(tmp_path / "f", {"losses": losses, "steps": list(range(100_000))})
    assert (tmp_path / "f").stat().st_size < 1_300_000
    tree = kn.load(tmp_path / "f")
    assert tree["losses"] == losses and type(tree["losses"][0]) is np.float32 and tree["steps"][-1] == 99_999


def test_generators_and_states(tmp_path):
    generators = [np.random.default_rng(1), np.random.Generator(np.random.MT19937(1))]
    kn.seed(3)
    kn.random.randn(2)
    kn.save(tmp_path / "f", {"kn": kn.random, "np": generators})
    wanted = kn.random.rand(3), [g.random(3) for g in generators]
    kn.seed(4)
    kn.load(tmp_path / "f", {"kn": kn.random, "np": generators})
    assert same((kn.random.rand(3), [g.random(3) for g in generators]), wanted)


def more_than_fields():
    layer = Dense(1, 2)
    layer.calls = 3
    return layer


WRONG = {
    "a module": ([np.random], TypeError, r"\[0\] is a module, which holds no Params"),
    "more than fields": ([more_than_fields()], TypeError, r"\[0\] is a Dense, .* no fields of it \(calls\); make them"),
    "a set": ({"x": [1, {2}]}, TypeError, r"save: \['x'\]\[1\] is a set, which holds no Params"),
    "an object": ([object()], TypeError, r"\[0\] is a object"),
    "complex128": ([np.ones(2, complex)], TypeError, r"\[0\] has dtype complex128, which safetensors files do not"),
    "texts": ([np.array(["a"])], TypeError, r"\[0\] has dtype <U1"),
    "objects": ([np.array([None])], TypeError, r"\[0\] has dtype object"),
    "masked": ([np.ma.masked_array([1.0])], TypeError, r"\[0\] is a MaskedArray; make it a plain array"),
    "a key": ({frozenset(): 1}, TypeError, "key frozenset.* of the tree is a frozenset; make it a text"),
    "a long integer": ({"n": 1 << 20_000}, ValueError, r"\['n'\] is an integer of 20001 bits"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_saved(tmp_path, wrong):
    tree, error, message = WRONG[wrong]
    kn.save(tmp_path / "f", 1)
    with pytest.raises(error, match=message):
        kn.save(tmp_path / "f", tree)
    assert [p.name for p in tmp_path.iterdir()] == ["f"] and kn.load(tmp_path / "f") == 1


def test_a_tree_that_contains_itself(tmp_path):
    tree = []
    tree.append(tree)
    with pytest.raises(ValueError, match="deeper than 60 levels, or contains itself"):
        kn.save(tmp_path / "f", tree)


def test_the_state_of_an_optimizer_needs_its_params(tmp_path):
    w, opt = kn.param([1.0]), kn.Adam()
    kn.update(w, np.ones(1, "f4"), opt)
    with pytest.raises(ValueError, match="Adam has updated an array that is not in the tree"):
        kn.save(tmp_path / "f", opt)
    kn.save(tmp_path / "f", (opt, w))
    opt_tree, w_again = kn.load(tmp_path / "f")
    assert opt_tree["states"][0]["of"] is w_again and opt_tree["settings"]["lr"] == opt.lr


@pytest.mark.parametrize("wrong, error", [(3, TypeError), (None, TypeError)])
def test_paths(tmp_path, wrong, error):
    for call in (lambda: kn.save(wrong, 1), lambda: kn.load(wrong)):
        with pytest.raises(error, match="path must be the name of a file"):
            call()


def test_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        kn.save(tmp_path / "no" / "f", 1)
    with pytest.raises(IsADirectoryError):
        kn.save(tmp_path, 1)
    with pytest.raises(IsADirectoryError, match="load: .* is a folder"):
        kn.load(tmp_path)
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match="load: .* is a link to 'nothing', which is not there"):
        kn.load(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        kn.load(tmp_path / "f")
    for wrong in ("", "a\0b"):
        with pytest.raises(ValueError, match="save: path must be the name of a file, got"):
            kn.save(wrong, 1)


@pytest.mark.parametrize("number, way", [(errno.EACCES, "you may write to"), (errno.EROFS, "that you may write to"),
                                         (errno.ENOSPC, "another folder, or make room")])  # fmt: skip
def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, number, way):
    kn.save(tmp_path / "f", 1)

    def refuse(name, mode):
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr(atomic, "open", refuse, raising=False)
    with pytest.raises(OSError) as error:
        kn.save(tmp_path / "f", 2)
    reason = f"cannot be written into the folder {str(tmp_path)!r}: {os.strerror(number)}; name a file in "
    assert str(error.value).startswith(f"save: {str(tmp_path / 'f')!r} {reason}") and str(error.value).endswith(way)
    assert error.value.errno == number and isinstance(error.value, PermissionError) == (number == errno.EACCES)
    assert kn.load(tmp_path / "f") == 1


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(OSError, match="save: .* cannot be written into the folder .*; take a shorter name$"):
        kn.save(tmp_path / ("a" * 250), 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files")
def test_pipes_and_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "f")
    with pytest.raises(OSError, match="is a device or a pipe"):
        kn.save(tmp_path / "f", 1)
    assert (tmp_path / "f").is_fifo()


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (True, TypeError), (1.5, TypeError), ("2", TypeError)])
def test_keep_is_a_count(tmp_path, wrong, error):
    with pytest.raises(error, match="save: keep must be an integer of at least 1"):
        kn.save(tmp_path / "f", 1, keep=wrong)


def test_the_earlier_saves_are_kept(tmp_path):
    for n in range(6):
        kn.save(tmp_path / "f", n, keep=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "f.1", "f.2"]
    assert [kn.load(tmp_path / name) for name in ("f", "f.1", "f.2")] == [5, 4, 3]
    kn.save(tmp_path / "g", 1, keep=10**12)  # takes no longer than others
    (tmp_path / "g").unlink()
    kn.save(tmp_path / "f", 6)  # which keeps no other, and removes none
    assert [kn.load(tmp_path / name) for name in ("f", "f.1", "f.2")] == [6, 4, 3]


def test_a_link_stays_a_link(tmp_path):
    kn.save(tmp_path / "real", 1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    kn.save(tmp_path / "link", 2)
    assert (tmp_path / "link").is_symlink() and kn.load(tmp_path / "real") == 2


def test_numbers_that_json_does_not_have(tmp_path):
    kn.save(tmp_path / "f", [math.nan, math.inf, -math.inf, -0.0, complex(math.nan, -0.0)])
    assert str(kn.load(tmp_path / "f")) == "[nan, inf, -inf, -0.0, (nan-0j)]"


def test_the_order_of_an_optimizer_and_its_model_does_not_matter(tmp_path):
    w, opt = kn.param([1.0, 2.0]), kn.Adam()

    def model():
        return np.sum(w * w)

    kn.update(w, kn.grad(model)(), opt)
    for tree in ({"opt": opt, "model": model}, {"model": model, "opt": opt}):
        kn.save(tmp_path / "save", tree)
        kn.load(tmp_path / "save", tree)


class Counting:
    """A callback of the user's with something to lose."""

    def __init__(self):
        self.count = 0

    def __call__(self, loss=None):
        self.count += 1


class Slotted:
    __slots__ = ("count",)

    def __call__(self):
        self.count = 1


@pytest.mark.parametrize("wrapped", [lambda f: f, lambda f: partial(f, 1), lambda f: partial(print, f)])
def test_a_callback_whose_state_would_be_lost_is_refused(tmp_path, wrapped):
    slotted = Slotted()
    slotted()
    for callback in (Counting(), slotted):
        with pytest.raises(
            TypeError, match=r"save: \['note'\] is a \w+, which .* state\(\) and restore\(state\); give"
        ):
            kn.save(tmp_path / "f", {"note": wrapped(callback)})
    with pytest.raises(TypeError, match="is a partial, which holds no Params"):
        kn.save(tmp_path / "f", {"note": partial(kn.train.every(2)(print), 1)})
    assert not list(tmp_path.iterdir())


def test_functions_that_have_nothing_to_lose_are_saved_by_name(tmp_path):
    functions = [
        print,
        np.tanh,
        kn.relu,
        len,
        lambda x: x,
        partial(kn.elu, alpha=0.5),
        "".join,
        lru_cache(abs),
        Counting,
    ]
    kn.save(tmp_path / "f", functions)
    assert len(kn.load(tmp_path / "f")) == len(functions)
    assert kn.load(tmp_path / "f", list(functions)) == functions
