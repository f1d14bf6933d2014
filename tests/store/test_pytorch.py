"""`load_torch`: files, names, order, what does not fit. What each layer makes of weights is in tests/nn/test_parity."""

import io
import sys

import numpy as np
import pytest

import knetpy as kn
from knetpy.nn import BatchNorm, Chain, Conv, Dense, LayerNorm, MultiHeadAttention, WeightNorm, flatten


def model():
    return Chain(Conv(1, 2, 3), BatchNorm(2), flatten, Dense(8, 3), LayerNorm(3))


def weights(seed=0):
    """As PyTorch's state_dict of the same."""
    rng = np.random.default_rng(seed)
    shapes = {
        "0.weight": (2, 1, 3, 3), "0.bias": (2,), "1.weight": (2,), "1.bias": (2,), "1.running_mean": (2,),
        "1.running_var": (2,), "1.num_batches_tracked": (), "4.weight": (3, 8), "4.bias": (3,), "5.weight": (3,),
        "5.bias": (3,),
    }  # fmt: skip
    return {
        name: np.array(5) if name.endswith("tracked") else rng.normal(size=shape).astype("f4") ** 2
        for name, shape in shapes.items()
    }


def loaded(model, given):
    state = kn.state(model)
    np.testing.assert_array_equal(state["layers.0.weight"], given["0.weight"])
    np.testing.assert_array_equal(state["layers.3.weight"], given["4.weight"].T)
    np.testing.assert_array_equal(state["layers.1.moments.var"], given["1.running_var"])
    assert state["layers.1.moments.count"] == 5
    return True


def test_a_dict_of_arrays():
    found = model()
    kn.load_torch(found, weights())
    assert loaded(found, weights())


def test_what_training_scripts_save_beside():
    found = model()
    kn.load_torch(found, {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in weights().items()}})
    assert loaded(found, weights())


def test_dtypes_stay_those_of_the_model():
    found = kn.nn.cast(model(), np.float64)
    kn.load_torch(found, {k: v.astype(np.float16) if v.shape else v for k, v in weights().items()})
    assert {p.dtype for p in kn.params(found)} == {np.dtype(np.float64)}


