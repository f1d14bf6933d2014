"""The command line: `python -m knetpy train FILE.py`, and other commands."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable

import knetpy as kn
from knetpy.cli.info import info
from knetpy.cli.outcome import Failed, Mistake
from knetpy.cli.quickstart import BATCH, PICTURE, quickstart
from knetpy.cli.train import rule, train
from knetpy.cli.warmup import warmup

STATUS = "Exit status: 0, 1 for a run that failed, 2 for a command that cannot be carried out, 130 after Ctrl-C."

TRAIN = """Train what a Python script defines, and print a line for each epoch. The script has

  loss      a function of a batch that returns a scalar: loss(x, y) for batches (x, y)
  data      an iterable of batches, such as kn.minibatch(x, y, 50); a loop over it is an epoch

and it may have

  model     a function from x to scores. Its params are saved with those that loss uses, which is needed where loss
            reaches them through another module, as nets.model(x)
  opt       an optimizer (default: kn.Adam())
  test      an iterable of batches (x, y), and
  metric    what is printed of model on them after each epoch: a metric such as kn.train.Accuracy(), a function such
            as kn.nll, or a dict of these. If there is a kn.optim.EMA in opt, the params have its means meanwhile
  evaluate  a function without arguments, called after each epoch; the number, or the dict of numbers, that it returns
            is printed
  state     a tree of what else is to be saved and restored, such as a NumPy generator that prepares the data

It is run as a module, with a __name__ other than "__main__". If it calls sys.exit, the command ends at once, with the
exit status that it gives and without a save.

A save is made by kn.save: the params and running moments that loss uses, by their names, the optimizer, kn.random, the
position of a kn.data.DataLoader, and the epoch. Training that is resumed ends with the same bits as one that ran
through."""
EXAMPLES = """mlp.py may be

  import knetpy as kn

  xtrn, ytrn, xtst, ytst, names = kn.data.fashion_mini()
  w = [kn.param(784, 64), kn.param0(64), kn.param(64, 10), kn.param0(10)]

  def model(x):
      return kn.relu(kn.mat(x) @ w[0] + w[1]) @ w[2] + w[3]

  def loss(x, y):
      return kn.nll(model(x), y)

  data = kn.minibatch(xtrn, ytrn, 50, shuffle=True)
  test = kn.minibatch(xtst, ytst, 100, partial=True)
  metric = kn.train.Accuracy()

examples:
  python -m knetpy train mlp.py
  python -m knetpy train mlp.py --opt sgd --lr 0.1 --epochs 20
  python -m knetpy train mlp.py --save mlp.knet --every 5
  python -m knetpy train mlp.py --save mlp.knet --resume --epochs 40
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return the exit status: 0, 1 for failed, 2 for misunderstood, 130 after Ctrl-C."""
    parser = command_line()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"there is no {' '.join(unknown)}")
    if options.command is None:
        parser.print_help()
        return 0
    try:
        run(options)
    except (Mistake, Failed) as end:
        print(f"python -m knetpy {options.command}: {end}", file=sys.stderr)
        return 2 if isinstance(end, Mistake) else 1
    except KeyboardInterrupt as stop:
        print(" ".join(["\nstopped", *map(str, stop.args)]), file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Run the command that was understood."""
    set_threads(getattr(options, "threads", None))
    if options.command == "quickstart":
        quickstart(options.seed, options.epochs, options.limit)
    elif options.command == "train":
        train(options)
    elif options.command == "info":
        info()
    else:
        warmup(options.dtype)


def set_threads(given: int | None) -> None:
    """Take the number of threads from the option, else from the environment."""
    if given is not None:
        kn.set_threads(given)
    try:
        kn.threads()
    except ValueError as wrong:
        raise Mistake(str(wrong)) from None


class Parser(argparse.ArgumentParser):
    """A parser whose errors say where to read more."""

    def error(self, message: str):
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help tells more\n")


def command_line() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    parser = Parser(
        prog="python -m knetpy",
        description="Define-by-run deep learning for people who think in NumPy.",
        epilog=f"COMMAND --help tells more of a command. {STATUS}",
    )
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    add_quickstart(commands)
    add_train(commands)
    add_warmup(commands)
    commands.add_parser(
        "info",
        help="print versions, threads, backends and folders",
        description="Print the versions of knetpy and of the packages that it uses, the number of threads, what serves "
        "the kernels, and the folders of compiled kernels and data sets, with their sizes.",
    )
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


def add_quickstart(commands: argparse._SubParsersAction) -> None:
    """What `quickstart` takes."""
    lesson = commands.add_parser(
        "quickstart",
        help="train a small convolutional network on real images and say how good it is",
        description="Train a small convolutional network on 5,000 images of clothes that come with the package, and "
        f"test it on 1,000 others. With matplotlib it leaves a picture, {PICTURE}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    lesson.add_argument(
        "--seed", type=whole(0), default=0, help="of initial weights and shuffling, from 0 to 2**64 - 1"
    )
    lesson.add_argument("--epochs", type=whole(1), default=10, help="how often to go through the training images")
    lesson.add_argument(
        "--limit", type=whole(BATCH), default=5000, metavar="IMAGES", help="train on the first so many images only"
    )


def add_train(commands: argparse._SubParsersAction) -> None:
    """What `train` takes."""
    training = commands.add_parser(
        "train",
        help="train what a script defines, with saves that can be resumed",
        description=TRAIN,
        epilog=f"{EXAMPLES}\n{STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    training.add_argument("file", metavar="FILE.py", help="the script")
    training.add_argument(
        "--opt",
        "--optimizer",
        type=rule,
        metavar="RULE",
        help="a rule of kn.optim by its name, such as adam or sgd, with its defaults (default: opt of the script, "
        "else adam)",
    )
    training.add_argument("--lr", type=amount, help="the learning rate (default: the optimizer's own)")
    training.add_argument("--epochs", type=whole(1), default=10, help="to train up to this epoch (default: 10)")
    training.add_argument("--save", metavar="PATH", help="the file to save to; it must not exist yet, but for --resume")
    training.add_argument(
        "--every", type=whole(1), default=1, metavar="N", help="save after every N epochs and the last (default: 1)"
    )
    training.add_argument(
        "--resume",
        action="store_true",
        help="go on from the file of --save, which has kept --opt, --lr and --seed, or begin if it is not there; "
        "another --lr holds from here on",
    )
    training.add_argument(
        "--seed", type=whole(0), help="of kn.random when the script begins, from 0 to 2**64 - 1 (default: 0)"
    )
    training.add_argument("--threads", type=whole(1), help="for kernels (default: KNETPY_NUM_THREADS, else all CPUs)")


def add_warmup(commands: argparse._SubParsersAction) -> None:
    """What `warmup` takes."""
    warm = commands.add_parser(
        "warmup",
        help="compile the kernels now, so that no program has to wait for them",
        description="Compile the common kernels of every family and keep them on disk for all programs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    warm.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="of the arrays they are for")


def whole(least: int) -> Callable[[str], int]:
    """What argparse calls to read a whole number of at least `least`."""

    def read(text: str) -> int:
        n = int(text)
        if not least <= n < 2**64:
            raise argparse.ArgumentTypeError(f"must be from {least} to 2**64 - 1, got {n}")
        return n

    read.__name__ = "whole number"  # argparse says: invalid whole number value
    return read


def amount(text: str) -> float:
    """What argparse calls to read a number of at least 0."""
    x = float(text)
    if not 0 <= x < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, got {text}")
    return x


amount.__name__ = "number"  # argparse says: invalid number value


if __name__ == "__main__":
    sys.exit(main())
