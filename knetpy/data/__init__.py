"""Data sets and iterators over them."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ..calls import pointing as _pointing
from .augment import crop as crop
from .augment import cutout as cutout
from .augment import flip as flip
from .augment import mixup as mixup
from .augment import shift as shift
from .balance import oversample as oversample
from .balance import undersample as undersample
from .bounded import DataFileError as DataFileError
from .collate import batchseq as batchseq
from .collate import collate as collate
from .columns import Columns as Columns
from .columns import read_csv as read_csv
from .corpora import Corpus as Corpus
from .corpora import Reviews as Reviews
from .corpora import corpus as corpus
from .corpora import imdb as imdb
from .fashion import fashion_mini as fashion_mini
from .idx import read_idx as read_idx
from .images import Images as Images
from .images import cifar10 as cifar10
from .images import cifar100 as cifar100
from .images import emnist as emnist
from .images import fashion_mnist as fashion_mnist
from .images import mnist as mnist
from .loader import DataLoader as DataLoader
from .minibatch import Minibatches as Minibatches
from .minibatch import minibatch as minibatch
from .sources import LoaderError as LoaderError
from .split import kfolds as kfolds
from .split import onecold as onecold
from .split import split as split
from .split import timefolds as timefolds
from .text import Vocabulary as Vocabulary
from .text import follow as follow
from .text import pride_and_prejudice as pride_and_prejudice
from .text import read_text as read_text
from .text import words as words
from .toys import iris as iris
from .toys import moons as moons
from .toys import spirals as spirals
from .windows import windows as windows

# Names that users of other libraries type, and what to write.
_ELSEWHERE = {
    "Dataset": "kn.DataLoader((x, y), 50)", "TensorDataset": "kn.minibatch(x, y, 50)",
    "random_split": "kn.data.split", "train_test_split": "kn.data.split", "splitobs": "kn.data.split",
    "MNIST": "kn.data.mnist", "FashionMNIST": "kn.data.fashion_mnist", "CIFAR10": "kn.data.cifar10",
    "CIFAR100": "kn.data.cifar100", "Iris": "kn.data.iris", "make_moons": "kn.data.moons",
}  # fmt: skip
if not _TYPE_CHECKING:  # which knows what is here
    __getattr__ = _pointing(__name__, _ELSEWHERE)
