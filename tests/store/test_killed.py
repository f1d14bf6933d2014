"""A save that is killed, interrupted or out of space leaves a whole file, the earlier or the new."""

import os
import stat
import time

import numpy as np
import pytest

import knetpy as kn
from knetpy.store import atomic, tensors
from tests.store.processes import kill_after, start

resource = pytest.importorskip("resource")  # limits of a file's size

SAVER = """if True:
    import itertools, sys
    import numpy as np, knetpy as kn
    for n in itertools.count(int(sys.argv[2])):
        kn.save(sys.argv[1], {"n": n, "w": [np.full(400_000, n, "i4") for _ in range(4)]}, keep=2)
        print(n, flush=True)
"""


def killed_savers(path, kills):
    rng, n = np.random.default_rng(0), 0
    for _ in range(kills):
        n = int(kill_after(start(SAVER, path, n), 2, lambda: time.sleep(rng.uniform(0, 0.03)))[-1])
        tree = kn.load(path)
        assert tree["n"] in (n, n + 1)  # what was said to be saved, or the next
        assert all((w == tree["n"]).all() for w in tree["w"])
        earlier = kn.load(f"{path}.1")["n"]
        assert tree["n"] - 1 <= earlier <= tree["n"]
        n = tree["n"] + 1


def check_no_litter(path):
    kn.save(path, 0)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, path.name + ".1"]


def test_a_killed_save_leaves_a_whole_file(tmp_path):
    killed_savers(tmp_path / "f", 25)
    check_no_litter(tmp_path / "f")


@pytest.mark.slow
def test_two_hundred_killed_saves(tmp_path):
    killed_savers(tmp_path / "f", 200)
    check_no_litter(tmp_path / "f")


STEPS = ["open", "fsync", "link", "replace", "unlink"]  # what a save asks of the system


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step(tmp_path, step, nth, moment):
    """The process dies at the n-th call of a step, so hard that nothing of Python's runs."""
    code = f"""if True:
        import builtins, os, sys
        import knetpy as kn
        kn.save(sys.argv[1], "earliest", keep=3)
        kn.save(sys.argv[1], "earlier", keep=3)
        place = builtins if "{step}" == "open" else os
        real, calls = getattr(place, "{step}"), []
        def step(*args, **options):
            calls.append(1)
            if len(calls) == {nth} and "{moment}" == "before":
                os.kill(os.getpid(), 9)
            result = real(*args, **options)
            if len(calls) == {nth}:
                os.kill(os.getpid(), 9)
            return result
        setattr(place, "{step}", step)
        kn.save(sys.argv[1], "new", keep=3)
    """
    path = tmp_path / "f"
    with start(code, path) as process:
        assert process.wait() in (0, -9)
    assert kn.load(path) in ("earlier", "new")
    assert kn.load(f"{path}.1") in ("earliest", "earlier") if os.path.exists(f"{path}.1") else step == "replace"
    kn.save(path, "newest")
    assert not [p.name for p in tmp_path.iterdir() if "tmp" in p.name]


def test_what_must_be_on_the_disk_before_the_next_step(tmp_path, monkeypatch):
    """All bytes before the rename, and the rename before save returns: else a power cut leaves an empty file."""
    path, done, replace, fsync = tmp_path / "f", [], os.replace, os.fsync

    def synced(file):
        done.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else os.fstat(file).st_size)
        fsync(file)

    kn.save(path, "earlier")
    monkeypatch.setattr(atomic.os, "fsync", synced)
    monkeypatch.setattr(atomic.os, "replace", lambda a, b: (done.append(os.path.basename(b)), replace(a, b)))
    kn.save(path, np.zeros(1000), keep=2)
    assert done == [path.stat().st_size, "f.1", "f", "folder"]


class Boom(Exception):
    pass


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt, Boom])
@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_a_failure_at_every_step(tmp_path, monkeypatch, step, failure):
    kn.save(tmp_path / "f", "earlier")

    def fail(*args, **options):
        raise failure("no")

    monkeypatch.setattr(atomic.os, step, fail)
    if (step, failure) == ("link", OSError):  # a file system without links
        monkeypatch.setattr(atomic.shutil, "copyfile", fail)
    with pytest.raises(failure):
        kn.save(tmp_path / "f", "new", keep=2)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["f"] and kn.load(tmp_path / "f") == "earlier"


def test_without_links_the_earlier_file_is_copied(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no links here")

    monkeypatch.setattr(atomic.os, "link", fail)
    for n in range(3):
        kn.save(tmp_path / "f", n, keep=2)
    assert [kn.load(tmp_path / name) for name in ("f", "f.1")] == [2, 1] and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 100_000])
def test_a_full_disk_leaves_the_earlier_file(tmp_path, size):
    kn.save(tmp_path / "f", "earlier")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(OSError):
            kn.save(tmp_path / "f", np.zeros(100_000, "u1"), keep=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()] == ["f"] and kn.load(tmp_path / "f") == "earlier"


def test_saves_of_other_programs_are_left_alone(tmp_path):
    names = [".f.tmp", ".f.1.tmp", f".f.{os.getppid()}.0.ab.tmp", ".g.1.2.3.tmp", ".f.x.0.ab.tmp", "f.1.2.3.tmp"]
    for name in names:
        (tmp_path / name).touch()
    kn.save(tmp_path / "f", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "f"])


@pytest.mark.parametrize("keep", [1, 4])
def test_several_threads_may_save_to_one_path(tmp_path, keep):
    from threading import Thread

    def save(n):
        saved.append(n if [kn.save(tmp_path / "f", [n] * 9, keep=keep) for _ in range(30)] else None)

    saved = []
    threads = [Thread(target=save, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(saved) == [0, 1, 2] and {p.name for p in tmp_path.iterdir()} <= {"f", "f.1", "f.2", "f.3"}
    assert all(len(set(kn.load(file))) == 1 for file in tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_a_save_keeps_the_permissions_of_the_file_that_it_replaces(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError("no links here")))
    seen = []
    real = tensors.write
    monkeypatch.setattr(tensors, "write", lambda file, *rest: (seen.append(mode(file.name)), real(file, *rest)))
    for expected in (0o600, 0o400, 0o664):
        kn.save(tmp_path / "f", 1)
        (tmp_path / "f").chmod(expected)
        kn.save(tmp_path / "f", 2, keep=2)
        assert (mode(tmp_path / "f"), mode(tmp_path / "f.1"), seen[-1]) == (expected,) * 3  # also while it is written
        assert [kn.load(tmp_path / name) for name in ("f", "f.1")] == [2, 1]
    before = os.umask(0o027)
    try:
        kn.save(tmp_path / "new", 1)
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o640


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)
