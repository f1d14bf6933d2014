"""Saves: a tree of params, arrays, optimizers and numbers in one file that survives what may happen to a program."""

from .save import load as load
from .save import save as save
