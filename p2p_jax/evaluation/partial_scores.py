"""Scores of many pictures, saved to a file from which a stopped evaluation resumes."""

import base64
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

FIELDS = {"rows": str, "replaced": list[int]}
"""The fields of a file of partial scores; the rows are 64-bit floats as Base64."""

SAVE_INTERVAL = 10.0  # seconds between two saves


class PartialScores:
    """Rows of scores of the first pairs of a range.

    Attributes:
        done: number of pairs that have rows.
        rows: float64 (pairs of the range, ...); 0 for the pairs that are not done.
        replaced: indices of those pairs that could not be read and were replaced.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path | None = None, key: Any = None, columns: Sequence[str] = ()):
        """Loads the rows that were saved under the same key, or starts with none.

        Args:
            shape: of the rows; the first number is that of the pairs.
            folder: for the file; None saves nothing.
            key: everything that the scores depend on, as JSON.
            columns: what a row holds; saved rows of other metrics, as of another version, are dropped with a warning.

        Raises:
            UserError: the folder cannot be made.
        """
        self.done, self.rows, self.replaced = 0, np.zeros(shape), set[int]()
        self.path, self.saved_at, self.columns = None, time.monotonic(), list(columns)
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = str(error.strerror).lower()
            raise UserError(f"the folder {folder} cannot be made ({reason}): give another --partial.") from None
        self.path = folder / f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}.json"
        if self.path.exists():
            self._load(self.path)

    def _load(self, path: Path) -> None:
        try:
            found = parse_json(path.read_bytes())
            if isinstance(found, dict) and found.get("columns", []) != self.columns:
                warnings.warn(f"{path} holds other metrics than these: its pairs are measured again.", stacklevel=3)
                return
            saved = decode_fields(FIELDS, found)
            rows = np.frombuffer(base64.b64decode(saved["rows"], validate=True), "<f8").reshape(-1, *self.rows.shape[1:])
            if len(rows) > len(self.rows) or len(saved["replaced"]) > len(rows):
                raise Mismatch("a number is impossible")
            self.rows[: len(rows)], self.done, self.replaced = rows, len(rows), set(saved["replaced"])
        except (ValueError, TypeError):
            warnings.warn(f"{path} is damaged: its pairs are measured again.", stacklevel=3)

    def save(self, *, now: bool = False) -> None:
        """Saves the rows if the last save is long enough ago, or if `now` is set."""
        if self.path is None or (time.monotonic() - self.saved_at < SAVE_INTERVAL and not now):
            return
        rows = base64.b64encode(self.rows[: self.done].astype("<f8").tobytes()).decode()
        saved = {"columns": self.columns, "rows": rows, "replaced": sorted(self.replaced)}
        write_text(self.path, json.dumps(saved))
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Removes the file after the scores were used."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
