"""A folder that is a bucket, and another one for local copies."""

import shutil
import tempfile
from pathlib import Path

import pytest
from helpers.runs import finished_run


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a bucket, which does not exist yet; local copies are made in another folder."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "bucket"


@pytest.fixture
def uploaded(bucket: Path) -> Path:
    """A finished run in the bucket."""
    shutil.copytree(finished_run(), bucket / "run", ignore=shutil.ignore_patterns("lock"))
    return bucket / "run"
