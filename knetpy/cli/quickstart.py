"""`python -m knetpy quickstart`: a small convolutional network, trained on images that come with the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

import knetpy as kn
from knetpy.show import plot

from .info import uncompiled
from .outcome import say

BATCH = 50
PICTURE = "quickstart.png"


def network() -> Callable[[np.ndarray], np.ndarray]:
    """The model: images (N, 1, 28, 28) to scores (N, 10)."""
    init = kn.init.kaiming_normal  # suits relu
    w = [
        kn.param(16, 1, 5, 5, init=init),
        kn.param0(16),
        kn.param(32, 16, 5, 5, init=init),
        kn.param0(32),
        kn.param(512, 10),
        kn.param0(10),
    ]

    def model(x):
        x = kn.pool(kn.relu(kn.conv(x, w[0], w[1])))
        x = kn.pool(kn.relu(kn.conv(x, w[2], w[3])))
        return kn.mat(x) @ w[4] + w[5]

    return model


def quickstart(seed: int, epochs: int, limit: int) -> None:
    """Train the network, print how it goes, draw a picture; the last line tells the accuracy on the test images."""
    kn.seed(seed)
    xtrn, ytrn, xtst, ytst, names = kn.data.fashion_mini()
    xtrn, ytrn = xtrn[:limit], ytrn[:limit]
    model = network()

    def loss(x, y):
        return kn.nll(model(x), y)

    say(f"data: {len(xtrn):,} images of clothes to train on and {len(xtst):,} to test with, {len(names)} classes")
    say("model: convolution 5x5 to 16 channels, pool, convolution 5x5 to 32, pool, dense to 10; relu between")
    say(f"training: Adam(lr=0.001), batches of {BATCH}, epochs: {epochs}, seed: {seed}, threads: {kn.threads()}")
    compiling = kn.kernels.warmup(kn.grad(loss), xtrn[:BATCH], ytrn[:BATCH])
    kept = "they were kept from an earlier run" if not (reason := uncompiled()) else f"there are none, as {reason}"
    say(f"compiling kernels (once): {compiling:.1f} s{'' if compiling else f', {kept}'}")

    begin = perf_counter()
    losses = train(loss, kn.minibatch(xtrn, ytrn, BATCH, shuffle=True), epochs)
    say(f"training: {perf_counter() - begin:.1f} s")

    scores = model(xtst)
    picture(losses, xtst, ytst, scores.argmax(axis=1), names)
    say(f"test accuracy {100 * kn.accuracy(scores, ytst):.1f} %")


def train(loss: Callable, data: kn.data.Minibatches, epochs: int) -> list[float]:
    """Train for some epochs, with a bar in a terminal and a line for each epoch elsewhere; return all losses."""
    steps, losses = kn.minimize(loss, data, kn.Adam(lr=0.001)), []
    for epoch in range(1, epochs + 1):
        message = f"epoch {epoch}/{epochs}"
        values = [float(value) for value in kn.progress(steps, message)]
        if not sys.stderr.isatty():
            say(f"{message}: loss {np.mean(values):.3f}")
        losses += values
    return losses


def picture(losses: list[float], images: np.ndarray, labels: np.ndarray, guesses: np.ndarray, names: tuple) -> None:
    """Save the picture, or say what is missing for it."""
    if not plot.can_plot():
        say(f"picture: none, it needs matplotlib: {plot.EXTRA}")
        return
    try:
        plot.training_picture(losses, images, labels, guesses, names, PICTURE)
        say(f"picture: {PICTURE}")
    except OSError as failure:
        say(f"picture: none, {PICTURE} cannot be written: {failure}")
