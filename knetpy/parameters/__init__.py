"""Params: making them, giving them their first values, finding those that a model uses."""

from . import init as init
