"""Training that is killed goes on from its last save and ends with the same bits as one that was not."""

import os

import numpy as np
import pytest

import knetpy as kn
from tests.store.processes import kill_after, start

TRAINING = """if True:
    import os, sys
    import numpy as np, knetpy as kn

    path, steps, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    kn.seed(1)
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(60, 6)).astype("f4"), rng.integers(0, 3, 60)
    w = {"in": [kn.param(6, 16), kn.param0(16)], "out": kn.param(16, 3)}
    moments, opt = kn.Moments(), kn.Adam(lr=0.01)

    def loss(x, y):
        h = kn.batchnorm(x @ w["in"][0] + w["in"][1], moments, activation=kn.relu)
        return kn.nll(kn.dropout(h, 0.3) @ w["out"], y)

    # The order of an epoch is drawn at its begin; position and order are saved, as a loader would.
    run = {"step": 0, "order": np.arange(60), "losses": []}
    state = {"w": w, "moments": moments, "opt": opt, "random": kn.random, "numpy": rng, "run": run}
    if os.path.exists(path):
        kn.load(path, state)
    while run["step"] < steps:
        at = run["step"] % 6 * 10
        if at == 0:
            run["order"][:] = rng.permutation(60)
        batch = run["order"][at : at + 10]
        opt.lr = 0.01 * 0.99 ** run["step"]
        value, g = kn.value_and_grad(loss)(x[batch], y[batch])
        kn.update(w, g, opt)
        run["step"] += 1
        run["losses"].append(value)
        kn.save(path, state, keep=2)
        print(run["step"], flush=True)
    kn.save(out, state)
"""


def bits(path):
    """All arrays and numbers of a save, by what they are."""
    tree = kn.load(path)
    names = {name: p.value.tobytes() for name, p in kn.named_params(tree).items()}
    states = [[a.tobytes() for a in s["arrays"]] + [s["t"]] for s in tree["opt"]["states"]]
    moments = tree["moments"].mean.tobytes(), tree["moments"].var.tobytes(), tree["moments"].count
    return names, states, moments, tree["random"], repr(tree["numpy"]), [v.tobytes() for v in tree["run"]["losses"]]


def finish(folder, steps):
    """Train to the end, from the last save if there is one; what was reached."""
    with start(TRAINING, folder / "save", steps, folder / "end") as process:
        process.communicate()
    assert process.returncode == 0
    return bits(folder / "end")


def same_bits(folder, kills):
    rng = np.random.default_rng(kills)
    killed, whole = folder / "killed", folder / "whole"
    killed.mkdir(), whole.mkdir()
    for _ in range(kills):
        process = start(TRAINING, killed / "save", 10**9, killed / "end")
        kill_after(process, int(rng.integers(1, 4)), rng.uniform(0, 0.02))
    steps = kn.load(killed / "save")["run"]["step"] + 20
    assert steps > kills and finish(killed, steps) == finish(whole, steps)
    assert sorted(os.listdir(killed)) == ["end", "save", "save.1"]


def test_killed_training_ends_with_the_same_bits(tmp_path):
    same_bits(tmp_path, 6)


@pytest.mark.slow
def test_training_that_is_killed_two_hundred_times(tmp_path):
    same_bits(tmp_path, 200)
