"""How knetpy's values show themselves in a notebook, and pictures of training.

Importing this registers the displays; the classes ask for them when a notebook asks for their html.
"""

from ..core.value import DISPLAYS, Param
from ..transforms.gradients import Gradients, Record
from . import plot as plot
from . import tables

DISPLAYS[Param] = tables.param
DISPLAYS[Gradients] = tables.gradients
DISPLAYS[Record] = tables.record
