"""Training loops: iterators that make a step whenever they are asked for the next loss, and what goes around them."""

from .bar import progress as progress
from .callbacks import every as every
from .callbacks import tap as tap
from .callbacks import throttle as throttle
from .iterators import converge as converge
from .iterators import cycle as cycle
from .iterators import repeat as repeat
from .iterators import take as take
from .loop import minimize as minimize
from .signals import Skip as Skip
from .signals import Stop as Stop
from .stopping import early_stopping as early_stopping
from .stopping import patience as patience
from .stopping import plateau as plateau
