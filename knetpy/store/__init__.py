"""Saves: a tree of params, arrays, optimizers and numbers in one file that survives what may happen to a program."""

from .pytorch import load_torch as load_torch
from .save import load as load
from .save import save as save
from .state import load_state as load_state
from .state import state as state
