"""DataLoader: structures, orders, shares, workers, failures, and going on in the middle."""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial
from itertools import islice
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

import knetpy as kn
from knetpy.data import DataLoader, LoaderError, batchseq, collate, minibatch
from tests.data.loaded import Counting, Pair, Squares, die, noisy, process, refuse_nine

X = np.arange(30, dtype=np.float64).reshape(10, 3)
Y = np.arange(10)
WAYS = [{}, {"workers": 1}, {"workers": 3, "prefetch": 1}, {"workers": 2, "processes": True}]
ways = pytest.mark.parametrize("way", WAYS, ids=["none", "thread", "threads", "processes"])


def same(a, b):
    return repr(a) == repr(b)


# ------------------------------------------------------------------------------------------------ structures


def test_a_batch_has_the_structure_of_data():
    for data in ((X, Y), X, {"x": X, "more": (Y, {"y": Y})}, Pair(X, Y), Pair(X.tolist(), Y.tolist())):
        first, second = DataLoader(data, 5)
        assert type(first) is type(second) is type(data)
    (a, b), _ = DataLoader((X, Y), 5)
    assert a.dtype == np.float32 and b.dtype == Y.dtype and (a == X[:5]).all() and (b == Y[:5]).all()
    assert next(iter(DataLoader({"x": X, "more": (Y, {"y": Y})}, 5)))["more"][1]["y"].tolist() == [0, 1, 2, 3, 4]
    assert next(iter(DataLoader(Pair(list(X), Y), 5))).x.shape == (5, 3)
    assert [len(column) for column in next(iter(DataLoader(Pair(X.tolist(), Y), 5))).x] == [5, 5, 5]
    assert next(iter(DataLoader(X, 5, dtype=None))).dtype == np.float64


def test_sequences_of_instances():
    first = next(iter(DataLoader(Squares(), 4)))
    assert first["x"].shape == (4, 3) and first["x"].dtype == np.float32 and first["y"].tolist() == [0, 1, 4, 9]
    assert next(iter(DataLoader([(1, "a"), (2, "b")], 2)))[1] == ["a", "b"]
    assert [x.tolist() for x in DataLoader([1.5, 2, 3], 2, partial=True)] == [[1.5, 2], [3]]
    assert [x["y"] for x in DataLoader(Squares(3))] == [0, 1, 4]  # instances alone
    assert [x.tolist() for x in DataLoader(X[:2], dtype=None)] == X[:2].tolist()


def test_images_as_bytes_stay_bytes():
    assert next(iter(DataLoader(np.zeros((4, 2, 2), np.uint8), 2))).dtype == np.uint8


@ways
def test_streams(way):
    data = DataLoader(Counting(), 4, partial=True, **way)
    for _ in range(2):
        assert [x.tolist() for x in data] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(list(DataLoader(Counting(), 4, **way))) == 2
    with pytest.raises(TypeError, match="Counting, which has no length"):
        len(data)


def test_an_iterator_serves_once():
    data = DataLoader((i for i in range(4)), 2)
    assert [x.tolist() for x in data] == [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match="only once; pass a list"):
        list(data)


def test_batches_are_fresh():
    before = X.copy()
    for (x,) in DataLoader((X.copy(),), 5, dtype=None):
        x[...] = -1
    data = DataLoader(X, 10, dtype=None)
    for x in data:
        assert x.flags.c_contiguous and x.flags.writeable and not np.shares_memory(x, X)
        x[...] = -1
    assert (X == before).all()
    assert next(iter(DataLoader(np.asfortranarray(X), 5))).flags.c_contiguous


def test_collate_and_prepare():
    words = ["a", "bcd", "ef"]
    assert list(DataLoader(words, 3, collate=" ".join)) == ["a bcd ef"]
    assert list(DataLoader(words, 2, collate="+".join, prepare=len)) == [5]
    ragged = [([1, 2], 0), ([3], 1)]
    arrays = [(np.array(a), b) for a, b in ragged]
    x, y = next(iter(DataLoader(arrays, 2, collate=partial(collate, pad=-1))))
    assert x.tolist() == [[1, 2], [3, -1]] and y.tolist() == [0, 1]


# ------------------------------------------------------------------------------------------------ orders, shares


def order(data):
    return [y.tolist() for _, y in data]


