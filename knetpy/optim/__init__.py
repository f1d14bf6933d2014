"""Optimizers: rules that change params by their gradients, and `update`, which applies one."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ..calls import pointing as _pointing
from . import schedules as schedules
from .adam import AdaBelief as AdaBelief
from .adam import Adam as Adam
from .adam import Adamax as Adamax
from .adam import AdamW as AdamW
from .adam import AMSGrad as AMSGrad
from .adam import NAdam as NAdam
from .adam import OAdam as OAdam
from .adam import RAdam as RAdam
from .adaptive import Adadelta as Adadelta
from .adaptive import Adagrad as Adagrad
from .adaptive import RMSprop as RMSprop
from .averages import EMA as EMA
from .averages import DecoupledDecay as DecoupledDecay
from .averages import Lookahead as Lookahead
from .chain import Choose as Choose
from .chain import chain as chain
from .gradients import Accumulate as Accumulate
from .gradients import ClipGlobalNorm as ClipGlobalNorm
from .gradients import ClipNorm as ClipNorm
from .gradients import ClipValue as ClipValue
from .gradients import SignDecay as SignDecay
from .gradients import WeightDecay as WeightDecay
from .layerwise import LAMB as LAMB
from .layerwise import Adafactor as Adafactor
from .layerwise import Muon as Muon
from .momentum import SGD as SGD
from .momentum import Lion as Lion
from .momentum import Momentum as Momentum
from .momentum import Nesterov as Nesterov
from .momentum import Rprop as Rprop
from .optimizer import Optimizer as Optimizer
from .precision import MixedPrecision as MixedPrecision
from .update import update as update

# Names that users of other libraries type, and what to write.
_ELSEWHERE = {
    "lr_scheduler": "kn.schedules.Cosine and so on", "StepLR": "kn.schedules.Step",
    "ExponentialLR": "kn.schedules.Exponential", "CosineAnnealingLR": "kn.schedules.Cosine",
    "ReduceLROnPlateau": "kn.schedules.Plateau", "OneCycleLR": "kn.schedules.OneCycle",
    "clip_grad_norm_": "kn.optim.ClipGlobalNorm", "Descent": "kn.SGD", "OptimiserChain": "kn.chain",
    "setup": "kn.Adam(); optimizers hold their state themselves",
}  # fmt: skip
if not _TYPE_CHECKING:  # which knows what is here
    __getattr__ = _pointing(__name__, _ELSEWHERE)
