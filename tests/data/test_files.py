"""Readers of data sets: right files, wrong files, hostile files, and downloads from a server of the test's own."""

import gzip
import hashlib
import http.server
import io
import random as chance
import re
import struct
import tarfile
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataFileError, bounded, fetch, names, read_idx
from knetpy.data.idx import idx

KINDS = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def as_idx(array):
    head = bytes([0, 0, KINDS[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def bytes_of(*shape, most=256, seed=0):
    return np.random.default_rng(seed).integers(0, most, shape, np.uint8)


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KNETPY_DATA_DIR", str(tmp_path / "cache"))


# ------------------------------------------------------------------------------------------------------- idx


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files(tmp_path, kind, pack):
    array = np.random.default_rng(0).integers(-100, 100, (3, 4, 5)).astype(kind)
    found = read_idx(written(tmp_path / "any name", pack(as_idx(array))))
    assert found.dtype == array.dtype and found.dtype.isnative and (found == array).all()
    found[...] = 0  # it is the caller's
    assert read_idx(str(written(tmp_path / "empty", as_idx(array[:0])))).shape == (0, 4, 5)


def peak_of(f):
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HEAD = bytes([0, 0, 8, 3])
WRONG = {
    "empty": b"",
    "three bytes": HEAD[:3],
    "no sizes": HEAD,
    "another format": b"\x89PNG\r\n\x1a\n" * 10,
    "an unknown type": bytes([0, 0, 10, 1, 0, 0, 0, 1, 5]),
    "no axes": bytes([0, 0, 8, 0, 5]),
    "255 axes": bytes([0, 0, 8, 255]) + b"\0" * 1020,
    "truncated": as_idx(bytes_of(5, 4, 4))[:-1],
    "one byte more": as_idx(bytes_of(5, 4, 4)) + b"\0",
    "4 billion images": HEAD + struct.pack(">3I", 2**32 - 1, 28, 28) + b"\0" * 100,
    "a gigabyte announced": HEAD + struct.pack(">3I", 2**20, 32, 32) + b"\0" * 100,
    "overflowing sizes": HEAD + struct.pack(">3I", 2**22, 2**21, 2**21),
    "no images of absurd sizes": HEAD + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_idx_files(tmp_path, kind, pack):
    path = written(tmp_path / "file", pack(WRONG[kind]))

    def read():
        with pytest.raises(DataFileError, match=re.escape(str(path))):
            read_idx(path)

    assert peak_of(read) < 4 << 20


def test_damaged_gzip_files(tmp_path):
    whole = gzip.compress(as_idx(bytes_of(20, 28, 28)))
    for content in (
        whole[:-1],
        whole[:-9],
        whole[: len(whole) // 2],
        whole[:5],
        whole[:-8] + b"\0" * 8,
        whole + b"x" * 9,
    ):
        with pytest.raises(DataFileError, match="truncated or corrupt"):
            read_idx(written(tmp_path / "file", content))


def test_gzip_bombs(tmp_path):
    """A small file that unpacks to much is read as far as it announces, and no further than the limit."""
    zeros = gzip.compress(HEAD + struct.pack(">3I", 1, 28, 28) + b"\0" * (100 << 20))
    path = written(tmp_path / "bomb", zeros)

    def read():
        with pytest.raises(DataFileError, match="more bytes than it announces"):
            read_idx(path)
        with pytest.raises(DataFileError, match="more than 1000 bytes"):
            bounded.everything(path, 1000)

    assert len(zeros) < 200_000 and peak_of(read) < 8 << 20
    honest = written(tmp_path / "honest", gzip.compress(as_idx(np.zeros((1000, 28, 28), np.uint8))))
    with pytest.raises(DataFileError, match=r"\(1000, 28, 28\) of uint8, more than 1000 bytes; pass limit="):
        read_idx(honest, limit=1000)


def fuzzed(dice, content):
    """The content, damaged in one to four places."""
    content = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(content)) if dice.random() < 0.5 else dice.randrange(min(24, len(content)))
        damage = dice.randrange(5)
        if damage == 0:
            content[at] = dice.randrange(256)
        elif damage == 1:
            content[at] ^= 1 << dice.randrange(8)
        elif damage == 2:
            del content[at:]
        elif damage == 3:
            content[at:at] = dice.randbytes(dice.randint(1, 40))
        else:
            content[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0"])
        if not content:
            break
    return bytes(content)


def test_a_thousand_damaged_files(tmp_path):
    """No crash, no hang, no memory, and nothing accepted but what the file says of itself."""
    dice, refused, path = chance.Random(1), 0, tmp_path / "file"
    array = bytes_of(7, 6, 5)
    plain = as_idx(array)
    packed = gzip.compress(plain)

    def read(content, checked):
        path.write_bytes(content)
        try:
            found = read_idx(path)
        except DataFileError:
            return 1
        if checked:  # by gzip's checksum
            assert (found == array).all()
        else:
            assert as_idx(found) == content  # nothing lost, nothing invented
        return 0

    def all_of_them():
        nonlocal refused
        for _ in range(500):
            refused += read(fuzzed(dice, plain), checked=False) + read(fuzzed(dice, packed), checked=True)

    assert peak_of(all_of_them) < 8 << 20
    assert refused > 700


# ---------------------------------------------------------------------------------- sets of images in folders


def idx_set(folder, n=6, m=4, end=".gz", prefix="", most=10, train="train", test="t10k"):
    pack = gzip.compress if end else bytes
    made = []
    for half, count in ((train, n), (test, m)):
        x, y = bytes_of(count, 28, 28, seed=count), bytes_of(count, most=most, seed=count)
        written(folder / f"{prefix}{half}-images-idx3-ubyte{end}", pack(as_idx(x)))
        written(folder / f"{prefix}{half}-labels-idx1-ubyte{end}", pack(as_idx(y)))
        made += [x, y]
    return made


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("inner", ["", "set"])
@pytest.mark.parametrize("reader, name", [(kn.data.mnist, "mnist"), (kn.data.fashion_mnist, "fashion-mnist")])
def test_mnist(tmp_path, end, inner, reader, name, monkeypatch):
    folder = tmp_path / inner.replace("set", name)
    x, y, xtst, ytst = idx_set(folder, end=end)
    found = reader(tmp_path)
    assert found.x_train.shape == (6, 1, 28, 28) and found.x_train.dtype == np.float32
    assert (found.x_train[:, 0] == x / np.float32(255)).all() and (found.x_test[:, 0] * 255 - xtst).max() < 1e-4
    assert found.y_train.dtype == np.int64 and (found.y_train == y).all() and (found.y_test == ytst).all()
    assert (reader(tmp_path, dtype=np.uint8).x_train[:, 0] == x).all() and len(found.names) == 10
    monkeypatch.setenv("KNETPY_DATA_DIR", str(tmp_path))
    assert repr(reader()) == "Images(x_train (6, 1, 28, 28), x_test (4, 1, 28, 28), 10 classes)"


def test_halves_and_sets_that_do_not_belong_together(tmp_path):
    idx_set(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "train-labels-idx1-ubyte.gz"
    right = images.read_bytes(), labels.read_bytes()
    for array, message in (
        (bytes_of(5), r"\(6, 28, 28\) and uint8 \(5,\)"),
        (bytes_of(6).astype("i4"), "int32"),
        (np.array([0, 1, 2, 3, 10, 5], np.uint8), "a label is 10, of 10 classes from 0"),
    ):
        labels.write_bytes(as_idx(array))
        with pytest.raises(DataFileError, match=message):
            kn.data.mnist(tmp_path)
    labels.write_bytes(right[1])
    for array in (bytes_of(6, 28, 27), bytes_of(6, 784), bytes_of(6, 28, 28).astype("i1")):
        images.write_bytes(as_idx(array))
        with pytest.raises(DataFileError, match=r"bytes of shapes \(N, 28, 28\) and \(N,\)"):
            kn.data.mnist(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("part, first", [("letters", 1), ("balanced", 0)])
def test_emnist(tmp_path, packed, part, first):
    x, y, _, ytst = idx_set(tmp_path / "files", prefix=f"emnist-{part}-", test="test", most=26)
    for path in (tmp_path / "files").glob("*labels*"):
        path.write_bytes(gzip.compress(as_idx(read_idx(path) + np.uint8(first))))
    folder = tmp_path / "files"
    if packed:
        folder = tmp_path / "packed"
        folder.mkdir()
        with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
            archive.writestr("../../evil", b"x")
            for path in (tmp_path / "files").iterdir():
                archive.write(path, f"gzip/{path.name}")
    found = kn.data.emnist(part, folder)
    assert (found.x_train[:, 0] * 255).round().astype(int).tolist() == x.transpose(0, 2, 1).tolist()
    assert (found.y_train == y).all() and (found.y_test == ytst).all() and found.names == names.EMNIST[part]
    with pytest.raises(ValueError, match='part must be one of "balanced"'):
        kn.data.emnist("small", folder)


def test_wrong_zip_files(tmp_path):
    path = tmp_path / "gzip.zip"
    path.write_bytes(b"no zip file")
    with pytest.raises(DataFileError, match="truncated or corrupt"):
        kn.data.emnist("letters", tmp_path)
    member = "gzip/emnist-letters-train-images-idx3-ubyte.gz"
    for content, message in (
        ({"other": b""}, f"has no member {member}"),
        ({member: b"no gzip"}, "truncated or corrupt"),
        ({member: gzip.compress(HEAD + struct.pack(">3I", 1, 28, 28) + b"\0" * (50 << 20))}, "more bytes than"),
    ):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)

        def read(message=message):
            with pytest.raises(DataFileError, match=message):
                kn.data.emnist("letters", tmp_path)

        assert peak_of(read) < 8 << 20


def cifar_files(labels, **counts):
    made = {}
    for seed, (name, n) in enumerate(counts.items()):
        record = np.zeros((n, labels + 3072), np.uint8)
        record[:, -3072:] = np.arange(n)[:, None] % 251
        record[:, labels - 1] = (np.arange(n) + seed) % 10
        made[name] = record.tobytes()
    return made


def tar_of(path, files, mode="w:gz", change=lambda info: None):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            archive.addfile(info, io.BytesIO(content))


TEN = cifar_files(1, **{f"data_batch_{i}": 10000 for i in range(1, 6)}, test_batch=10000)
TEN = {f"cifar-10-batches-bin/{name}.bin": content for name, content in TEN.items()}


def test_cifar10(tmp_path):
    tar_of(tmp_path / "cifar-10-binary.tar.gz", {"../evil": b"x", "/evil": b"x", **TEN, "cifar-10-batches-bin/x": b"y"})
    found = kn.data.cifar10(tmp_path, dtype=np.uint8)
    assert found.x_train.shape == (50000, 3, 32, 32) and found.x_test.shape == (10000, 3, 32, 32)
    assert (found.x_train[:, 2, 3, 4] == np.tile(np.arange(10000) % 251, 5)).all()
    assert found.y_train[::10000].tolist() == [0, 1, 2, 3, 4] and found.y_test[0] == 5 and found.names[9] == "truck"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10-binary.tar.gz"]


def test_cifar_files_that_lie_there(tmp_path):
    for name, content in cifar_files(2, train=50000, test=10000).items():
        written(tmp_path / "cifar-100-binary" / f"{name}.bin", content)
    found = kn.data.cifar100(tmp_path, dtype=np.uint8)
    assert (
        found.x_train.shape == (50000, 3, 32, 32)
        and found.names[99] == "worm"
        and found.y_test[:3].tolist() == [1, 2, 3]
    )
    coarse = kn.data.cifar100(tmp_path, coarse=True, dtype=np.uint8)
    assert coarse.y_train.max() == 0 and len(coarse.names) == 20
    test = tmp_path / "cifar-100-binary" / "test.bin"
    for content, message in ((test.read_bytes()[:-1], "truncated"), (test.read_bytes() + b"x", "more bytes than")):
        test.write_bytes(content)
        with pytest.raises(DataFileError, match=message):
            kn.data.cifar100(tmp_path)


def test_wrong_tar_files(tmp_path):
    path, small = tmp_path / "cifar-10-binary.tar.gz", dict.fromkeys(TEN, b"x")
    one = next(iter(TEN))

    def link(info):
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0

    for files, options, message in (
        ({}, {}, "has no member"),
        (small, {}, "must be a file of 30730000 bytes, has 1"),
        ({one: b""}, {"change": link}, "must be a file of"),
    ):
        tar_of(path, files, **options)
        with pytest.raises(DataFileError, match=message):
            kn.data.cifar10(tmp_path)
    whole = io.BytesIO()
    tar_of(path, {"zeros": b"\0" * (250 << 20)})
    with pytest.raises(DataFileError, match="unpacks to more than it should hold"):
        kn.data.cifar10(tmp_path)
    for content in (b"no tar file" * 100, gzip.compress(b"no tar file" * 100), gzip.compress(whole.getvalue())[:9]):
        path.write_bytes(content)
        with pytest.raises(DataFileError):
            kn.data.cifar10(tmp_path)


def test_damaged_archives(tmp_path):
    """Whatever is wrong in a zip or tar file, the error is of one kind; what gzip's checksum covers is right."""
    dice, path, array = chance.Random(2), tmp_path / "file", bytes_of(3, 4, 5)
    packed, joined = io.BytesIO(), tmp_path / "joined"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.gz", gzip.compress(as_idx(array)))
    tar_of(joined, {"other": b"y" * 10, "c": array.tobytes()})
    accepted = 0
    for _ in range(300):
        try:
            path.write_bytes(fuzzed(dice, packed.getvalue()))
            with bounded.zipped(path, "a.gz") as stream:
                assert (idx(stream, path) == array).all()
            path.write_bytes(fuzzed(dice, joined.read_bytes()))
            assert bounded.members(path, {"c": 60})["c"].tobytes() == array.tobytes()
            accepted += 1
        except DataFileError:
            pass
    assert accepted < 100


def test_names_of_classes():
    counts = {"DIGITS": 10, "MERGED": 47, "FASHION": 10, "CIFAR10": 10, "CIFAR100": 100, "CIFAR100_GROUPS": 20}
    for name, count in counts.items():
        assert len(set(getattr(names, name))) == count
    assert [len(part) for part in names.EMNIST.values()] == [47, 47, 62, 26, 10, 10]


# --------------------------------------------------------------------------------------------- downloads


class Server(http.server.BaseHTTPRequestHandler):
    files, asked, break_after, ranges, stalls, moved = {}, [], None, True, None, False

    def do_GET(self):
        if self.moved and "/new/" not in self.path:
            self.send_response(302)
            self.send_header("Location", "/new" + self.path)
            self.end_headers()
            return
        content = self.files.get(self.path.rpartition("/")[2])
        wanted = self.headers["Range"]
        self.asked.append((self.path.rpartition("/")[2], wanted))
        if content is None:
            self.send_error(404)
            return
        at = int(wanted[6:-1]) if wanted and self.ranges else 0
        if at >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - at))
        self.end_headers()
        end = len(content) if self.break_after is None else at + self.break_after
        self.wfile.write(content[at:end])
        if self.stalls:
            self.wfile.flush()
            self.stalls.wait(10)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """MNIST of ten images, served by this machine."""
    idx_set(tmp_path / "served")
    files = {path.name: path.read_bytes() for path in (tmp_path / "served").iterdir()}
    handler = type("Handler", (Server,), {"files": files, "asked": []})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{running.server_port}/"
    remote = {
        name: fetch.Remote(
            (address + "missing/no" + name, address + name), hashlib.md5(content).hexdigest(), len(content)
        )
        for name, content in files.items()
    }
    monkeypatch.setitem(fetch.REMOTE, "mnist", remote)
    yield handler
    running.shutdown()
    thread.join()
    running.server_close()


def test_download(server, tmp_path):
    found = kn.data.mnist()
    assert found.x_train.shape == (6, 1, 28, 28)
    assert len(server.asked) == 8  # the second address where the first has nothing
    kept = sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir())
    assert kept == sorted(server.files)
    server.files = {}
    assert (kn.data.mnist().x_train == found.x_train).all() and len(server.asked) == 8


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_goes_on_where_it_broke_off(server, tmp_path, ranges):
    server.ranges = ranges
    name = "train-images-idx3-ubyte.gz"
    part = written(tmp_path / "cache" / "mnist" / (name + ".part"), server.files[name][:1000])
    assert kn.data.mnist().x_train.shape == (6, 1, 28, 28) and not part.exists()
    assert (name, "bytes=1000-") in server.asked


def test_a_line_that_breaks(server, tmp_path):
    server.break_after = 1000
    with pytest.raises(FileNotFoundError, match="broke off at 3000 bytes; call again"):
        kn.data.mnist()
    assert [p.suffix for p in (tmp_path / "cache" / "mnist").iterdir()] == [".part"]
    server.break_after = None
    assert len(kn.data.mnist().x_train) == 6


def test_a_server_that_stalls(server, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    server.break_after, server.stalls = 500, threading.Event()
    with pytest.raises(FileNotFoundError, match="cannot be downloaded .*TimeoutError: timed out.*; get it from http"):
        kn.data.mnist()
    server.stalls.set()
    server.break_after = server.stalls = None
    assert len(kn.data.mnist().x_train) == 6 and any(wanted == "bytes=500-" for _, wanted in server.asked)


def test_files_that_have_moved(server, tmp_path):
    server.moved = True
    name = "train-images-idx3-ubyte.gz"
    written(tmp_path / "cache" / "mnist" / (name + ".part"), server.files[name][:1000])
    assert len(kn.data.mnist().x_train) == 6 and (name, "bytes=1000-") in server.asked


def test_a_part_that_the_server_has_not(server, tmp_path):
    """It is left out, and the download begins anew; then the checksum tells that the file is another."""
    name = "train-images-idx3-ubyte.gz"
    written(tmp_path / "cache" / "mnist" / (name + ".part"), b"?" * 900)
    right, server.files[name] = server.files[name], server.files[name][:800]
    with pytest.raises(DataFileError, match="does not have the checksum"):
        kn.data.mnist()
    server.files[name] = right
    assert len(kn.data.mnist().x_train) == 6


def test_a_wrong_checksum(server, tmp_path):
    right = dict(server.files)
    name = "train-images-idx3-ubyte.gz"
    server.files[name] = right[name][:-1] + b"?"
    with pytest.raises(DataFileError, match="does not have the checksum"):
        kn.data.mnist()
    assert list((tmp_path / "cache" / "mnist").iterdir()) == []
    server.files[name] = right[name] + b"?" * 10_000_000
    with pytest.raises(DataFileError, match="sends more than the"):
        kn.data.mnist()
    assert list((tmp_path / "cache" / "mnist").iterdir()) == []
    server.files = right
    assert len(kn.data.mnist().x_train) == 6


def test_a_bad_part_is_not_kept(server, tmp_path):
    name = "train-images-idx3-ubyte.gz"
    written(tmp_path / "cache" / "mnist" / (name + ".part"), b"?" * 1000)
    with pytest.raises(DataFileError, match="does not have the checksum"):
        kn.data.mnist()
    assert len(kn.data.mnist().x_train) == 6


def test_without_a_network_it_says_what_to_put_where(tmp_path, monkeypatch):
    addresses = ("http://127.0.0.1:9/train-images-idx3-ubyte.gz",)
    monkeypatch.setitem(fetch.REMOTE, "mnist", {"train-images-idx3-ubyte.gz": fetch.Remote(addresses, "0", 9)})
    expected = (
        f"cannot be downloaded (URLError: .*); get it from {addresses[0]} and put it into "
        f"{tmp_path / 'cache' / 'mnist'}, or pass the folder that has it: mnist(folder)"
    )
    pattern = re.escape(expected).replace(re.escape(".*"), ".*")
    with pytest.raises(FileNotFoundError, match=pattern):
        kn.data.mnist()
    with pytest.raises(FileNotFoundError, match="download is False; get it from http"):
        kn.data.mnist(download=False)
    with pytest.raises(FileNotFoundError, match=f"there is no train-images-idx3-ubyte.gz in {tmp_path}; get it from"):
        kn.data.mnist(tmp_path)


def test_wrong_arguments(tmp_path):
    for wrong in ("int8", "U1", "no dtype"):
        with pytest.raises(TypeError, match="dtype must be np.float32"):
            kn.data.mnist(tmp_path, dtype=wrong)
    with pytest.raises(TypeError, match="download must be True or False"):
        kn.data.mnist(tmp_path, download=1)


def test_published_addresses_are_complete():
    for files in fetch.REMOTE.values():
        for name, remote in files.items():
            assert all(address.endswith("/" + name) for address in remote.addresses)
            assert re.fullmatch("[0-9a-f]{32}", remote.md5) and remote.size > 1000
