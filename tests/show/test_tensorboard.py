"""TensorBoard: what stands in the event file, after a resume too."""

import io
import struct
import sys

import numpy as np
import pytest

import knetpy as kn

pytest.importorskip("tensorboardX", reason="TensorBoard needs the extra tensorboard")


def events(folder):
    """The events of all files in a folder, in the order in which TensorBoard reads them."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:  # a record is its length, a sum of that, the event, a sum of that
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def shown(folder):
    """{name: {step: value}} as TensorBoard shows it: a new start hides what is there of its step and later ones."""
    found = {}
    for event in events(folder):
        if event.HasField("session_log"):
            for values in found.values():
                for step in [step for step in values if step >= event.step]:
                    del values[step]
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value
    return {name: values for name, values in found.items() if values}


def numbers(folder, name):
    return {step: value.simple_value for step, value in shown(folder)[name].items()}


def board_of(folder, **options):
    return kn.TensorBoard(folder, **options)


def train(board, steps, w=None, **options):
    w = kn.param([1.0, 2.0]) if w is None else w
    for _ in board(kn.minimize(lambda: (w * w).sum(), [()] * steps, kn.SGD(lr=0.25), before=board.watch)):
        pass
    return w


def test_it_writes_what_a_history_records(tmp_path):
    with board_of(tmp_path / "runs" / "1", every=2, lr=lambda: 0.5) as board:
        train(board, 5)
        board.add(accuracy=np.float32(0.75))
    assert numbers(board.folder, "loss") == dict(zip(board.steps("loss"), board["loss"]))
    assert list(numbers(board.folder, "grad_norm")) == [2, 4] and numbers(board.folder, "lr") == {2: 0.5, 4: 0.5}
    assert numbers(board.folder, "accuracy") == {5: 0.75} and len(list(board.folder.iterdir())) == 1
    assert isinstance(board, kn.History) and repr(board).startswith("History of 5 steps")


@pytest.mark.filterwarnings("ignore:minimize. the loss has become")
def test_histograms_of_params_and_gradients(tmp_path):
    net = {"a": [kn.param(np.arange(6, dtype="f4"))], "b": kn.param([np.inf, 1.0]), "c": kn.param(np.zeros(0, "f4"))}
    with board_of(tmp_path, histograms=3) as board:
        loss = lambda: sum((p * p).sum() for p in (net["a"][0], net["b"], net["c"]))
        with pytest.warns(UserWarning, match="the loss is inf from the beginning"):
            list(board(kn.minimize(loss, [()] * 7, kn.SGD(lr=0.0), before=board.watch)))
    found = shown(tmp_path)
    assert set(found) == {
        "loss",
        "grad_norm",
        *(f"{kind}/net/{p}" for kind in ("params", "gradients") for p in ("a/0", "b")),
    }
    assert list(found["params/net/a/0"]) == [3, 6]
    histogram, slope = found["params/net/a/0"][6].histo, found["gradients/net/a/0"][6].histo
    assert (histogram.num, histogram.min, histogram.max, histogram.sum) == (6, 0, 5, 15) and slope.sum == 30
    assert found["params/net/b"][3].histo.num == 1  # the other is infinite


def test_histograms_leave_rows_of_an_embedding_alone(tmp_path):
    """As reading the whole gradient would make the update one of all rows."""
    tables = []
    for histograms in (0, 1):
        table = kn.param(np.ones((4, 2), "f4"))
        with board_of(tmp_path / str(histograms), histograms=histograms) as board:
            data = [(np.array([0, 1]),), (np.array([1, 2]),)]
            loss = lambda i: np.sum(kn.embed(table, i) ** 2)  # noqa: B023
            list(board(kn.minimize(loss, data, kn.Adam(0.1, lazy=True), before=board.watch)))
        tables.append(table.value)
    assert np.array_equal(*tables)
    assert [v.histo.num for v in shown(tmp_path / "1")["gradients/table"].values()] == [4, 4]


@pytest.mark.parametrize(
    "shape, dtype", [((3, 8, 6), "f8"), ((3, 1, 8, 6), "u1"), ((1, 3, 8, 6), "f4"), ((1, 8, 6), "?")]
)
def test_images(tmp_path, shape, dtype):
    from PIL import Image

    images = np.zeros(shape, dtype)
    images[..., 0, 0], images[..., 0, 1] = 255, np.nan if dtype[0] == "f" else 0  # 255 is more than 1, which is all
    with board_of(tmp_path) as board:
        board.images("made", images)
    image = shown(tmp_path)["made"][0].image
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert pixels.shape[:2] == (image.height, image.width) and image.height >= 8
    assert np.count_nonzero(pixels == 255) == 3 * len(images) and np.count_nonzero(pixels) == 3 * len(images)


def test_a_resumed_training_hides_what_came_after_the_save(tmp_path):
    board = board_of(tmp_path)
    w = train(board, 3)
    kn.save(tmp_path / "save", {"w": w, "history": board})
    train(board, 4, w)
    board.close()
    (tmp_path / "save").rename(tmp_path.parent / "save")
    with board_of(tmp_path) as again:
        kn.load(tmp_path.parent / "save", {"w": w, "history": again})
        assert again.step == 3 and np.array_equal(again["loss"], board["loss"][:3])
        train(again, 2, w)
    assert numbers(tmp_path, "loss") == dict(enumerate(board["loss"][:5], 1))


def test_a_new_training_hides_an_earlier_one_in_its_folder(tmp_path):
    for steps in (5, 3):
        with board_of(tmp_path) as board:
            train(board, steps)
    assert list(numbers(tmp_path, "loss")) == [1, 2, 3] and len(list(tmp_path.iterdir())) == 2


def test_it_can_be_closed_and_go_on(tmp_path):
    board = board_of(tmp_path)
    board.close()
    w = train(board, 2)
    board.close()
    board.close()
    train(board, 2, w)
    board.close()
    assert list(numbers(tmp_path, "loss")) == [1, 2, 3, 4]


def test_mistakes(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(TypeError, match="TensorBoard: folder must be a path, such as 'runs/1', got 3"):
        board_of(3)
    with pytest.raises(OSError, match="file"):
        board_of(tmp_path / "file")
    with pytest.raises(ValueError, match="TensorBoard: histograms must be at least 0"):
        board_of(tmp_path, histograms=-1)
    with pytest.raises(TypeError, match="History: the column lr"):
        board_of(tmp_path, lr=0.1)
    with pytest.raises(kn.ShapeError, match=r"images must be .*, got shape \(8, 8\); one image is x\[np.newaxis\]"):
        board_of(tmp_path).images("one", np.zeros((8, 8)))
    for wrong in ([["a"]], np.ones((2, 8, 8)) * 1j, np.array([None]), [[1], [1, 2]], {}, np.zeros((0, 8, 8)), None):
        with pytest.raises((TypeError, kn.ShapeError), match="TensorBoard.images: images must"):
            board_of(tmp_path).images("some", wrong)
    for missing in ("PIL", "tensorboardX"):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ImportError, match=r"pip install 'knetpy\[tensorboard\]'"):
            board_of(tmp_path).images("some", np.zeros((1, 8, 8)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # and nothing was written
