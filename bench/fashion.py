"""A LeNet on all of Fashion-MNIST beside PyTorch: accuracy and seconds of each epoch, for three seeds.

    python -m bench.fashion FOLDER [--epochs 5] [--seeds 3] [--threads 2]

FOLDER has the four files of Fashion-MNIST. Each side is a process of its own, with the same initial weights, Adam at
1e-3 and shuffled batches of 100 from its own loader, the whole loop as its users write it; the two take turns, epoch
by epoch, so that neither sees the other's threads. Bars: the mean accuracy at most 0.3 points below PyTorch's, at most
0.6 of its time at two threads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
from time import perf_counter

import numpy as np

BATCH, SIDES, TEST = 100, ("knetpy", "PyTorch"), 1000


def weights(seed):
    """What both sides start from: uniform in +-1 / sqrt(fan_in), PyTorch's own default."""
    draw = np.random.default_rng(seed)
    shapes, fans = ((16, 1, 5, 5), (16,), (32, 16, 5, 5), (32,), (512, 10), (10,)), (25, 25, 400, 400, 512, 512)
    return [draw.uniform(-1, 1, shape).astype("f4") / np.float32(np.sqrt(n)) for shape, n in zip(shapes, fans)]


def ours(data, seed):
    """(a function that trains for an epoch, one that gives scores)"""
    import knetpy as kn

    kn.seed(seed)
    a, ab, b, bb, c, cb = [kn.param(w) for w in weights(seed)]

    def model(x):
        h = kn.pool(kn.conv(x, a, ab, activation=kn.relu))
        h = kn.pool(kn.conv(h, b, bb, activation=kn.relu))
        return kn.linear(kn.mat(h), c, cb)

    def loss(x, y):
        return kn.nll(model(x), y)

    batches, opt = kn.DataLoader((data.x_train, data.y_train), BATCH, shuffle=True, seed=seed), kn.Adam()
    return lambda: list(kn.minimize(loss, batches, opt)), model


def theirs(data, seed):
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    a, ab, b, bb, c, cb = params = [torch.from_numpy(w).requires_grad_() for w in weights(seed)]
    pairs = TensorDataset(torch.from_numpy(data.x_train), torch.from_numpy(data.y_train))
    batches, opt = DataLoader(pairs, BATCH, shuffle=True), torch.optim.Adam(params)

    def model(x):
        h = F.max_pool2d(F.relu(F.conv2d(x, a, ab)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, b, bb)), 2)
        return h.flatten(1) @ c + cb

    def train():
        losses = []
        for x, y in batches:
            opt.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            losses.append(loss.item())

    def scores(x):
        with torch.no_grad():
            return model(torch.from_numpy(x)).numpy()

    return train, scores


def play(connection, side, folder, seed, threads, few):
    """In a process of its own: train for an epoch whenever it is asked, and answer (seconds, accuracy)."""
    import knetpy as kn

    data = kn.data.fashion_mnist(folder) if folder else kn.data.fashion_mini()
    data = data._replace(x_train=data.x_train[:few], y_train=data.y_train[:few]) if few else data
    if side == "knetpy":
        kn.set_threads(threads)
    else:
        import torch

        torch.set_num_threads(threads)
    train, scores = (ours if side == "knetpy" else theirs)(data, seed)
    for _ in iter(connection.recv, None):
        begin = perf_counter()
        train()
        seconds = perf_counter() - begin
        parts = range(0, len(data.x_test), TEST)
        guesses = np.concatenate([np.argmax(scores(data.x_test[n : n + TEST]), 1) for n in parts])
        connection.send((seconds, float(np.mean(guesses == data.y_test))))


def race(folder, epochs, seed, threads, few=0, sides=SIDES):
    """{side: [(seconds, accuracy) of each epoch]}"""
    spawn, players = multiprocessing.get_context("spawn"), {}
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for side in sides:
        here, there = spawn.Pipe()
        process = spawn.Process(target=play, args=(there, side, folder, seed, threads, few), daemon=True)
        process.start()
        players[side] = here, process
    found = {side: [] for side in sides}
    for _ in range(epochs):
        for side, (connection, _) in players.items():
            connection.send("epoch")
            found[side].append(connection.recv())
    for connection, process in players.values():
        connection.send(None)
        process.join()
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options, last, ratios = parser.parse_args(arguments), {side: [] for side in SIDES}, []
    for seed in range(options.seeds):
        found = race(options.folder, options.epochs, seed, options.threads)
        for side, epochs in found.items():
            print(f"seed {seed} {side}: " + ", ".join(f"{100 * a:.2f} % {s:.1f} s" for s, a in epochs), flush=True)
            last[side].append(epochs[-1][1])
        ratios += [a / b for (a, _), (b, _) in zip(*[found[side][1:] or found[side] for side in SIDES])]
    means = {side: 100 * statistics.fmean(a) for side, a in last.items()}
    print("mean accuracy: " + ", ".join(f"{side} {mean:.2f} %" for side, mean in means.items()))
    print(f"knetpy's time over PyTorch's: {statistics.median(ratios):.2f} (bar 0.6)")


if __name__ == "__main__":
    main()
