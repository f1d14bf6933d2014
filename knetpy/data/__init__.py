"""Data sets and iterators over them."""

from .fashion import FashionMini as FashionMini
from .fashion import fashion_mini as fashion_mini
from .minibatch import Minibatches as Minibatches
from .minibatch import minibatch as minibatch
