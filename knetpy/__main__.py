"""The command line: `python -m knetpy quickstart`, `python -m knetpy warmup`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np

import knetpy as kn
from knetpy.families import compile_all, families
from knetpy.show import plot
from knetpy.train.bar import bar

BATCH = 50
PICTURE = "quickstart.png"


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return the exit status: 0, 2 for a command that cannot be understood, 130 after Ctrl-C."""
    parser = command_line()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        if options.command == "quickstart":
            quickstart(options.seed, options.epochs, options.limit)
        else:
            warmup(options.dtype)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


class Parser(argparse.ArgumentParser):
    """A parser whose errors come with the whole help."""

    def error(self, message: str):
        self.print_help(sys.stderr)
        self.exit(2, f"\n{self.prog}: {message}\n")


def command_line() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    parser = Parser(prog="python -m knetpy", description="Define-by-run deep learning for people who think in NumPy.")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    train = commands.add_parser(
        "quickstart",
        help="train a small convolutional network on real images and say how good it is",
        description="Train a small convolutional network on 5,000 images of clothes that come with the package, and "
        f"test it on 1,000 others. With matplotlib it leaves a picture, {PICTURE}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train.add_argument("--seed", type=whole(0), default=0, help="of initial weights and shuffling, from 0 to 2**64 - 1")
    train.add_argument("--epochs", type=whole(1), default=10, help="how often to go through the training images")
    train.add_argument(
        "--limit", type=whole(BATCH), default=5000, metavar="IMAGES", help="train on the first so many images only"
    )
    warm = commands.add_parser(
        "warmup",
        help="compile the kernels now, so that no program has to wait for them",
        description="Compile the common kernels of every family and keep them on disk for all programs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    warm.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="of the arrays they are for")
    return parser


def whole(least: int) -> Callable[[str], int]:
    """What argparse calls to read a whole number of at least `least`."""

    def read(text: str) -> int:
        n = int(text)
        if not least <= n < 2**64:
            raise argparse.ArgumentTypeError(f"must be from {least} to 2**64 - 1, got {n}")
        return n

    read.__name__ = "whole number"  # argparse says: invalid whole number value
    return read


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
    say(f"compiling kernels (once): {compiling:.1f} s{'' if compiling else ', they were kept from an earlier run'}")

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


def warmup(dtype: str) -> None:
    """Compile the common kernels, with a line for each family."""
    names, total = families(dtype), 0.0
    with bar(names, "compiling kernels", disable=not sys.stderr.isatty()) as shown:
        for name, seconds in compile_all(dtype):
            shown.update()
            shown.write(f"{name}: {seconds:.1f} s")
            total += seconds
    say(
        f"all kernels for {dtype}: {total:.1f} s" if total else f"all kernels for {dtype} were kept from an earlier run"
    )


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
