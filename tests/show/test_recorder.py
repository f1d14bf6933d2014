"""History: what is recorded, shown, exported, saved."""

import csv
import sys
import types

import numpy as np
import pytest

import knetpy as kn


def trained(**options):
    w, opt = kn.param([3.0, 4.0]), kn.SGD(lr=0.25)
    history = kn.History(lr=lambda: opt.lr, **options)
    steps = kn.minimize(lambda: (w * w).sum(), [()] * 5, opt, before=history.watch)
    return history, steps, opt


def test_it_records_loss_norm_and_what_is_asked():
    history, steps, opt = trained()
    for n, _ in enumerate(history(steps)):
        opt.lr = 0.5 if n == 3 else 0.25
    assert history.names == ["loss", "grad_norm", "lr"] and history.step == 5
    assert history["loss"].tolist() == [25 / 4**n for n in range(5)]
    assert history["grad_norm"].tolist() == [10 / 2**n for n in range(5)]
    assert history["lr"].tolist() == [0.25] * 4 + [0.5] and history["lr"].dtype == np.float64
    assert history.steps("lr").tolist() == [1, 2, 3, 4, 5]
    assert repr(history) == "History of 5 steps: loss 0.09766, grad_norm 0.625, lr 0.5"


def test_every_so_many_steps_the_mean():
    history = kn.History(every=2)
    assert list(history([4.0, 2.0, 1.0, 3.0, 7.0])) == [4.0, 2.0, 1.0, 3.0, 7.0] and len(history([1.0])) == 1
    assert history["loss"].tolist() == [3.0, 2.0] and history.steps("loss").tolist() == [2, 4]
    list(history([1.0]))  # the next epoch goes on
    assert history["loss"].tolist() == [3.0, 2.0, 4.0] and history.step == 6


def test_columns_of_their_own_frequency():
    history = kn.History()
    for n, _ in enumerate(history([3.0, 2.0, 1.0])):
        if n == 1:
            history.add(test=0.5, other=np.float32(2))
    assert list(history.rows()) == [
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 2.0, "test": 0.5, "other": 2.0},
        {"step": 3, "loss": 1.0},
    ]


def test_columns_are_asked_outside_of_the_step():
    modes = []
    history, steps, _ = trained(mode=lambda: modes.append(kn.training()) or 0)
    for _ in kn.progress(history(steps), disable=True):
        pass
    assert modes == [False] * 5


def test_the_norm_of_rows_of_an_embedding():
    table, history = kn.param(np.ones((4, 2))), kn.History()
    indices = np.array([1, 1, 3])
    list(history(kn.minimize(lambda: kn.embed(table, indices).sum(), [()], before=history.watch)))
    assert np.isclose(history["grad_norm"][0], (4 + 4 + 1 + 1) ** 0.5)
    assert np.isclose(table.value[1, 0], 1 - 0.001, atol=1e-6)  # the update came after


def test_what_cannot_be_recorded_leaves_nothing():
    history = kn.History()
    with pytest.raises(TypeError, match="History: the column b must be a number, got 'x'"):
        history.add(a=1.0, b="x")
    assert history.names == []


def test_csv(tmp_path):
    history = kn.History()
    list(history([0.1, 1e-300]))
    history.add(test=float("nan"))
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        assert list(csv.reader(file)) == [["step", "loss", "test"], ["1", "0.1", ""], ["2", "1e-300", "nan"]]


def test_pandas(monkeypatch):
    history = kn.History()
    list(history([0.5]))
    monkeypatch.setattr("knetpy.show.recorder.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'knetpy\[pandas\]'"):
        history.to_pandas()
    monkeypatch.setattr("knetpy.show.recorder.find_spec", lambda name: True)

    class DataFrame:
        def __init__(self, rows, columns):
            self.given = rows, columns

        def set_index(self, name):
            return *self.given, name

    pandas = types.ModuleType("pandas")
    pandas.DataFrame = DataFrame
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert history.to_pandas() == ([{"step": 1, "loss": 0.5}], ["step", "loss"], "step")