def test_shuffle_by_seed_and_epoch():
    data, again = (DataLoader((X, Y), 3, shuffle=True, partial=True, seed=7) for _ in range(2))
    epochs = [order(data) for _ in range(3)]
    assert [order(again) for _ in range(3)] == epochs
    assert all(sorted(sum(epoch, [])) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert order(DataLoader((X, Y), 3, shuffle=True, partial=True, seed=8)) != epochs[0]
    for x, y in data:
        assert (x == X[y]).all()


def test_without_a_seed_it_is_that_of_knetpy():
    kn.seed(3)
    one, two = [order(DataLoader((X, Y), 3, shuffle=True)) for _ in range(2)]
    kn.seed(3)
    assert [order(DataLoader((X, Y), 3, shuffle=True)) for _ in range(2)] == [one, two] and one != two


def test_an_epoch_left_early_is_over():
    one, two = (DataLoader((X, Y), 3, shuffle=True, seed=1) for _ in range(2))
    next(iter(one))
    order(two)
    assert order(one) == order(two) and one.epoch == two.epoch == 2


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n, ranks", [(10, 1), (10, 3), (24, 4), (25, 4)])
def test_shares_are_disjoint(n, ranks, shuffle):
    def shares(partial):
        made = [
            DataLoader(np.arange(n), 2, shuffle=shuffle, seed=1, rank=r, ranks=ranks, partial=partial)
            for r in range(ranks)
        ]
        lengths = [len(loader) for loader in made]
        batches = [list(loader) for loader in made]
        assert [len(b) for b in batches] == lengths
        return lengths, np.concatenate([x for b in batches for x in b])

    lengths, seen = shares(partial=False)
    assert len(set(lengths)) == 1 and len(seen) == len(set(seen.tolist())) == lengths[0] * 2 * ranks
    lengths, seen = shares(partial=True)
    assert sorted(seen.tolist()) == list(range(n)) and max(lengths) - min(lengths) <= 1


def test_shares_of_a_stream():
    shares = [[x.tolist() for x in DataLoader(Counting(11), 2, rank=r, ranks=3)] for r in range(3)]
    assert shares == [[[0, 3], [6, 9]], [[1, 4], [7, 10]], [[2, 5]]]


@pytest.mark.parametrize("shuffle", [False, True])
def test_similar_lengths_come_together(shuffle):
    lengths = np.random.default_rng(0).integers(1, 1000, 2005)
    data = DataLoader(lengths, 10, lengths=lengths, shuffle=shuffle, partial=True, seed=1)
    batches = list(data)
    assert sorted(np.concatenate(batches).tolist()) == sorted(lengths.tolist())
    assert [len(b) for b in batches] == [10] * 200 + [5]
    assert np.mean([b.max() - b.min() for b in batches]) < 40
    if shuffle:
        means = [b.mean() for b in batches]
        assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3 and not same(batches, list(data))


# ------------------------------------------------------------------------------------------------ workers


@ways
def test_workers_change_nothing(way):
    def epochs(**way):
        data = DataLoader((X, Y), 3, shuffle=True, partial=True, seed=5, prepare=noisy, **way)
        assert len(data) == 4
        return [list(data), list(data)]

    assert same(epochs(**way), epochs())
    assert same(list(DataLoader(Squares(), 3, **way)), list(DataLoader(Squares(), 3)))
    assert same(list(DataLoader(X, **way)), list(DataLoader(X)))
    collated = partial(DataLoader, X, 2, collate=np.stack)
    assert same(list(collated(**way)), list(collated()))


def test_drawing_in_workers_leaves_the_users_numbers_alone():
    first = kn.random.rand(2)
    kn.seed(0)
    list(DataLoader((X, Y), 3, prepare=noisy, seed=1, workers=2))
    assert (kn.random.rand(2) == first).all()


def test_processes_are_others_and_work_after_a_kernel_has_run():
    kn.relu(np.ones((200, 200), np.float32))
    kn.grad(lambda x: kn.softmax(x).sum())(np.ones((50, 50), np.float32))
    found = list(DataLoader(X, 5, prepare=process, workers=1, processes=True))
    assert len({pid for _, pid in found}) == 1 and found[0][1] != os.getpid()


@ways
def test_the_instance_that_failed_is_told(way):
    data, got = DataLoader(Squares(bad=13), 4, **way), []
    with pytest.raises(LoaderError, match=r"data\[13\] failed: OSError: no file 13") as error:
        for batch in data:
            got.append(batch)
    assert len(got) == 3 and "no file 13" in str(error.value.__cause__)
    nothing_is_left()


@ways
def test_the_batch_that_failed_is_told(way):
    expected = r"batch 4 of epoch 0 \(instances 8, 9\) failed: TwoWords: nine refused"
    with pytest.raises(LoaderError, match=expected):
        list(DataLoader(np.arange(10), 2, prepare=refuse_nine, **way))
    with pytest.raises(LoaderError, match="data failed at instance 7: OSError: the line is cut"):
        list(DataLoader(Counting(bad=7), 2, **way))
    nothing_is_left()


def nothing_is_left():
    gc.collect()
    until = time.monotonic() + 10
    while active_children() and time.monotonic() < until:  # those of a loader that is gone end by themselves
        time.sleep(0.01)
    assert not [t.name for t in threading.enumerate() if "loader" in t.name] and not active_children()


@ways
def test_leaving_early_leaves_nothing(way):
    for _ in DataLoader(Squares(50), 2, **way):
        break
    nothing_is_left()
    with pytest.raises(KeyError):
        for _ in DataLoader(Squares(50), 2, **way):
            raise KeyError
    nothing_is_left()
    left = iter(DataLoader(Squares(50), 2, **way))
    next(left)
    left.close()
    nothing_is_left()


def test_prefetch_is_bounded():
    asked = []

    class Asked(Squares):
        def __getitem__(self, i):
            asked.append(i)
            return i

    data = iter(DataLoader(Asked(100), 1, workers=2, prefetch=3))
    for expected in (4, 5):
        next(data)
        until = time.monotonic() + 10
        while len(asked) < expected and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(asked) == expected
    data.close()


def test_threads_work_at_the_same_time():
    meet = threading.Barrier(2, timeout=10)

    def prepare(batch):
        meet.wait()
        return batch

    assert len(list(DataLoader(X, 5, prepare=prepare, workers=2))) == 2


def pids(data):
    return {pid for _, pid in data}


def test_processes_are_kept_from_loop_to_loop_and_end_with_the_loader():
    data = DataLoader(X, 1, prepare=process, workers=1, processes=True)
    first = pids(data)
    assert pids(data) == first
    for _ in data:
        break  # left early: the next loop has all its batches nevertheless
    batches = list(data)
    assert [int(x[0, 0]) for x, _ in batches] == list(range(0, 30, 3)) and {pid for _, pid in batches} & first
    one, two = iter(data), iter(data)  # at the same time, each has its own
    found = [(next(one)[1], next(two)[1]) for _ in range(10)]
    assert not {a for a, _ in found} & {b for _, b in found}
    del one, two
    other = pickle.loads(pickle.dumps(data))
    assert not pids(other) & first and pids(data) & first
    del data, other
    nothing_is_left()


def test_processes_have_the_data_as_they_are_when_a_loop_begins():
    rows = [1, 2, 3, 4]
    data = DataLoader(rows, 2, prepare=process, workers=1, processes=True)
    assert [x.tolist() for x, _ in data] == [[1, 2], [3, 4]]
    rows[0] = 9
    assert [x.tolist() for x, _ in data] == [[9, 2], [3, 4]]


def test_a_process_that_dies_while_it_waits_is_replaced():
    data = DataLoader(X, 5, prepare=process, workers=1, processes=True)
    (before,) = pids(data)
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + 10
    while active_children() and time.monotonic() < until:
        time.sleep(0.01)
    (after,) = pids(data)
    assert after != before


def test_after_a_failure_a_loop_begins_with_new_processes():
    data = DataLoader(np.arange(10), 2, prepare=refuse_nine, workers=1, processes=True)
    for _ in range(2):
        with pytest.raises(LoaderError, match="nine refused"):
            list(data)
        nothing_is_left()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_copy_that_somebody_forks_has_processes_of_its_own():
    data = DataLoader(X, 5, prepare=process, workers=1, processes=True)
    before = pids(data)
    child = os.fork()
    if not child:
        ended = 1
        try:
            ended = 0 if len(own := pids(data)) == 1 and own != before else 2
            del data
            gc.collect()
        finally:
            os._exit(ended)
    assert os.waitpid(child, 0)[1] == 0 and pids(data) == before


def test_what_cannot_be_sent_to_a_process():
    with pytest.raises(TypeError, match="not lambdas or inner ones, or threads"):
        list(DataLoader(X, 5, prepare=lambda x: x, workers=1, processes=True))
    with pytest.raises(LoaderError, match="worker process ended before its batch was made"):
        list(DataLoader(X, 5, prepare=die, workers=1, processes=True))
    nothing_is_left()


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(kn.__file__).parents[1])}
TYPED = """
import numpy as np
from knetpy.data import DataLoader
def typed(batch): return batch
list(DataLoader(np.zeros(4), 2, prepare=typed, workers=1, processes=True))
"""


