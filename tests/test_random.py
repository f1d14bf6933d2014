"""Philox against its authors' vectors; distributions against exact ones; streams, seeds, threads."""

import math
import threading

import numpy as np
import pytest

from knetpy import random
from knetpy.journal import Journal
from knetpy.random import (
    DROPOUT,
    INIT,
    SHUFFLE,
    USER,
    bits,
    normal,
    permutation,
    philox,
    rand,
    randn,
    take,
    uniform,
)

HERE = (12345, USER, 6)
ONES = 0xFFFFFFFF

# https://github.com/DEShawResearch/random123, tests/kat_vectors, philox4x32 10
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES,) * 4, (ONES,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.fixture(autouse=True)
def seeded():
    random.seed(20)


@pytest.mark.parametrize("counter, key, words", KNOWN)
def test_known_answers(counter, key, words):
    assert " ".join(f"{int(word):08x}" for word in philox(counter, key)) == words


def scalar_bits(position, i):
    """Word i of a draw, as the module's docstring defines it, in Python integers."""
    seed, stream, call = position
    c = [i // 4 % 2**32, i // 4 >> 32, call % 2**32, stream + 256 * (call >> 32)]
    k = [seed % 2**32, seed >> 32]
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [right >> 32 ^ c[1] ^ k[0], right % 2**32, left >> 32 ^ c[3] ^ k[1], left % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c[i % 4]


@pytest.mark.parametrize("position", [(0, 0, 0), (2**64 - 1, 3, 2**40 + 5), (2**33 + 1, 2, 2**32 - 1)])
def test_bits_are_the_documented_words(position):
    words = bits(position, 11)
    assert words.dtype == np.uint32 and words.tolist() == [scalar_bits(position, i) for i in range(11)]


def test_bits_across_the_pieces_of_the_loop():
    words = bits(HERE, 4 * 4096 * 2 + 3)
    for i in [0, 4 * 4096 - 1, 4 * 4096, 4 * 4096 + 1, 4 * 8192 + 2]:
        assert words[i] == scalar_bits(HERE, i)


def test_every_part_of_a_position_counts():
    draws = [bits(p, 8).tobytes() for p in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1 + 2**32, 1, 1)]]
    draws += [bits((1, 1, 1 + 2**32), 8).tobytes()]
    assert len(set(draws)) == len(draws)


# ------------------------------------------------------------------------------------------- distributions

N = 200_000


def kolmogorov_smirnov(sample, distribution):
    """sqrt(n) times the largest distance between the sample's distribution function and the exact one.

    More than 1.95 has probability 0.001; the seeds are fixed, so this passes always or never.
    """
    exact, n = distribution(np.sort(sample.astype(np.float64))), len(sample)
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * max(np.max(steps[1:] - exact), np.max(exact - steps[:-1]))


def normal_distribution(x):
    return np.array([0.5 * math.erfc(-t / math.sqrt(2)) for t in x])


@pytest.mark.parametrize("dtype, digits", [(np.float16, 11), (np.float32, 24), (np.float64, 53)])
def test_uniform(dtype, digits):
    x = uniform(HERE, N, dtype)
    assert x.dtype == dtype and x.min() >= 0 and x.max() < 1
    whole = x.astype(np.longdouble) * 2**digits
    assert (whole == np.floor(whole)).all() and (whole % 2 == 1).any()  # all its binary digits are used
    assert abs(x.mean(dtype=np.float64) - 0.5) < 4 * math.sqrt(1 / 12 / N)
    assert abs(x.var(dtype=np.float64) - 1 / 12) < 4 * math.sqrt(1 / 180 / N)
    if dtype != np.float16:  # its steps of 2**-11 are coarser than what the test sees
        assert kolmogorov_smirnov(x, lambda x: x) < 1.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal(dtype):
    x = normal(HERE, N, dtype)
    assert x.dtype == dtype and np.isfinite(x).all()
    assert abs(x.mean(dtype=np.float64)) < 4 / math.sqrt(N)
    assert abs(x.var(dtype=np.float64) - 1) < 4 * math.sqrt(2 / N)
    assert abs((x.astype(np.float64) ** 4).mean() - 3) < 4 * math.sqrt(96 / N)
    assert kolmogorov_smirnov(x, normal_distribution) < 1.95
    assert abs(np.corrcoef(x[0::2], x[1::2])[0, 1]) < 4 / math.sqrt(N / 2)
    assert abs(np.corrcoef(x[0::2] ** 2, x[1::2] ** 2)[0, 1]) < 4 / math.sqrt(N / 2)


def test_uniform_and_normal_are_the_documented_functions_of_the_words():
    words = [scalar_bits(HERE, i) for i in range(6)]
    assert uniform(HERE, 6).tolist() == [(w >> 8) / 2**24 for w in words]
    doubles = [((words[i] >> 5) * 2**26 + (words[i + 1] >> 6)) / 2**53 for i in (0, 2, 4)]
    assert uniform(HERE, 3, np.float64).tolist() == doubles
    radius, angle = math.sqrt(-2 * math.log((words[0] + 0.5) / 2**32)), 2 * math.pi * (words[1] + 0.5) / 2**32
    np.testing.assert_allclose(normal(HERE, 3)[:2], [radius * math.cos(angle), radius * math.sin(angle)], 1e-6)
    radius, angle = math.sqrt(-2 * math.log(doubles[0] + 2**-54)), 2 * math.pi * (doubles[1] + 2**-54)
    expected = [radius * math.cos(angle), radius * math.sin(angle)]
    np.testing.assert_allclose(normal(HERE, 3, np.float64)[:2], expected, 1e-14)


def test_normal_survives_the_extreme_words(monkeypatch):
    for word in (0, ONES):
        monkeypatch.setattr(random, "bits", lambda position, n, word=word: np.full(n, word, np.uint32))
        for dtype in (np.float32, np.float64):
            assert np.isfinite(normal(HERE, 4, dtype)).all()
            assert (uniform(HERE, 4, dtype) < 1).all()


@pytest.mark.parametrize("draw", [uniform, normal])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shape_is_logical_order_and_a_prefix(draw, dtype):
    flat = draw(HERE, 30, dtype)
    assert (draw(HERE, (5, 3, 2), dtype).reshape(-1) == flat).all()
    assert (draw(HERE, (7,), dtype) == flat[:7]).all()
    assert draw(HERE, (), dtype) == flat[0] and type(draw(HERE, (), dtype)) is np.ndarray
    assert draw(HERE, (0, 3), dtype).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.int32, np.complex64, np.longdouble, bool])
