"""Optimizers: rules that change params by their gradients, and `update`, which applies one."""

from .optimizer import Optimizer as Optimizer
from .rules import SGD as SGD
from .rules import Adam as Adam
from .update import update as update