def test_a_script_without_a_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TYPED)
    done = subprocess.run([sys.executable, script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and '`if __name__ == "__main__":`' in done.stderr


def test_a_function_typed_at_a_prompt_is_told():
    done = subprocess.run([sys.executable, "-c", TYPED], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "defined in a file that can be imported, not in a notebook" in done.stderr


INTERRUPTED = """if True:
    import sys
    from knetpy.data import DataLoader
    from tests.data.loaded import Squares

    if __name__ == "__main__":
        data = DataLoader(Squares(10**15), 2, workers=2, processes=sys.argv[1] == "processes")
        try:
            for i, _ in enumerate(data):
                if i == 3:
                    print("begun", flush=True)
        except KeyboardInterrupt:
            print(data.state()["batch"] in (i + 1, i + 2), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a terminal's Ctrl-C goes to groups of processes only on POSIX")
@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_ctrl_c_ends_the_loop_quietly(tmp_path, kind):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, script, kind]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True, **pipes) as program:
        assert program.stdout.readline() == "begun\n"
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert (out, err, program.returncode) == ("True\n", "", 0)


HANGING = """if True:
    from knetpy.data import DataLoader
    from tests.data.loaded import hang

    if __name__ == "__main__":
        try:
            list(DataLoader(list(range(8)), 2, prepare=hang, workers=2, processes=True))
        except KeyboardInterrupt:
            print("ended", flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a terminal's Ctrl-C goes to groups of processes only on POSIX")
def test_ctrl_c_ends_workers_that_hang(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(HANGING)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, script], env=ENVIRONMENT, start_new_session=True, **pipes) as program:
        assert program.stdout.readline() == "hanging\n"
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=20)
    assert out.replace("hanging\n", "") == "ended\n" and (err, program.returncode) == ("", 0)


def test_kernels_run_in_threads():
    x = np.random.default_rng(0).standard_normal((64, 3, 12, 12)).astype(np.float32)
    w = np.ones((8, 3, 3, 3), np.float32)
    found = np.concatenate(list(DataLoader(x, 4, prepare=lambda batch: kn.conv(batch, w), workers=3)))
    assert np.allclose(found, kn.conv(x, w), atol=1e-4)


SCRIPT = """if True:
    import os, signal, sys
    from knetpy.data import DataLoader
    from tests.data.loaded import Squares, process

    if __name__ == "__main__":
        loop = iter(DataLoader(Squares(100), 2, prepare=process, workers=2, processes=sys.argv[1] == "processes"))
        pids = {pid for _, pid in (next(loop) for _ in range(10))}
        print(*pids, flush=True)
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["killed", "left"])
@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_no_worker_outlives_a_program(tmp_path, end, kind):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, kind, end]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == (-9 if end == "killed" else 0)
    pids = [int(pid) for pid in done.stdout.split()]
    until = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert pids and not any(alive(pid) for pid in pids)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_million_instances_hold_memory_flat():
    data = DataLoader(np.zeros(1_000_000, np.uint8), 1, shuffle=True, seed=1)
    loop = iter(data)
    next(loop)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            next(loop)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 100_000


# ------------------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize("way, stop", [(way, stop) for way in WAYS[:3] for stop in (0, 1, 3, 4, 5, 9)] + [(WAYS[3], 5)])
def test_going_on_gives_the_same_batches(way, stop):
    def loader(seed=5):
        return DataLoader((X, Y), 3, shuffle=True, partial=True, seed=seed, prepare=noisy, **way)

    def endless(data):
        while True:
            yield from data

    whole = list(islice(endless(loader()), 12))
    data = loader()
    begun = endless(data)
    first = list(islice(begun, stop))
    state = json.loads(json.dumps(data.state()))
    begun.close()
    other = loader(seed=6)
    other.restore(state)
    assert same(first + list(islice(endless(other), 12 - stop)), whole)


def test_going_on_with_a_stream():
    data = DataLoader(Counting(11), 2, rank=1, ranks=2)
    loop = iter(data)
    next(loop)
    other = DataLoader(Counting(11), 2, rank=1, ranks=2)
    other.restore(data.state())
    assert same(list(other), list(loop)) and other.epoch == data.epoch == 1


def test_after_the_last_batch_nothing_is_left_of_the_epoch():
    data = DataLoader(Y, 5, seed=1)
    for _ in data:
        state = data.state()
    other = DataLoader(Y, 5)
    other.restore(state)
    assert list(other) == [] and other.epoch == 1 and len(list(other)) == 2


def test_the_state_is_that_of_the_loop_begun_last():
    data = DataLoader(Y, 2, seed=1)
    one, two = iter(data), iter(data)
    next(two)
    list(one)
    assert (data.epoch, data.state()["batch"]) == (1, 1)


def test_a_state_that_does_not_fit():
    data = DataLoader(Y, 2, seed=1)
    state = data.state()
    for key, value in (("instances", 9), ("batchsize", 3), ("shuffle", True), ("partial", True), ("ranks", 2)):
        with pytest.raises(ValueError, match=f"state has {key} {value}"):
            data.restore({**state, key: value})
    with pytest.raises(ValueError, match="at batch 6"):
        data.restore({**state, "batch": 6})
    for wrong in (None, {}, {**state, "more": 1}):
        with pytest.raises(TypeError, match="must be a dict of seed, epoch"):
            data.restore(wrong)
    with pytest.raises(TypeError, match="epoch must be an integer"):
        data.restore({**state, "epoch": 1.5})
    assert data.state() == state


# ------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    "arguments, options, error, message",
    [
        (((X, Y[:9]), 2), {}, ValueError, r"data\[0\] has 10 instances but data\[1\] has 9"),
        (("text", 2), {}, TypeError, "got a text"),
        ((3, 2), {}, TypeError, "data must be an array.* got int"),
        (((X, None), 2), {}, TypeError, r"data\[1\] must be.* got NoneType"),
        (((), 2), {}, ValueError, "empty tuple"),
        ((X, 0), {}, ValueError, "batchsize must be at least 1"),
        ((X, 2.0), {}, TypeError, "batchsize must be an integer"),
        ((X, 11), {}, ValueError, "there are 10 instances.*partial=True"),
        ((X, 4), {"ranks": 3}, ValueError, "10 instances for 3 ranks"),
        ((X, 4), {"rank": 1}, ValueError, "rank must be less than ranks=1"),
        ((X, 2), {"rank": 1, "ranks": 2, "shuffle": True}, TypeError, "seed must be given, the same to all ranks"),
        ((X, 2), {"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ((X, 2), {"seed": -1}, ValueError, "seed must be at least 0"),
        ((X, 2), {"seed": 2**64}, ValueError, "seed must be from 0"),
        ((X, 2), {"workers": -1}, ValueError, "workers must be at least 0"),
        ((X, 2), {"processes": True}, ValueError, "pass workers=1 or more"),
        ((X, 2), {"prepare": 3}, TypeError, "prepare must be a function"),
        ((X, 2), {"lengths": [1, 2]}, ValueError, "one integer for each of 10"),
        ((Counting(), 2), {"shuffle": True}, TypeError, r"Counting without a length.*list\(data\)"),
        ((np.ma.masked_array(Y, Y > 3), 2), {}, TypeError, "data is a MaskedArray"),
    ],
)
def test_mistakes(arguments, options, error, message):
    with pytest.raises(error, match=message):
        DataLoader(*arguments, **options)


def test_repr():
    assert repr(DataLoader((X, Y), 3, shuffle=True)) == "DataLoader(0 (10, 3), 1 (10,), 3, shuffle=True): 3 batches"
    assert repr(DataLoader(Counting(), 3, workers=2)) == "DataLoader(Counting, 3, 2 threads)"


def test_no_instances_at_all():
    for options in ({}, {"shuffle": True}, {"lengths": np.zeros(0, int)}, {"workers": 2}):
        data = DataLoader(X[:0], 3, partial=True, **options)
        assert len(data) == 0 and list(data) == [] and data.epoch == 1


def test_it_trains():
    w = kn.param(3, 1)
    target = (X @ np.ones((3, 1))).astype(np.float32)
    losses = [
        float(value)
        for _ in range(20)
        for value in kn.minimize(
            lambda x, y: kn.mse(x @ w, y), DataLoader((X / 30, target / 30), 5, workers=2), kn.SGD(lr=0.1)
        )
    ]
    assert losses[-1] < losses[0]


def test_training_goes_on_to_the_same_bits():
    x, y = X / 30, (X @ np.ones((3, 1)) / 30).astype(np.float32)

    def begun():
        return kn.param(np.zeros((3, 1), np.float32)), DataLoader(
            (x, y), 3, shuffle=True, partial=True, seed=2, workers=2, prepare=noisy
        )

    def train(w, data, epochs, stop=None):
        steps = kn.minimize(lambda x, y: kn.mse(x @ w, y), kn.train.repeat(data, epochs), kn.SGD(lr=0.1))
        for _ in islice(steps, stop):
            pass
        return kn.value(w).copy()

    whole = train(*begun(), epochs=3)
    w, data = begun()
    reached = train(w, data, epochs=3, stop=6)
    other, again = begun()
    other[...] = reached
    again.restore(data.state())
    assert again.epoch == 1 and (train(other, again, epochs=3 - again.epoch) == whole).all()


# ------------------------------------------------------------------------------------------------ joining


def test_collate_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\) do not stack.*pad=0"):
        collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(TypeError, match=r"one structure; at the top: expected a tuple of 2, got a tuple of 3"):
        collate([(1, 2), (1, 2, 3)])
    with pytest.raises(ValueError, match="at least one"):
        collate([])
    with pytest.raises(ValueError, match=r"further axes"):
        collate([np.zeros((2, 1)), np.zeros((3, 2))], pad=0)


def test_what_collate_makes_of_leaves():
    made = collate([(True, 1, 2.5, 1j, "a", None, np.float64(1), np.array([1]), np.str_("b"))] * 2)
    kinds = [one.dtype.kind if isinstance(one, np.ndarray) else type(one).__name__ for one in made]
    assert kinds == ["b", "i", "f", "c", "list", "list", "f", "i", "list"]
    assert collate([1, 2.5]).dtype == np.float32 and collate([1, None]) == [1, None]
    assert collate([np.float32(1), np.float64(2)], dtype=None).dtype == np.float64
    assert collate([[1, 2], [3, 4]])[1].tolist() == [2, 4]


def test_batchseq():
    x, lengths = batchseq([np.ones((2, 4), "f4"), np.ones((3, 4), "f4")], -1, multiple=4)
    assert x.shape == (2, 4, 4) and x.dtype == np.float32 and lengths.tolist() == [2, 3]
    assert (x[0, 2:] == -1).all() and (x[1, :3] == 1).all() and (x[1, 3] == -1).all()
    assert batchseq([[1, 2, 3], []], longest=2)[0].tolist() == [[1, 2], [0, 0]]
    assert batchseq([[1, 2, 3], []])[0].dtype == np.int64
    for wrong, error in (([], ValueError), ([1, 2], TypeError)):
        with pytest.raises(error, match="at least one array or list with an axis"):
            batchseq(wrong)
    with pytest.raises(ValueError, match="multiple must be"):
        batchseq([[1]], multiple=0)


@pytest.mark.parametrize("pad", [0.5, np.nan, -1, 256, 2**70, 1j, "a", None, [0, 0]])
def test_a_pad_that_the_dtype_cannot_hold(pad):
    sequences = [np.array([1, 2, 3], np.uint8), np.array([4], np.uint8)]
    with pytest.raises(ValueError, match="batchseq: pad must be a number that uint8 can hold, got"):
        batchseq(sequences, pad)
    if pad is not None:
        with pytest.raises(ValueError, match="collate: pad must be a number that uint8 can hold, got"):
            collate(sequences, pad=pad)


def test_pads_of_other_dtypes():
    assert batchseq([[1, 2], [3]], 2.0)[0].tolist() == [[1, 2], [3, 2]]
    assert batchseq([[True, False], [True]], True)[0].dtype == bool
    assert batchseq([np.ones(2, "f4"), np.ones(1, "f4")], 0.1)[0][1, 1] == np.float32(0.1)
    assert np.isnan(batchseq([[1.0, 2.0], [3.0]], np.nan)[0][1, 1])
    assert np.isinf(batchseq([[1.0, 2.0], [3.0]], -np.inf)[0][1, 1])
    assert batchseq([["a", "b"], ["c"]], "d")[0].tolist() == [["a", "b"], ["c", "d"]]
    with pytest.raises(ValueError, match="float16 can hold, got 100000.0"):
        batchseq([np.ones(2, "f2"), np.ones(1, "f2")], 1e5)


def test_the_loader_and_minibatch_agree():
    for n, partial_ in ((3, True), (5, False)):
        a, b = DataLoader((X, Y), n, partial=partial_), minibatch(X, Y, n, partial=partial_)
        assert len(a) == len(b) and same(list(a), list(b))
    y = X.sum(axis=1)
    assert same(list(DataLoader((X, y), 5)), list(minibatch(X, y, 5)))