@pytest.mark.parametrize("draw", [uniform, normal])
def test_other_dtypes_are_refused(draw, dtype):
    with pytest.raises(TypeError, match=np.dtype(dtype).name):
        draw(HERE, 3, dtype)


def test_permutation():
    assert permutation(HERE, 0).tolist() == [] and permutation(HERE, 1).tolist() == [0]
    assert permutation(HERE, 9).dtype == np.int64
    assert sorted(permutation(HERE, 1000)) == list(range(1000))
    keys = [scalar_bits(HERE, 2 * i) + (scalar_bits(HERE, 2 * i + 1) << 32) for i in range(9)]
    assert permutation(HERE, 9).tolist() == sorted(range(9), key=lambda i: keys[i])
    counts = np.zeros((4, 4))  # how often element j lands at place i
    for call in range(2000):
        counts[np.arange(4), permutation((3, SHUFFLE, call), 4)] += 1
    assert (((counts - 500) ** 2 / 500).sum()) < 27.9  # chi squared, 9 degrees of freedom, p = 0.001


def test_streams_and_calls_are_independent():
    draws = np.array([uniform((9, stream, call), N // 10, np.float64) for stream in range(4) for call in range(3)])
    correlations = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlations).max() < 4.5 / math.sqrt(N // 10)


# ----------------------------------------------------------------------------------------------- positions


def test_positions_count_by_stream_and_seed_starts_over():
    assert [take(INIT), take(INIT), take(DROPOUT)] == [(20, INIT, 0), (20, INIT, 1), (20, DROPOUT, 0)]
    random.seed(np.uint64(2**64 - 1))
    assert take(INIT) == (2**64 - 1, INIT, 0) and take(USER)[2] == 0
    assert all(type(part) is int for part in take(USER))


def test_seed_makes_draws_repeat():
    first = rand(3), randn(2, 2), rand(3)
    random.seed(20)
    for old, new in zip(first, (rand(3), randn(2, 2), rand(3)), strict=True):
        assert (old == new).all()
    assert (first[0] != first[2]).any()
    random.seed(21)
    assert (rand(3) != first[0]).any()


@pytest.mark.parametrize("wrong, error", [(-1, ValueError), (2**64, ValueError), (1.0, TypeError), (True, TypeError)])
def test_seed_checks(wrong, error):
    with pytest.raises(error, match="seed"):
        random.seed(wrong)
    assert take(INIT) == (20, INIT, 0)


def test_a_replay_takes_the_same_positions():
    journal = Journal()
    with journal.recording():
        first = rand(4)
    later = rand(4)
    with journal.replaying():
        assert (rand(4) == first).all()
    assert (later != first).any() and take(USER)[2] == 2


def test_no_position_is_handed_out_twice():
    barrier, taken = threading.Barrier(8, timeout=10), [[] for _ in range(8)]

    def work(mine):
        barrier.wait()
        for _ in range(2000):
            mine.append(take(DROPOUT))

    run([threading.Thread(target=work, args=(mine,)) for mine in taken])
    assert sorted(sum(taken, [])) == [(20, DROPOUT, call) for call in range(16000)]


def test_seed_does_not_tear():
    """While one thread seeds, another never sees a new seed with an old counter."""
    taken, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            taken.append(take(DROPOUT))

    def reseed():
        for n in range(2000):
            random.seed(n)
        stop.set()

    run([threading.Thread(target=work), threading.Thread(target=work), threading.Thread(target=reseed)])
    assert len(set(taken)) == len(taken)


def test_a_restored_state_goes_on_with_the_same_numbers():
    random.seed(2**64 - 1)
    [take(stream) for stream in (DROPOUT, DROPOUT, USER)]
    before = random.state()
    assert before == random.state() == {"seed": 2**64 - 1, "calls": [0, 2, 0, 1]}  # asking moves nothing
    taken = [take(stream) for stream in range(4)]
    random.seed(1)
    random.restore(before)
    assert [take(stream) for stream in range(4)] == taken


@pytest.mark.parametrize(
    "wrong",
    [None, {}, {"seed": 1}, {"seed": 1, "calls": [0] * 3}, {"seed": -1, "calls": [0] * 4}]
    + [{"seed": 1.0, "calls": [0] * 4}, {"seed": 2**64, "calls": [0] * 4}, {"seed": 1, "calls": [True] * 4}],
)
def test_what_is_no_state_is_refused(wrong):
    before = random.state()
    with pytest.raises((TypeError, ValueError), match="restore: state must"):
        random.restore(wrong)
    assert random.state() == before


def run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ------------------------------------------------------------------------------------------ for the user


@pytest.mark.parametrize("draw", [rand, randn])
def test_shapes_and_dtypes(draw):
    for shape in [(), (3,), (2, 3), (0, 2)]:
        assert draw(*shape).shape == draw(shape).shape == draw(list(shape)).shape == shape
    assert draw(np.int64(2)).dtype == np.float32 and draw(2, dtype="float64").dtype == np.float64
    assert draw(2).flags.writeable and type(draw()) is np.ndarray


@pytest.mark.parametrize("draw", [rand, randn])
@pytest.mark.parametrize("wrong, error", [((2.0,), TypeError), (("a",), TypeError), ((2, -1), ValueError)])
def test_wrong_shapes(draw, wrong, error):
    with pytest.raises(error, match=draw.__name__):
        draw(*wrong)
