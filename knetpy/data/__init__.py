"""Data sets and iterators over them."""

from .collate import batchseq as batchseq
from .collate import collate as collate
from .fashion import FashionMini as FashionMini
from .fashion import fashion_mini as fashion_mini
from .loader import DataLoader as DataLoader
from .minibatch import Minibatches as Minibatches
from .minibatch import minibatch as minibatch
from .sources import LoaderError as LoaderError
from .split import kfolds as kfolds
from .split import onecold as onecold
from .split import split as split
