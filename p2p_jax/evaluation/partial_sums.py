"""Partial sums over many pictures, saved to a file from which a stopped evaluation resumes."""

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.files.decode import Mismatch, decode_fields, parse_json
from p2p_jax.files.writing import write_text

FIELDS = {"done": int, "sums": list[Any], "replaced": list[int]}
"""The fields of a file of partial sums."""

SAVE_INTERVAL = 10.0  # seconds between two saves


class PartialSums:
    """Sums of metrics over the first pairs of a range.

    Attributes:
        done: number of pairs in the sums.
        sums: float64.
        replaced: indices of those pairs that could not be read and were replaced.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path | None = None, key: Any = None, columns: Sequence[str] = ()):
        """Loads the sums that were saved under the same key, or starts with zeros.

        Args:
            shape: of the sums.
            folder: for the file; None saves nothing.
            key: everything that the sums depend on, as JSON.
            columns: what the sums are of; saved sums of other metrics, as of another version, are dropped with a warning.

        Raises:
            UserError: the folder cannot be made.
        """
        self.done, self.sums, self.replaced = 0, np.zeros(shape), set[int]()
        self.path, self.saved_at, self.columns = None, time.monotonic(), list(columns)
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = str(error.strerror).lower()
            raise UserError(f"the folder {folder} cannot be made ({reason}): give another --partial.") from None
        self.path = folder / f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}.json"
        if not self.path.exists():
            return
        try:
            found = parse_json(self.path.read_bytes())
            if isinstance(found, dict) and found.get("columns", []) != self.columns:
                warnings.warn(f"{self.path} holds other metrics than these: its pairs are measured again.", stacklevel=2)
                return
            saved = decode_fields(FIELDS, found)
            sums = np.reshape(np.array(saved["sums"], np.float64), shape)
            if not (np.isfinite(sums).all() and 0 <= len(saved["replaced"]) <= saved["done"]):
                raise Mismatch("a number is impossible")
            self.done, self.sums, self.replaced = saved["done"], sums, set(saved["replaced"])
        except (ValueError, TypeError):
            warnings.warn(f"{self.path} is damaged: its pairs are measured again.", stacklevel=2)

    def save(self, *, now: bool = False) -> None:
        """Saves the sums if the last save is long enough ago, or if `now` is set."""
        if self.path is None or (time.monotonic() - self.saved_at < SAVE_INTERVAL and not now):
            return
        saved = {"done": self.done, "sums": self.sums.tolist(), "replaced": sorted(self.replaced)}
        saved["columns"] = self.columns
        write_text(self.path, json.dumps(saved))
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Removes the file after the sums were used."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