def test_a_safetensors_file_has_its_names_sorted(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    given = weights()
    numpy.save_file(given, tmp_path / "weights")
    assert list(numpy.load_file(tmp_path / "weights")) != list(given)
    for source in (tmp_path / "weights", numpy.load_file(tmp_path / "weights")):
        found = model()
        kn.load_torch(found, source)
        assert loaded(found, given)


def sorted_of(names, shape=(3, 3)):
    arrays = {f"{name}.weight": np.full(shape, n, "f4") for n, name in enumerate(names)}
    arrays |= {f"{name}.bias": np.full(shape[0], n, "f4") for n, name in enumerate(names)}
    return dict(sorted(arrays.items()))


def test_numbers_in_sorted_names_count_as_numbers():
    found = Chain(*[Dense(3, 3) for _ in range(12)])
    kn.load_torch(found, sorted_of([f"h.{n}.fc" for n in range(12)]))
    assert [layer.bias.value[0] for layer in found] == list(range(12))


def test_names_that_are_equal_tell_which():
    found = Chain(query=Dense(3, 3), key=Dense(3, 3))
    kn.load_torch(found.layers, sorted_of(["query", "key"]))
    assert [layer.bias.value[0] for layer in found] == [0, 1]


def test_sorted_names_are_found_at_any_depth():
    names = ["block.0.norm", "block.0.down.1", "block.1.norm"]
    block = [Chain(norm=Dense(3, 3), down=Chain(np.tanh, Dense(3, 3))), Chain(norm=Dense(3, 3))]
    arrays = sorted_of(names)
    kn.load_torch(Chain(block=Chain(*block)), arrays)
    for layer, name in zip((block[0][0], block[0][1][1], block[1][0]), names):
        np.testing.assert_array_equal(layer.weight.value, arrays[f"{name}.weight"].T)


def test_sorted_names_that_could_be_either_are_refused():
    with pytest.raises(kn.StoreError, match="could be 'key' and 'query': .* pass the module's state_dict"):
        kn.load_torch(Chain(Dense(3, 3), Dense(3, 3)), sorted_of(["query", "key"]))


def test_params_of_ones_own_take_what_comes_next():
    found = [kn.param(2, 3), Dense(3, 2)]
    kn.load_torch(found, {"position": np.ones((2, 3)), "out.weight": np.ones((2, 3)), "out.bias": np.ones(2)})
    assert found[0].value.all() and found[1].bias.value.all()


def test_earlier_names_of_weight_norm():
    found = WeightNorm(Dense(3, 2))
    kn.load_torch(found, {"bias": np.ones(2), "weight_g": np.full((2, 1), 2.0), "weight_v": np.ones((2, 3))})
    assert found.g.value.tolist() == [2, 2] and found.v.shape == (3, 2)


WRONG = {
    "missing": (lambda w: w.pop("0.bias"), "'0.bias' is missing, for layers[0]"),
    "more of a layer": (lambda w: w.update({"5.more": np.ones(3)}), "'5.more' has no place in layers[4], LayerNorm(3)"),
    "more": (lambda w: w.update({"9.weight": np.ones(3)}), "'9.weight' is left over"),
    "no moments": (lambda w: w.pop("1.running_mean"), "'1.running_mean' is missing, for layers[1]"),
    "a shape": (
        lambda w: w.update({"4.weight": np.ones((8, 3))}),
        "'4.weight' (8, 3), which gives (3, 8), does not fit layers[3], where (8, 3) is needed",
    ),
    "two": (lambda w: (w.pop("0.bias"), w.pop("5.bias")), "'0.bias' is missing, for layers[0], '5.bias' is missing"),
    "no layer": (lambda w: (w.pop("5.weight"), w.pop("5.bias")), "at layers[4], LayerNorm(3), the state_dict ends"),
    "complex": (lambda w: w.update({"0.bias": np.ones(2, "c8")}), "'0.bias' (2,) of complex64 does not fit layers[0]"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_does_not_fit_is_told_and_nothing_changed(kind):
    change, message = WRONG[kind]
    given, found = weights(), model()
    change(given)
    before = kn.state(found)
    with pytest.raises(kn.StoreError) as told:
        kn.load_torch(found, given)
    assert message in str(told.value) and str(told.value).endswith("Nothing was changed")
    after = kn.state(found)
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)


def test_attention_without_biases_has_no_place_for_them():
    given = {"in_proj_weight": np.ones((12, 4)), "in_proj_bias": np.ones(12), "out_proj.weight": np.ones((4, 4))}
    with pytest.raises(kn.StoreError, match="'in_proj_bias' has no place in the model"):
        kn.load_torch(MultiHeadAttention(4, 2), given)


def test_what_is_refused(tmp_path):
    found = model()
    with pytest.raises(TypeError, match="load_torch: source must be a state_dict"):
        kn.load_torch(model(), 3)
    with pytest.raises(TypeError, match="load_torch: 'a' in source must be a tensor or an array, got int"):
        kn.load_torch(model(), {"a": 3})
    with pytest.raises(ValueError, match="load_torch: .* is sized at its first call"):
        kn.load_torch(Dense(3), {})
    with pytest.raises(FileNotFoundError, match="load_torch"):
        kn.load_torch(model(), tmp_path / "none")
    with pytest.raises(kn.MutationError, match="load_torch"):
        kn.grad(lambda p: (kn.load_torch(found, weights()), p * p)[1], 0)(1.0)


def test_a_file_of_torch_save_needs_pytorch(tmp_path, monkeypatch):
    import zipfile

    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("weights/data.pkl", b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"knetpy\[torch\].*safetensors"):
        kn.load_torch(model(), tmp_path / "weights.pt")


def test_files_of_torch_save(tmp_path):
    torch = pytest.importorskip("torch")
    t = torch.nn
    module = t.Sequential(t.Conv2d(1, 2, 3), t.BatchNorm2d(2), t.ReLU(), t.Flatten(), t.Linear(8, 3), t.LayerNorm(3))
    given = weights()
    module.load_state_dict({name: torch.tensor(x) for name, x in given.items()})
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        torch.save(module.state_dict(), tmp_path / "weights.pt", **options)
        found = model()
        kn.load_torch(found, tmp_path / "weights.pt")
        assert loaded(found, given)
        kn.load_torch(found, module)
    kn.load_torch(found, module.bfloat16().state_dict())
    torch.save(io.BytesIO(b"code"), tmp_path / "weights.pt")
    with pytest.raises(kn.StoreError, match="holds more than arrays"):
        kn.load_torch(model(), tmp_path / "weights.pt")


def test_a_norm_without_params_has_running_moments():
    model = kn.nn.Chain(kn.nn.BatchNorm(2, affine=False))
    given = {"0.running_mean": np.array([1.0, 2]), "0.running_var": np.array([3.0, 4]), "0.num_batches_tracked": 5}
    kn.load_torch(model, {name: np.asarray(x) for name, x in given.items()})
    assert model[0].moments.mean.tolist() == [1, 2] and model[0].moments.var.tolist() == [3, 4]
    assert kn.nn.cast(model, np.float64)[0].moments.mean.tolist() == [1, 2]
