"""How one batch is made: taken, joined, prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..random import USER, drawing_from
from .sources import LoaderError, Table, some, told


@dataclass
class Taken:
    """A batch whose rows have been taken already, by the process that has the arrays."""

    batch: Any
    indices: np.ndarray


@dataclass
class Maker:
    """Makes one batch of (epoch, number of the batch, what of); each worker process has a copy of it."""

    table: Table | None
    alone: bool
    collate: Callable | None
    prepare: Callable | None
    seed: int

    def __call__(self, task: tuple[int, int, Any]) -> Any:
        epoch, number, which = task
        if self.collate is None and self.prepare is None and (self.table is None or self.table.arrays_only):
            return self._joined(which)  # nobody draws
        with drawing_from((self.seed, USER, epoch << 32 | number)):
            try:
                batch = self._joined(which)
                return batch if self.prepare is None else self.prepare(batch)
            except LoaderError:
                raise
            except Exception as error:
                indices = which.indices if isinstance(which, Taken) else which
                which = f" (instances {some(indices)})" if isinstance(indices, np.ndarray) else ""
                raise LoaderError(
                    f"DataLoader: batch {number} of epoch {epoch}{which} failed: {told(error)}"
                ) from error

    def _joined(self, which: Any) -> Any:
        if isinstance(which, Taken):
            return which.batch
        if isinstance(which, np.ndarray):
            assert self.table is not None
            if self.collate is None and not self.alone:
                return self.table.rows(which)
            which = [self.table.instance(i) for i in which.tolist()]
        return which[0] if self.alone else self.collate(which)  # type: ignore[misc]  # streams have one