def test_a_restored_one_goes_on_as_if_nothing_had_been():
    losses = [5.0, 4.0, 3.0, 2.0, 1.0, 0.5]
    whole, first, rest = (kn.History(every=2) for _ in range(3))
    list(whole(losses))
    list(first(losses[:3]))
    rest.restore(first.state())
    list(rest(losses[3:]))
    assert list(rest.rows()) == list(whole.rows()) and rest.step == whole.step == 6
    assert list(first.rows()) == list(whole.rows())[:1]


def test_restore_takes_plain_values_and_refuses_others():
    history = kn.History()
    list(history([2.0]))
    state = history.state()
    plain = {**state, "columns": {"loss": {"steps": [1], "values": [2.0]}}}
    other = kn.History()
    other.restore(plain)
    assert list(other.rows()) == list(history.rows())
    for wrong in ({}, None, {**state, "step": "x"}, {**state, "columns": {"a": {"steps": [1], "values": []}}}):
        with pytest.raises(ValueError, match="History.restore: this is not what state"):
            other.restore(wrong)
        assert list(other.rows()) == list(history.rows())


def test_a_million_rows_take_little():
    history = kn.History()
    for _ in range(20_000):
        history.take(1.0)
    steps, values = history._values["loss"]
    assert steps.itemsize + values.itemsize == 16 and len(values) == 20_000


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: kn.History(every=0), ValueError, "History: every must be at least 1"),
        (lambda: kn.History(lambda: 1), TypeError, r"takes no arguments by position, got 1; .*every, \*\*columns"),
        (lambda: kn.History(evry=3), TypeError, "History: evry is 3; did you mean every"),
        (lambda: list(kn.History()), TypeError, "not iterable"),
        (lambda: kn.progress(kn.History()), TypeError, "progress: .*got History"),
        (lambda: kn.train.take(kn.History(), 3), TypeError, r"got History; .* around history\(kn.minimize"),
        (lambda: kn.History().add(lr=kn.schedules.Constant(1)), TypeError, r'History\(lr=lambda: opt.now\("lr"\)\)'),
        (lambda: kn.History().add(a=np.ones(1)), TypeError, "the column a must be a number"),
        (lambda: kn.History().take("1"), TypeError, "a loss must be a number"),
        (lambda: kn.History(lr=0.1), TypeError, "History: the column lr must be a function, got float"),
        (lambda: kn.History(loss=print), ValueError, "History: loss is a column of its own"),
        (lambda: kn.History()(3.0), TypeError, "History: losses must be an iterable"),
        (lambda: kn.History()["loss"], KeyError, "History has no column 'loss'; it has none yet"),
    ],
)
def test_mistakes(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("failure", [ZeroDivisionError, KeyboardInterrupt])
def test_a_column_that_fails_leaves_the_history_as_it_was(failure):
    answers = iter([1.0, failure(), 3.0])

    def column():
        found = next(answers)
        if isinstance(found, BaseException):
            raise found
        return found

    history = kn.History(every=2, first=lambda: 0.0, a=column)
    for loss in (1.0, 2.0, 3.0):
        history.take(loss)
    before = repr(history.state())
    with pytest.raises(failure):
        history.take(5.0)
    assert repr(history.state()) == before
    history.take(5.0)
    assert history["a"].tolist() == [1.0, 3.0] and history["loss"].tolist() == [1.5, 4.0]


def test_the_learning_rate_of_a_schedule():
    w, opt = kn.param([1.0]), kn.chain(kn.optim.ClipNorm(1.0), kn.SGD(kn.schedules.Step(0.5, every=1, factor=0.5)))
    history = kn.History(lr=lambda: opt.now("lr"))
    for _ in history(kn.minimize(lambda: (w * w).sum(), [()] * 3, opt)):
        pass
    assert history["lr"].tolist() == [0.5, 0.25, 0.125] and "lr" in history and "loss" in history and 0 not in history
