"""Files of other programs: safetensors as its own package and PyTorch write it, npz as NumPy does."""

import json
import pickle
import zipfile
from collections import namedtuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import knetpy as kn
from knetpy.store import describe

Layer = namedtuple("Layer", "weight bias")
DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8"]


def arrays():
    made = {f"a.{d}": np.arange(6).reshape(2, 3).astype(d) for d in DTYPES}
    return {**made, "empty": np.zeros((0, 2**40), "f4"), "scalar": np.array(3.0)}


def equal(x, y):
    return set(x) == set(y) and all(
        x[k].dtype == y[k].dtype and x[k].shape == y[k].shape and x[k].tobytes() == y[k].tobytes() for k in x
    )


def test_the_package_reads_what_save_writes(tmp_path):
    kn.save(tmp_path / "f", arrays())
    assert equal(arrays(), load_file(tmp_path / "f"))


def test_names_are_spelled_for_other_programs(tmp_path):
    w = [kn.param([float(n)]) for n in range(4)]
    odd = {"a.b": np.ones(1), "a": {"b": np.zeros(1)}, "__metadata__": np.ones(2), "": np.ones(3), "it's": np.ones(4)}
    tree = {"fc": {"weight": w[0]}, "layers": [w[1], {"b": w[2]}], 7: w[3], "odd": odd}
    kn.save(tmp_path / "f", tree)
    stored = load_file(tmp_path / "f")
    names = "fc.weight", "layers.0", "layers.1.b", "7"
    assert [stored[name].item() for name in names] == [0, 1, 2, 3] and len(stored) == 9
    assert {"odd.a.b", "odd.a.b#2", "odd.__metadata__"} < set(stored)
    kn.save(tmp_path / "odd", odd)
    for file, into in (("f", tree), ("odd", odd)):
        assert str(kn.load(tmp_path / file, into)) == str(kn.load(tmp_path / file))  # by the description, as ever
    save_file({name: np.full(1, 9, "f4") for name in names}, tmp_path / "theirs")
    kn.load(tmp_path / "theirs", {k: v for k, v in tree.items() if k != "odd"})
    assert [p.value.item() for p in w] == [9] * 4


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_load_reads_what_the_package_writes(tmp_path, metadata):
    save_file(arrays(), tmp_path / "f", metadata)
    found = kn.load(tmp_path / "f")
    assert equal(found, arrays()) and all(a.flags.writeable for a in found.values())


