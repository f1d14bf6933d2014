"""`TensorBoard`: a history whose numbers also go into a folder that TensorBoard shows."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..devices import host
from ..ops.arguments import count_of, numbers_of
from ..ops.rowsparse import RowSparse
from .recorder import History

SECONDS = 10  # between writes to the disk


class TensorBoard(History):
    """A `History` that writes what it records into a folder for TensorBoard, with histograms of params and gradients.

    The folder belongs to one training: what an earlier one has written there is hidden, as are the steps after the
    one that `restore` goes back to. It is seen with `tensorboard --logdir FOLDER`, which is a package of its own.

    Parameters:
      folder: where to write, a str or Path; made if it is not there.
      every=1: how many steps make a record.
      histograms=0: how many steps lie between histograms of all params and their gradients, for which `watch` must be
        given to `minimize`; 0 for none. They are those of the step's begin, and stand under "params" and "gradients".
      **columns: by name a function without arguments that returns a number, asked at each record.
    Raises: ImportError if tensorboardX is missing: pip install 'knetpy[tensorboard]'; TypeError for a folder that is
      none, OSError for one that cannot be made, and what `History` raises.

    Attributes:
      writer: the tensorboardX.SummaryWriter, for what else it can write.
      folder, histograms: as given.

    >>> import os, tempfile, numpy as np, knetpy as kn
    >>> w, opt = kn.param([1.0, 2.0]), kn.SGD(lr=0.25)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with kn.TensorBoard(folder, histograms=2, lr=lambda: opt.now("lr")) as board:
    ...         for loss in board(kn.minimize(lambda: (w * w).sum(), [()] * 4, opt, before=board.watch)):
    ...             pass
    ...         board.add(accuracy=0.5)
    ...         board.images("digits", np.zeros((5, 8, 8)))
    ...     len(os.listdir(folder)), board
    (1, History of 4 steps: loss 0.07812, grad_norm 0.559, lr 0.25, accuracy 0.5)
    """

    def __init__(self, folder: str | Path, *, every: int = 1, histograms: int = 0, **columns: Callable):
        if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
            raise TypeError(f"TensorBoard: folder must be a path, such as 'runs/1', got {folder!r:.60}")
        needs("TensorBoard", "tensorboardX")
        super().__init__(every=every, **columns)
        self.histograms = count_of("TensorBoard", "histograms", histograms, least=0)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)  # what forbids it is better known now than after a step
        self._writer: Any = None  # made at the first write, when the step to begin with is known
        self._first = 0  # what is there of this step and later ones is hidden

    # ------------------------------------------------------------------------------------------- what is written

    def add(self, **values: float) -> None:
        """Record numbers at this step, and write them."""
        super().add(**values)
        for name, number in values.items():
            self.writer.add_scalar(name, float(number), self.step)

    def watch(self, loss: Any, gradients: Any) -> None:
        """Remember the norm of the gradients, and write histograms if it is time: `minimize(..., before=board.watch)`.

        Rows of an embedding without a gradient are not in its histogram.
        """
        super().watch(loss, gradients)
        if self.histograms and (self.step + 1) % self.histograms == 0:
            for path, p in gradients.named().items():
                g = gradients.compact(p)
                self._histogram(f"params/{tag(path)}", p.value)
                self._histogram(f"gradients/{tag(path)}", g.summed().values if isinstance(g, RowSparse) else g)

    def _histogram(self, name: str, array: Any) -> None:
        values = np.asarray(host(array), np.float64).ravel()
        values = values[np.isfinite(values)]  # what is not has no place in a histogram
        if values.size:
            self.writer.add_histogram(name, values, self.step + 1)

    def images(self, name: str, images: Any) -> None:
        """Write a grid of images, (N, H, W) or (N, C, H, W) with 1 or 3 channels, floats from 0 to 1 or uint8."""
        x = numbers_of("TensorBoard.images", "images", images, "buif")
        x = x[:, np.newaxis] if x.ndim == 3 else x
        if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.size:
            raise ShapeError(
                f"TensorBoard.images: images must be (N, H, W), (N, 1, H, W) or (N, 3, H, W), got shape "
                f"{np.shape(images)}; one image is x[np.newaxis]"
            )
        needs("TensorBoard.images", "pillow", "PIL")
        shown = x if x.dtype == np.uint8 else np.nan_to_num(np.clip(x, 0, 1)).astype(np.float32)
        self.writer.add_images(name, shown, self.step)

    # ------------------------------------------------------------------------------------------- the file

    @property
    def writer(self) -> Any:
        """The tensorboardX.SummaryWriter; made when it is first needed, and again after `close`."""
        if self._writer is None:
            from tensorboardX import SummaryWriter

            suffix = f".{time.time_ns()}"  # else two of the same second write the same file
            self._writer = SummaryWriter(
                str(self.folder), purge_step=self._first, flush_secs=SECONDS, filename_suffix=suffix
            )
        return self._writer

    def close(self) -> None:
        """Write all that is waiting, which else happens every ten seconds and when Python ends."""
        if self._writer is not None:
            self._writer.close()
            self._writer, self._first = None, self.step + 1

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave; what was written of later steps is hidden."""
        super().restore(state)
        self.close()
        self._first = self.step + 1

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def needs(caller: str, package: str, module: str = "") -> None:
    """Raise an error that names the extra if a package is missing."""
    if not find_spec(module or package):
        raise ImportError(f"{caller} needs {package}: pip install 'knetpy[tensorboard]'")


def tag(path: str) -> str:
    """The path of a param as TensorBoard groups names: "net['out'][0]" is net/out/0."""
    return "/".join(re.findall(r"\w+", path))
