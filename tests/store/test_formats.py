"""Files of other programs: safetensors as its own package and PyTorch write it, npz as NumPy does."""

import json
import pickle
import zipfile
from collections import namedtuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import knetpy as kn

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
    assert equal({f"[{k!r}]": a for k, a in arrays().items()}, load_file(tmp_path / "f"))


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
