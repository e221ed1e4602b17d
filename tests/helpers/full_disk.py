"""A disk that is full: writes that fail, and the sentence that has to be printed."""

import errno
import os
from typing import NoReturn

import pytest


def fail_to_write(*_args: object, **_options: object) -> NoReturn:
    """Fails as any write to a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_full_disk_was_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """The only line of stderr says that the disk is full and what to do."""
    message = capsys.readouterr().err
    advice = "free some space, then start the same command again; saved checkpoints are kept."
    assert f"no space left on the disk: {advice}" in message
    assert message.count("\n") == 1
