"""`state` and `load_state`: the names, what comes back, what is refused."""

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import LSTM, BatchNorm, Chain, Dense, Scale

X = np.random.default_rng(0).normal(size=(6, 3)).astype("f4")


def model():
    return Chain(Dense(3, 4), BatchNorm(4, kn.relu), Scale(4))


def trained():
    found = model()
    list(kn.minimize(lambda: np.sum(found(X) ** 2), [()] * 3, kn.SGD()))
    return found


def test_names_and_copies():
    found = trained()
    state = kn.state(found)
    assert list(state) == [
        "layers.0.weight", "layers.0.bias", "layers.1.scale", "layers.1.bias", "layers.1.moments.mean",
        "layers.1.moments.var", "layers.1.moments.count", "layers.2.scale", "layers.2.bias",
    ]  # fmt: skip
    assert state["layers.1.moments.count"] == 3
    for array in state.values():
        array[...] = 0
    assert found[0].weight.value.any() and found[1].moments.mean.any()


def test_names_are_those_of_a_file(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    found = Chain(trained(), LSTM(3, 2, layers=2), {"a": [kn.param(2)]}.__getitem__)
    kn.save(tmp_path / "model", found[:2])
    in_file = numpy.load_file(tmp_path / "model")
    state = kn.state(found[:2])
    assert set(in_file) == {name for name in state if not name.endswith("count")}
    assert all((in_file[name] == state[name]).all() for name in in_file)


def test_it_comes_back_through_a_file(tmp_path):
    found, new = trained(), model()
    kn.save(tmp_path / "state", kn.state(found))
    kn.load_state(new, kn.load(tmp_path / "state"))
    np.testing.assert_array_equal(new(X), found(X))
    assert new[1].moments.count == 3 and new[1].moments.mean is not found[1].moments.mean


def test_moments_that_have_seen_no_batch_come_back():
    fresh, found = kn.state(model()), trained()
    kn.load_state(found, fresh)
    assert found[1].moments.mean is None and found[1].moments.count == 0
    kn.load_state(found, kn.state(trained()))
    assert found[1].moments.count == 3


def test_the_params_stay_the_same():
    found = model()
    before, versions = kn.params(found), [p.version for p in kn.params(found)]
    kn.load_state(found, kn.state(model()))
    assert all(a is b for a, b in zip(before, kn.params(found)))
    assert [p.version for p in before] == [n + 1 for n in versions]


def test_functions_and_containers_have_states():
    w = [kn.param(2, 3), {"b": kn.param0(3)}]
    assert list(kn.state(w)) == ["0", "1.b"]
    f = kn.model(lambda x: x @ kn.param(3, 2))
    f(X)
    assert [a.shape for a in kn.state(f).values()] == [(3, 2)]


def changed(state):
    state = dict(state)
    del state["layers.0.bias"]
    state["layers.0.weight"] = state["layers.0.weight"].T
    state["layers.2.bias"] = state["layers.2.bias"].astype(np.float64)
    state["layers.1.scale"] = [1, 2, 3, 4]
    state["layers.1.moments.mean"] = np.ones(5, "f4")
    state["more"] = np.ones(2)
    return state


MISFITS = (
    "missing: layers.0.bias; extra: more; of another kind: layers.0.weight is (3, 4), in the state (4, 3), "
    "layers.1.moments.mean is (4,), in the state (5,), layers.1.scale, which must be an array, is a list, "
    "layers.2.bias is float32, in the state float64"
)


def test_all_that_does_not_fit_is_told_and_nothing_changed():
    found = trained()
    before = kn.state(found)
    with pytest.raises(kn.StoreError) as told:
        kn.load_state(found, changed(kn.state(trained())))
    words = str(told.value).removeprefix("load_state: the state does not fit the model. ")
    assert sorted(words.partition(". Nothing")[0].replace("; ", ", ").split(", ")) == sorted(
        MISFITS.replace("; ", ", ").split(", ")
    )
    after = kn.state(found)
    assert all((before[name] == after[name]).all() for name in before)


def test_what_fits_can_be_loaded():
    found, other = trained(), trained()
    with pytest.warns(UserWarning, match="load_state: not all of it fits the model. missing: layers.0.bias"):
        kn.load_state(found, changed(kn.state(other)), strict=False)
    assert (found[2].scale.value == other[2].scale.value).all()
    assert (found[0].weight.value != other[0].weight.value).any() and found[1].moments.count == 3


def test_what_is_refused():
    found = model()
    with pytest.raises(TypeError, match=r"load_state: state must be a dict .*load_state\(model, state\)"):
        kn.load_state(kn.state(found), found)
    with pytest.raises(TypeError, match="load_state: strict must be"):
        kn.load_state(found, {}, strict="no")
    with pytest.raises(kn.MutationError, match="load_state"):
        kn.grad(lambda: (kn.load_state(found, kn.state(found)), np.sum(found(X)))[1])()
    for f in (kn.state, lambda m: kn.load_state(m, {})):
        with pytest.raises(ValueError, match=r"layers\[0\], Dense\(\? => 3\), is sized at its first call"):
            f(Chain(Dense(3)))
