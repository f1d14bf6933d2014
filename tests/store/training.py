"""A training with everything that has a state, for tests that end it: python -m tests.store.training.

It makes itself ready, so that what follows takes milliseconds, says so, and waits for a line: the path of its save, the
step to end at, after how many steps to save each time, where to write what it has reached at the end, how many workers
the loader shall have, and whether they are processes. Then it prints each step when it, and the save, is done.
"""

import os
import sys

import numpy as np

import knetpy as kn
from tests.data.loaded import noisy

OUT_OF_SPACE = 7  # what it returns then


def made(workers=0, processes=False):
    """All that the training changes."""
    kn.seed(1)
    rng = np.random.default_rng(5)
    data = rng.normal(size=(95, 20)).astype("f4"), rng.integers(0, 3, 95)
    rule = kn.Adam(lr=kn.schedules.Cosine(0.02, 70, restarts=True))
    return {
        "w": {"in": [kn.param(20, 64), kn.param0(64)], "out": kn.param(64, 3)},
        "moments": kn.Moments(),
        "opt": kn.chain(kn.optim.ClipGlobalNorm(0.5), rule, kn.optim.EMA(0.9)),
        "loader": kn.DataLoader(data, 10, shuffle=True, prepare=noisy, workers=workers, processes=processes),
        "random": kn.random,
        "run": {"step": 0, "losses": []},
    }


def train(state, steps, then):
    """Go on to step `steps`, and call `then(step)` after each."""
    w, run = state["w"], state["run"]

    def loss(x, y):
        h = kn.batchnorm(x @ w["in"][0] + w["in"][1], state["moments"], activation=kn.relu)
        return kn.nll(kn.dropout(h, 0.3) @ w["out"], y)

    while run["step"] < steps:
        for x, y in state["loader"]:
            value, g = kn.value_and_grad(loss)(x, y)
            kn.update(w, g, state["opt"])
            run["losses"].append(value)
            run["step"] += 1
            then(run["step"])
            if run["step"] == steps:
                break


def main():
    train(made(), 1, lambda step: None)  # this one is thrown away; it has loaded all code
    print("ready", flush=True)
    path, steps, every, end, workers, processes = sys.stdin.readline().split()
    state = made(int(workers), processes == "True")
    if os.path.exists(path):
        kn.load(path, state)

    def save(step):
        if step % int(every) == 0:
            kn.save(path, state, keep=2)
        print(step, flush=True)

    print(state["run"]["step"], flush=True)
    train(state, int(steps), save)
    kn.save(end, state)


if __name__ == "__main__":
    try:
        main()
    except OSError as failure:
        print(failure, flush=True)
        sys.exit(OUT_OF_SPACE)
