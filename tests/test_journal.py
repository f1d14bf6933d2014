"""Journals: what a replayed computation is given again."""

import threading

import pytest

from knetpy.journal import Journal, is_replaying, recall


class Draws:
    """Something whose every draw differs."""

    def __init__(self):
        self.made = 0

    def __call__(self):
        return recall(self.make)

    def make(self):
        self.made += 1
        return self.made


def test_recall_without_a_journal():
    draw = Draws()
    assert (draw(), draw(), is_replaying()) == (1, 2, False)


def test_replays_repeat_the_recording():
    draw, journal = Draws(), Journal()
    with journal.recording():
        first = [draw(), draw()]
        assert not is_replaying()
    assert draw() == 3  # outside, nothing is repeated
    for _ in range(2):
        with journal.replaying():
            assert is_replaying()
            assert [draw(), draw()] == first
    assert draw() == 4 and not is_replaying()


def test_a_replay_that_asks_for_more_raises():
    draw, journal = Draws(), Journal()
    with journal.recording():
        draw()
    with journal.replaying():
        draw()
        with pytest.raises(RuntimeError, match="differently on replay"):
            draw()
    assert draw() == 2  # and the journal is closed again


def test_a_value_of_none_is_recalled():
    journal = Journal()
    with journal.recording():
        recall(lambda: None)
    with journal.replaying():
        assert recall(lambda: 1) is None


def test_what_make_recalls_has_no_entry_of_its_own():
    draw, journal = Draws(), Journal()

    def outer():
        return recall(lambda: ("made of", draw()))

    with journal.recording():
        first = [outer(), draw()]
    assert first == [("made of", 1), 2]
    with journal.replaying():
        assert [outer(), draw()] == first


def test_nothing_is_written_when_make_raises():
    draw, journal = Draws(), Journal()
    with journal.recording():
        with pytest.raises(ZeroDivisionError):
            recall(lambda: 1 / 0)
        first = draw()
    with journal.replaying():
        assert draw() == first


def test_an_inner_recording_takes_from_the_outer_journal():
    draw, outer = Draws(), Journal()

    def f():
        inner = Journal()
        a = draw()
        with inner.recording():
            b = draw()
            replaying = is_replaying()
        with inner.replaying():
            again = draw()
            assert is_replaying()
        return a, b, again, draw(), replaying

    with outer.recording():
        first = f()
    assert first == (1, 2, 2, 3, False)
    with outer.replaying():
        assert f() == (1, 2, 2, 3, True)
    assert draw.made == 3


def test_three_levels():
    draw = Draws()

    def nested(depth):
        journal, values = Journal(), [draw()]
        if depth:
            with journal.recording():
                values += nested(depth - 1)
            with journal.replaying():
                assert nested(depth - 1) == values[1:]
        return values

    assert nested(3) == [1, 2, 3, 4]


def test_replays_in_several_threads_have_their_own_place():
    draw, journal = Draws(), Journal()
    with journal.recording():
        first = [draw() for _ in range(50)]

    def replay():
        with journal.replaying():
            return [draw() for _ in range(50)]

    barrier, results = threading.Barrier(8, timeout=10), []

    def work():
        barrier.wait()
        results.append(replay())

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [first] * 8


def test_a_journal_is_of_its_own_thread():
    draw, journal = Draws(), Journal()
    with journal.recording():
        first = draw()
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.extend([draw(), is_replaying()]))
        thread.start()
        thread.join()
        assert elsewhere == [2, False]
    with journal.replaying():
        assert draw() == first
        with pytest.raises(RuntimeError):
            draw()
