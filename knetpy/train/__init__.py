"""Training loops: iterators that make a step whenever they are asked for the next loss."""

from .bar import progress as progress
from .loop import minimize as minimize
from .loop import repeat as repeat
