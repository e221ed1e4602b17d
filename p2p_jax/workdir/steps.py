"""Finds checkpoints for orbax. Its own way opens none of them if the metadata of a single one is damaged."""

import datetime
import os
from collections.abc import Iterator
from typing import Any

from orbax.checkpoint import path as ocp_path

step = ocp_path.step


class StepMetadata(step.Metadata):
    """What orbax reads of each checkpoint when it opens the folder. Damage raises no error: restoring notices it."""

    @property
    def commit_timestamp(self) -> datetime.datetime:
        """When the checkpoint was saved; if that is damaged, when its folder was changed."""
        try:
            return super().commit_timestamp
        except Exception:  # damaged JSON raises many types of errors
            return datetime.datetime.fromtimestamp(os.stat(self.path).st_mtime, tz=datetime.UTC)


class Steps(step.NameFormat[StepMetadata]):
    """Orbax's standard names of checkpoints, which are their steps."""

    def __init__(self) -> None:
        self._standard = step.standard_name_format()

    def build_name(self, step: int) -> str:
        """Returns the name of a checkpoint's folder."""
        return self._standard.build_name(step)

    def find_all(self, base_path: Any) -> Iterator[StepMetadata]:
        """Finds all complete checkpoints in a folder."""
        for found in self._standard.find_all(base_path):
            yield StepMetadata(found.step, found.path)

    def find_step(self, base_path: Any, step: int) -> StepMetadata:
        """Finds a complete checkpoint; raises ValueError if there is none."""
        found = self._standard.find_step(base_path, step)
        return StepMetadata(found.step, found.path)