def container(entries, data, **metadata):
    header = json.dumps({**entries, **({"__metadata__": metadata} if metadata else {})}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_bfloat16_becomes_float32(tmp_path):
    values = np.array([1.0, -2.5, np.inf, 2.0**-126, 2.0**-133], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    entry = {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}
    (tmp_path / "f").write_bytes(container({"w": entry}, data, format="pt"))
    w = kn.load(tmp_path / "f")["w"]
    assert w.dtype == np.float32 and w.tolist() == values.tolist()


def test_what_pytorch_writes(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)).to(torch.bfloat16)
    save_file(net.state_dict(), tmp_path / "f")
    layers = [Layer(kn.param(2, 3), kn.param0(2)), None, Layer(kn.param(1, 2), kn.param0(1))]
    kn.load(tmp_path / "f", layers)
    for name, tensor in net.state_dict().items():
        p = getattr(layers[int(name[0])], name[2:])
        assert np.array_equal(p.value, tensor.float().numpy())


def test_names_are_found_as_paths_and_as_pytorch_writes_them(tmp_path):
    values = {"conv.weight": np.ones((2, 3), "f4"), "layers.0.bias": np.full(2, 2, "f4"), "layers.0.weight": np.ones(1)}
    save_file(values, tmp_path / "f")
    into = {"conv.weight": kn.param0(2, 3), "layers": [Layer(np.zeros(1), kn.param0(2))]}
    kn.load(tmp_path / "f", into)
    assert into["conv.weight"].value.all() and into["layers"][0].bias.value.tolist() == [2, 2]
    assert into["layers"][0].weight.tolist() == [1]
    save_file(
        {"['conv.weight']": np.zeros((2, 3), "f4"), "other": np.ones(1), "layers.0.bias": np.ones(3)}, tmp_path / "f"
    )
    message = (
        r"missing in the file: .*weight; extra in the file: other; mis-shaped: .*bias is \(2,\), in the file \(3,\)"
    )
    with pytest.raises(kn.StoreError, match=message):
        kn.load(tmp_path / "f", into)
    assert into["conv.weight"].value.all()
    with pytest.warns(UserWarning, match=message):
        kn.load(tmp_path / "f", into, strict=False)
    assert not into["conv.weight"].value.any()


# --------------------------------------------------------------------------------------------------------- npz


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_files(tmp_path, write):
    told = {"w": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": np.arange(3, dtype=">i2"), "s": np.array(2.0)}
    write(tmp_path / "f.npz", **told)
    found = kn.load(tmp_path / "f.npz")
    assert all(np.array_equal(found[k], told[k]) and found[k].dtype.isnative for k in told) and len(found) == 3
    into = {"w": kn.param0(2, 3, dtype="f8"), "b": np.zeros(3, "i2"), "s": np.array(0.0)}
    kn.load(tmp_path / "f.npz", into)
    assert np.array_equal(into["w"].value, told["w"]) and into["s"] == 2


def test_npz_files_without_names_are_lists(tmp_path):
    w = [np.full(n, n, "f4") for n in range(12)]
    np.savez(tmp_path / "f.npz", *w)
    assert [a.tolist() for a in kn.load(tmp_path / "f.npz")] == [a.tolist() for a in w]
    params = [kn.param0(n, dtype="f4") for n in range(12)]
    kn.load(tmp_path / "f.npz", params)
    assert [p.value.tolist() for p in params] == [a.tolist() for a in w]


def test_npz_files_as_julia_writes_them(tmp_path):
    """Knet's weights through NPZ.jl: first axis fastest, so all axes are reversed; names without .npy; dims kept."""
    w, b, dense = np.arange(500.0).reshape(20, 1, 5, 5), np.arange(20.0), np.arange(6.0).reshape(3, 2)
    told = {"w": w.T, "b": b.reshape(1, 20, 1, 1).T, "layers/1/w": dense.T}
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        for name, x in told.items():
            with archive.open(name, "w") as member:
                np.lib.format.write_array(member, np.asfortranarray(x.astype("f4")), (1, 0))
    into = {"w": kn.param0(20, 1, 5, 5), "b": kn.param0(1, 20, 1, 1), "layers": [None, {"w": kn.param0(3, 2)}]}
    with pytest.raises(
        kn.StoreError, match=r"\['w'\] is \(20, 1, 5, 5\), in the file \(5, 5, 1, 20\) \(x.T of it would"
    ):
        kn.load(tmp_path / "f.npz", into)
    assert kn.load(tmp_path / "f.npz", into, change=lambda a: {k: x.T for k, x in a.items()}) is into
    assert (into["w"].value == w).all() and (into["layers"][1]["w"].value == dense).all()
    assert (into["b"].value.ravel() == b).all()
    assert kn.load(tmp_path / "f.npz")["w"].shape == (5, 5, 1, 20)  # as it stands there


def test_names_and_axes_may_be_changed(tmp_path):
    """A Linear of PyTorch's has (out, in) and other names than a matrix and a bias of one's own."""
    save_file({"fc.weight": np.arange(6, dtype="f4").reshape(2, 3), "fc.bias": np.ones(2, "f4")}, tmp_path / "f")
    mine = {"fc": {"w": kn.param0(3, 2), "b": kn.param0(2)}}

    def change(arrays):
        return {k.replace("weight", "w").replace("bias", "b"): x.T for k, x in arrays.items()}

    kn.load(tmp_path / "f", mine, change=change)
    assert mine["fc"]["w"].value.tolist() == [[0, 3], [1, 4], [2, 5]] and mine["fc"]["b"].value.all()
    assert set(kn.load(tmp_path / "f", change=change)) == {"fc.w", "fc.b"}
    for wrong, message in ((lambda a: None, "must return a dict from names"), (lambda a: {1: 2}, "must return a dict")):
        with pytest.raises(TypeError, match=message):
            kn.load(tmp_path / "f", change=wrong)
    with pytest.raises(TypeError, match="change must be a function or None, got dict"):
        kn.load(tmp_path / "f", change={})
    kn.save(tmp_path / "f", mine)
    with pytest.raises(kn.StoreError, match="it is a save, whose names are its own"):
        kn.load(tmp_path / "f", change=change)


FOREIGN = {
    "a pickle": (pickle.dumps({"w": np.ones(3)}), "it is a pickle, such as torch.save"),
    "an old pickle": (pickle.dumps({"w": [1]}, 2), "it is a pickle, such as torch.save"),
    "an npy file": (b"\x93NUMPY\x01\x00", "read it with np.load"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "read it with h5py"),
    "JLD2": (b"Julia data format (HDF5), version 0.1.1" + bytes(99), "in Julia, write the arrays with NPZ.npzwrite"),
    "JLD": (b"HDF5-based Julia Data Format, version 0.1" + bytes(99), "in Julia, write the arrays with NPZ.npzwrite"),
    "a mat file": (b"MATLAB 5.0 MAT-file Platform: posix" + bytes(99), "read it with scipy.io.loadmat"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_others_are_named(tmp_path, kind):
    data, message = FOREIGN[kind]
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(kn.StoreError, match=message):
        kn.load(tmp_path / "f")


def test_what_torch_saves_is_named(tmp_path):
    torch = pytest.importorskip("torch")
    for zipped in (True, False):
        torch.save({"w": torch.zeros(3)}, tmp_path / "f", _use_new_zipfile_serialization=zipped)
        with pytest.raises(kn.StoreError, match="pickle.*torch.save.*safetensors.torch.save_file"):
            kn.load(tmp_path / "f")


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def write_npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name + ".npy", data)


def npy(shape, dtype="'<f4'", data=b"", version=b"\x01\x00"):
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


HOSTILE = {
    "a pickle": (npy("(1,)", "'|O'", pickle.dumps(np.array([Trap()], object))), "has the dtype object"),
    "an absurd shape": (npy("(1000000000000,)"), "does not fit its"),
    "an absurd text": (npy("(1,)", "'<U99999999'"), "has the dtype <U99999999"),
    "negative": (npy("(-1,)"), "does not fit its"),
    "many axes": (npy("(" + "0," * 99 + ")"), "damaged or no npz file"),
    "fields": (npy("(1,)", "[('a', '<f4')]", bytes(4)), "has the dtype"),
    "code": (npy("__import__('os').abort()"), "damaged or no npz file"),
    "deep": (npy("(" * 500), "damaged or no npz file"),
    "a version": (npy("(1,)", version=b"\x09\x00"), "version|damaged"),
    "no npy file": (b"hello", "damaged or no npz file"),
    "a bomb": (npy("(67108864,)", data=bytes(1 << 28)), "would unpack to 268,435,5"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_npz_files(tmp_path, kind):
    data, message = HOSTILE[kind]
    write_npz(tmp_path / "f.npz", w=data)
    with pytest.raises(kn.StoreError, match=message):
        kn.load(tmp_path / "f.npz")


def test_a_name_twice_in_an_npz_file(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        for _ in range(2):
            archive.writestr("w.npy", npy("(0,)"))
    with pytest.raises(kn.StoreError, match="twice"):
        kn.load(tmp_path / "f.npz")


def test_files_with_the_names_of_before_are_read(tmp_path, monkeypatch):
    tree = {"layers": [kn.param([1.0])], "odd": {"a.b": np.ones(1)}}
    monkeypatch.setattr(describe, "dotted", lambda path: path)
    kn.save(tmp_path / "f", tree)
    assert set(load_file(tmp_path / "f")) == {"['layers'][0]", "['odd']['a.b']"}
    assert str(kn.load(tmp_path / "f", tree)) == str(kn.load(tmp_path / "f"))
