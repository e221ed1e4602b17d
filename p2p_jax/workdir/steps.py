"""Finds checkpoints for orbax. Its own way opens none of them if the metadata of a single one is damaged."""

import datetime
import os
from collections.abc import Iterator
from typing import Any

from orbax.checkpoint import path as orbax_path


class StepMetadata(orbax_path.step.Metadata):
    """What orbax reads of each checkpoint when it opens the folder. Damage raises no error: restoring notices it."""

    @property
    def commit_timestamp(self) -> datetime.datetime:
        """When the checkpoint was saved; if that is damaged, when its folder was changed."""
        try:
            return super().commit_timestamp
        except Exception:  # damaged JSON raises many types of errors
            return datetime.datetime.fromtimestamp(os.stat(self.path).st_mtime, tz=datetime.UTC)


class Steps(orbax_path.step.NameFormat[orbax_path.step.Metadata]):
    """Orbax's standard names of checkpoints, which are their steps."""

    def __init__(self) -> None:
        self._standard = orbax_path.step.standard_name_format()

    def build_name(self, step: int) -> str:
        """Returns the name of a checkpoint's folder."""
        return self._standard.build_name(step)

    def find_all(self, base_path: Any) -> Iterator[orbax_path.step.Metadata]:
        """Finds all complete checkpoints in a folder."""
        for found in self._standard.find_all(base_path):
            yield StepMetadata(found.step, found.path)

    def find_step(self, base_path: Any, step: int) -> StepMetadata:
        """Names the folder of a checkpoint, which need not exist."""
        return StepMetadata(step, base_path / self.build_name(step))
