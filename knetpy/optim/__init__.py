"""Optimizers: rules that change params by their gradients, and `update`, which applies one."""

from . import schedules as schedules
from .adam import AdaBelief as AdaBelief
from .adam import Adam as Adam
from .adam import Adamax as Adamax
from .adam import AdamW as AdamW
from .adam import AMSGrad as AMSGrad
from .adam import NAdam as NAdam
from .adam import RAdam as RAdam
from .adaptive import Adadelta as Adadelta
from .adaptive import Adagrad as Adagrad
from .adaptive import RMSprop as RMSprop
from .layerwise import LAMB as LAMB
from .layerwise import Adafactor as Adafactor
from .layerwise import Muon as Muon
from .momentum import SGD as SGD
from .momentum import Lion as Lion
from .momentum import Momentum as Momentum
from .momentum import Nesterov as Nesterov
from .momentum import Rprop as Rprop
from .optimizer import Optimizer as Optimizer
from .update import update as update
