"""Training loops: iterators that make a step whenever they are asked for the next loss, and what goes around them."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ..calls import pointing as _pointing
from .bar import progress as progress
from .callbacks import every as every
from .callbacks import tap as tap
from .callbacks import throttle as throttle
from .confusion import F1 as F1
from .confusion import Confusion as Confusion
from .confusion import Precision as Precision
from .confusion import Recall as Recall
from .evaluate import evaluate as evaluate
from .evaluate import predict as predict
from .iterators import converge as converge
from .iterators import cycle as cycle
from .iterators import repeat as repeat
from .iterators import take as take
from .loop import minimize as minimize
from .metrics import AUC as AUC
from .metrics import R2 as R2
from .metrics import Accuracy as Accuracy
from .metrics import Mean as Mean
from .metrics import Metric as Metric
from .metrics import Perplexity as Perplexity
from .metrics import ZeroOne as ZeroOne
from .search import goldensection as goldensection
from .search import hyperband as hyperband
from .signals import Skip as Skip
from .signals import Stop as Stop
from .stopping import early_stopping as early_stopping
from .stopping import patience as patience
from .stopping import plateau as plateau

# Names that users of other libraries type, and what to write.
_ELSEWHERE = {
    "train": "kn.minimize(loss, data, kn.Adam())", "fit": "kn.minimize(loss, data, kn.Adam())",
    "EarlyStopping": "kn.train.early_stopping", "History": "kn.History",
    "ModelCheckpoint": "kn.save(path, state, keep=3) in the loop", "ReduceLROnPlateau": "kn.schedules.Plateau",
}  # fmt: skip
if not _TYPE_CHECKING:  # which knows what is here
    __getattr__ = _pointing(__name__, _ELSEWHERE)
