"""What worker processes of the loader's tests must be able to import."""

import os
import time
from dataclasses import dataclass

import numpy as np

from knetpy import random


@dataclass
class Pair:
    x: object
    y: object


class Squares:
    """A sequence without arrays, which fails at one place."""

    def __init__(self, n=20, bad=None):
        self.n, self.bad = n, bad

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.bad:
            raise OSError(f"no file {i}")
        return {"x": np.full(3, i, np.float64), "y": i * i}


class Counting:
    """A stream that begins anew each time."""

    def __init__(self, n=10, bad=None):
        self.n, self.bad = n, bad

    def __iter__(self):
        for i in range(self.n):
            if i == self.bad:
                raise OSError("the line is cut")
            yield i


class TwoWords(Exception):
    """An exception that cannot be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def noisy(batch):
    x, y = batch
    return x + random.rand(*x.shape), y


def process(batch):
    return batch, os.getpid()


def refuse_nine(batch):
    if 9 in batch:
        raise TwoWords("nine", "refused")
    return batch


def die(batch):
    os._exit(3)


def hang(batch):
    os.write(1, b"hanging\n")  # in one piece, as another process writes, too
    time.sleep(100)
