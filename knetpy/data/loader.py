"""Any data in batches, made ahead by threads or processes, and resumed in the middle of an epoch."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial as bound
from itertools import islice
from typing import Any

import numpy as np

from ..calls import telling
from ..core.value import Displayed
from ..ops.arguments import count_of, flags, integers
from ..parameters.moving import checked_device
from ..random import SHUFFLE, as_dtype, bits, permutation, take
from .collate import collate as joined
from .maker import Maker, Taken
from .sources import Stream, Table, source
from .transfer import transferred
from .workers import Processes, ahead

BUCKET = 50  # batches whose instances are sorted together by their lengths


class DataLoader(Displayed):
    """An iterable over batches of any data: `DataLoader((x, y), 50, shuffle=True, prepare=augment, workers=2)`.

    A loop over it is an epoch, and it may be looped over any number of times. A batch has the structure of data (or of
    one of its instances), and its arrays are fresh. The order of each epoch, and all that `kn.random` draws while a
    batch is made, are functions of seed, epoch and number of the batch: workers change nothing but the time.
    `kn.minibatch` is the shorter way for arrays in memory.

    Parameters:
      data: an array; a sequence of instances, that is a list or anything that has a length and takes [i]; a tuple, dict
        or dataclass of arrays and sequences of one length; or an iterable of instances without a length. Arrays give a
        batch by one fancy index; sequences are asked for each instance, which `kn.data.collate` then joins.
      batchsize=None: how many instances each batch has; None gives instances alone, unjoined.
      shuffle=False: whether every epoch has a new order.
      partial=False: whether a last batch that is shorter comes too; else it is left out.
      seed=None: an integer from 0 to 2**64 - 1 that determines all orders; None draws it from `kn.seed`'s.
      lengths=None: an integer for each instance, the length of its sequence: a batch then has similarly long ones, of
        50 batches drawn at random.
      collate=None: a function of a list of instances that makes the batch; None is `kn.data.collate`.
      prepare=None: a function of a batch, or of an instance if batchsize is None; its result is what comes.
      dtype=np.float32: of floating-point numbers in batches; None keeps theirs. Other numbers keep their own, also the
        bytes of images: for `kn.conv` make float32 of them in prepare, such as x.astype(np.float32) / 255.
      workers=0: how many threads or processes make batches ahead; 0 makes each when it is asked for.
      processes=False: whether workers are processes, spawned (never forked) by the first loop, which wait for the next
        one and end with the loader; functions and data must then be picklable, and defined in a file.
      prefetch=None: how many batches are made ahead at most; None is 2 for each worker.
      device="cpu": where batches come; to the "gpu" the next one is copied, asynchronously from pinned memory, while
        the one before it is worked on.
      rank=0: which share of the instances comes, from 0 to ranks - 1, for training by several programs.
      ranks=1: how many shares there are. They are disjoint; with partial=False equally many batches each, with
        partial=True they hold everything, and a share may have a batch less.
    Raises: TypeError and ValueError for arguments that do not fit, such as parts of different lengths or fewer
      instances than a batch has; DeviceError if there is no GPU; in a loop LoaderError, which tells the instance or
      batch that could not be made.

    >>> import numpy as np, knetpy as kn
    >>> data = kn.data.DataLoader({"x": np.zeros((5, 3)), "y": [0, 1, 2, 3, 4]}, 2, partial=True)
    >>> len(data), [batch["y"].tolist() for batch in data]
    (3, [[0, 1], [2, 3], [4]])
    """

    @telling(
        "DataLoader((x, y), 50), and options by name",
        num_workers="workers",
        drop_last="partial, its opposite",
        collate_fn="collate",
        generator="seed",
        num_replicas="ranks",
    )
    def __init__(
        self,
        data: Any,
        batchsize: int | None = None,
        *,
        shuffle: bool = False,
        partial: bool = False,
        seed: int | None = None,
        lengths: Any = None,
        collate: Callable | None = None,
        prepare: Callable | None = None,
        dtype: Any = np.float32,
        workers: int = 0,
        processes: bool = False,
        prefetch: int | None = None,
        device: str = "cpu",
        rank: int = 0,
        ranks: int = 1,
    ):
        dtype = None if dtype is None else as_dtype("DataLoader", dtype)
        self._source: Any = source("DataLoader", data, dtype)
        self._shuffle, self._partial, spawned = flags(
            "DataLoader", shuffle=shuffle, partial=partial, processes=processes
        )
        self._batchsize = None if batchsize is None else self._checked_batchsize(batchsize)
        self._workers = count_of("DataLoader", "workers", workers, 0)
        if spawned and not self._workers:
            raise ValueError("DataLoader: processes=True needs workers; pass workers=1 or more")
        self._processes = Processes() if spawned else None
        self._prefetch = 2 * self._workers if prefetch is None else count_of("DataLoader", "prefetch", prefetch, 0)
        self._device = checked_device("DataLoader", "device", device)
        self._rank, self._ranks = count_of("DataLoader", "rank", rank, 0), count_of("DataLoader", "ranks", ranks, 1)
        if self._rank >= self._ranks:
            raise ValueError(f"DataLoader: rank must be less than ranks={ranks}, got {rank}; ranks count from 0")
        for option, f in (("collate", collate), ("prepare", prepare)):
            if not (f is None or callable(f)):
                raise TypeError(f"DataLoader: {option} must be a function or None, got {type(f).__name__}")
        self._lengths = None if lengths is None else self._checked_lengths(lengths)
        self._refuse_what_gives_nothing()
        self._seed = self._checked_seed(seed)
        stream = isinstance(self._source, Stream)
        # taking rows is less work than sending arrays to processes, and streams are gone through here
        self._taken_here = spawned and self._source.arrays_only and collate is None
        self._maker = Maker(
            self._source if isinstance(self._source, Table) and not self._taken_here else None,
            self._batchsize is None,
            bound(joined, dtype=dtype) if stream and collate is None else collate,
            prepare,
            self._seed,
        )
        self._epoch, self._batch, self._fresh = 0, 0, True
        self._latest: object = None

    # -------------------------------------------------------------------------------------------- what was given

    @staticmethod
    def _checked_batchsize(batchsize: Any) -> int:
        if hasattr(batchsize, "__len__") and not isinstance(batchsize, str):
            raise TypeError(
                f"DataLoader: batchsize must be an integer, got {type(batchsize).__name__}; several parts of data go "
                "together: write DataLoader((x, y), 50)"
            )
        return count_of("DataLoader", "batchsize", batchsize, 1)

    def _checked_seed(self, seed: Any) -> int:
        if seed is None:
            if self._ranks > 1 and self._shuffle:
                raise TypeError("DataLoader: with ranks and shuffle, seed must be given, the same to all ranks")
            low, high = bits(take(SHUFFLE), 2).tolist()
            return low | high << 32
        found = count_of("DataLoader", "seed", seed, 0)
        if found >= 2**64:
            raise ValueError(f"DataLoader: seed must be from 0 to 2**64 - 1, got {seed}")
        return found

    def _checked_lengths(self, lengths: Any) -> np.ndarray:
        found = integers("DataLoader", "lengths", lengths)
        if found.shape != (self._source.n,) or self._batchsize is None:
            raise ValueError(
                f"DataLoader: lengths must be one integer for each of {self._source.n} instances, and come with a "
                f"batchsize; got shape {found.shape} and batchsize={self._batchsize}"
            )
        return found

    def _refuse_what_gives_nothing(self) -> None:
        n, size = self._source.n, self._batchsize or 1
        if isinstance(self._source, Stream):
            if self._shuffle:
                raise TypeError(
                    f"DataLoader: data is a {self._source!r} without a length, whose order is its own; pass "
                    "shuffle=False, or list(data)"
                )
        elif n // self._ranks < size and not self._partial:
            raise ValueError(
                f"DataLoader: batchsize is {size} but there are {n} instances"
                + f" for {self._ranks} ranks" * (self._ranks > 1)
                + ", and as a last incomplete batch is left out there would be none; pass partial=True"
                + ", or (x, y) if the list was to hold parts of data" * self._source.is_list
            )

    # ------------------------------------------------------------------------------------------------ the epochs

    def __len__(self) -> int:
        """The number of batches of a whole epoch."""
        if self._source.n is None:
            raise TypeError(f"DataLoader: data is a {self._source!r}, which has no length")
        share = len(range(self._rank, self._source.n, self._ranks)) if self._partial else self._source.n // self._ranks
        full, rest = divmod(share, self._batchsize or 1)
        return full + (self._partial and rest > 0)

    @property
    def epoch(self) -> int:
        """The number of the epoch that is under way, or of the next one when none is; it counts from 0."""
        return self._epoch

    def state(self) -> dict[str, int | bool | None]:
        """Where the loader stands: after the batch that came last, of the loop that was begun last.

        Returns: a dict of plain numbers, which `kn.data.DataLoader.restore` takes, also in another process.

        >>> import knetpy as kn
        >>> data = kn.data.DataLoader([1, 2, 3, 4], 1, seed=5)
        >>> for batch in data:
        ...     if batch[0] == 2:
        ...         break
        >>> data.state()
        {'seed': 5, 'epoch': 0, 'batch': 2, 'instances': 4, 'batchsize': 1, 'ranks': 1, 'shuffle': False,
         'partial': False}
        """
        return {"seed": self._seed, "epoch": self._epoch, "batch": self._batch, **self._plan()}

    def restore(self, state: dict) -> None:
        """Go on where `state` was taken: the next loop has the rest of that epoch, and the same epochs follow.

        What was left of an epoch that had come to its last batch is nothing: that loop ends at once.

        Parameters:
          state: what `state()` gave, of a loader of as many instances, with the same options.
        Raises: TypeError if it is no such dict, ValueError if it does not fit; the loader then stays as it is.

        >>> import knetpy as kn
        >>> data = kn.data.DataLoader([1, 2, 3, 4], 1, seed=5)
        >>> data.restore({**data.state(), "batch": 3})
        >>> [batch.tolist() for batch in data]
        [[4]]
        """
        mine = self.state()
        if not isinstance(state, dict) or set(state) != set(mine):
            raise TypeError(
                f"restore: state must be a dict of {', '.join(mine)}, as state() gives it; got {reprlib.repr(state)}"
            )
        for key, value in self._plan().items():
            if state[key] != value:
                raise ValueError(f"restore: state has {key} {state[key]} but this loader {value}; make it as it was")
        seed, epoch, batch = [count_of("restore", key, state[key]) for key in ("seed", "epoch", "batch")]
        if seed >= 2**64 or (self._source.n is not None and batch > len(self)):
            raise ValueError(f"restore: no such loader was at batch {batch} with seed {seed}: {self!r}")
        self._seed = self._maker.seed = seed
        self._epoch, self._batch, self._fresh, self._latest = epoch, batch, True, None

    def _plan(self) -> dict[str, int | bool | None]:
        return {
            "instances": self._source.n,
            "batchsize": self._batchsize,
            "ranks": self._ranks,
            "shuffle": self._shuffle,
            "partial": self._partial,
        }

    def __iter__(self) -> Iterator[Any]:
        # the epoch is counted here, not at the first batch: two loops begun in turn have their orders in turn
        if not self._fresh:  # the last one was left before its end
            self._epoch, self._batch = self._epoch + 1, 0
        self._fresh, self._latest = False, object()
        return self._run(self._epoch, self._batch, self._latest)

    def _run(self, epoch: int, first: int, mine: object) -> Iterator[Any]:
        tasks = self._tasks(epoch, first)
        made = ahead(self._maker, tasks, self._workers, self._processes, self._prefetch)
        with closing(made) as batches:
            arriving = batches if self._device == "cpu" else transferred(batches)
            for done, batch in enumerate(arriving, first + 1):
                if self._latest is mine:
                    self._batch = done
                yield batch
        if self._latest is mine:
            self._epoch, self._batch, self._fresh = epoch + 1, 0, True

    def _tasks(self, epoch: int, first: int) -> Iterator[Any]:
        """(epoch, number of the batch, indices of its instances, or instances of what has no indices)."""
        if isinstance(self._source, Stream):
            yield from self._stream(epoch, first)
            return
        order, size = self._order(epoch), self._batchsize or 1
        for number in range(first, len(self)):
            indices = np.asarray(order[number * size : (number + 1) * size])
            if self._taken_here:
                alone = self._batchsize is None
                taken = self._source.instance(int(indices[0])) if alone else self._source.rows(indices)
                yield epoch, number, Taken(taken, indices)
            else:
                yield epoch, number, indices

    def _stream(self, epoch: int, first: int) -> Iterator[Any]:
        size, number = self._batchsize or 1, first
        share = islice(iter(self._source), self._rank + first * size * self._ranks, None, self._ranks)
        while instances := list(islice(share, size)):
            if len(instances) == size or self._partial:
                yield epoch, number, instances
            number += 1

    def _order(self, epoch: int) -> np.ndarray | range:
        """The indices of all instances of this rank, batch after batch."""
        n, size = self._source.n, self._batchsize or 1
        order = permutation((self._seed, SHUFFLE, epoch), n) if self._shuffle else range(n)
        share = order[self._rank :: self._ranks]
        if not self._partial:
            share = share[: len(self) * size]
        if self._lengths is None or not len(share):
            return share
        share = np.asarray(share)
        chunks = [share[at : at + BUCKET * size] for at in range(0, len(share), BUCKET * size)]
        share = np.concatenate([chunk[np.argsort(self._lengths[chunk], kind="stable")] for chunk in chunks])
        full = len(share) // size
        if self._shuffle and full:  # of whole batches, so that numbers of batches stay what they are
            rows = share[: full * size].reshape(full, size)
            share[: full * size] = rows[permutation((self._seed, SHUFFLE, epoch | 1 << 40), full)].ravel()
        return share

    def __repr__(self) -> str:
        options = "".join(f", {name}=True" for name in ("shuffle", "partial") if getattr(self, "_" + name))
        workers = f", {self._workers} {'processes' if self._processes else 'threads'}" if self._workers else ""
        count = "" if self._source.n is None else f": {len(self)} batches"
        return f"DataLoader({self._source!r}, {self._batchsize}{options}{workers}){count}"
