"""Sums over many pictures, kept in a file from which the same evaluation goes on where it was stopped."""

import hashlib
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.workdir.disk import atomic_write

EVERY = 10.0  # seconds between two times that it is kept


class PartialSums:
    """What was measured of a share of the pairs so far.

    Attributes:
        done: pairs of the share that were looked at.
        sums: of their figures.
        replaced: which of them could not be read, by their numbers.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path | None = None, measured: Any = None):
        """Goes on where another one of the same things was stopped.

        Args:
            shape: of the sums.
            folder: where it is kept; None keeps nothing.
            measured: names, as JSON holds it, all that the sums depend on.

        Raises:
            UserError: the folder cannot be made.
        """
        self.done, self.sums, self.replaced = 0, np.zeros(shape), set[int]()
        self.path, self.kept = None, time.monotonic()
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = str(error.strerror).lower()
            raise UserError(f"the folder {folder} cannot be made ({reason}): give another --partial.") from None
        self.path = folder / f"{hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()[:24]}.json"
        if not self.path.exists():
            return
        try:
            kept = json.loads(self.path.read_text())
            self.done, self.sums = int(kept["done"]), np.reshape(np.array(kept["sums"], np.float64), shape)
            self.replaced = {int(each) for each in kept["replaced"]}
        except (ValueError, KeyError, TypeError):
            warnings.warn(f"{self.path} is damaged: what it should hold is measured again.", stacklevel=2)

    def keep(self, *, at_once: bool = False) -> None:
        """Writes itself down, if that is due."""
        if self.path is None or (time.monotonic() - self.kept < EVERY and not at_once):
            return
        with atomic_write(self.path) as unfinished:
            kept = {"done": self.done, "sums": self.sums.tolist(), "replaced": sorted(self.replaced)}
            unfinished.write_text(json.dumps(kept))
        self.kept = time.monotonic()

    def forget(self) -> None:
        """Removes its file; the sums are done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
