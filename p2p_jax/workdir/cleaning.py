"""Removes files of a run from its workdir."""

import os
import re
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from p2p_jax.errors import UserError
from p2p_jax.files.writing import UNFINISHED, find_unfinished
from p2p_jax.workdir.init_from import refuse_to_remove_imported
from p2p_jax.workdir.metrics_file import drop_rows
from p2p_jax.workdir.own_files import RUN_FILES, RUN_FOLDERS, find_contents, is_unfinished
from p2p_jax.workdir.record import RECORD, read_record

LATE_WRITES = 5.0  # seconds for which the threads of a failed save may still write

CLEARED = f".cleared{UNFINISHED}"
"""The folder into which all files of a run are moved before they are removed."""


def refuse_to_overwrite(workdir: Path) -> None:
    """Refuses `--overwrite` where the run cannot be removed, before anything is done.

    Args:
        workdir: it need not exist, or hold a run.

    Raises:
        UserError: the workdir holds imported networks, or `clear_workdir` would refuse it.
    """
    if os.path.lexists(workdir / RECORD):
        find_contents(workdir)
        refuse_to_remove_imported(workdir)


def clear_workdir(workdir: Path) -> None:
    """Removes the files of a run from its workdir: all of them, or none if an error or a kill comes between.

    Files that the run did not write stay, and a warning names the first of them. A folder without a record is not changed.
    The lock file stays, too. The files are moved into `CLEARED` first. The record is moved last; from then on the run is
    gone, and `restore_cleared` does not move the files back.

    Raises:
        UserError: see `own_files.find_contents`; nothing has been removed then.
    """
    if not os.path.lexists(workdir / RECORD):
        return
    contents = find_contents(workdir)
    restore_cleared(workdir)
    cleared = workdir / CLEARED
    cleared.mkdir()
    try:
        move_files(contents.own, workdir, cleared)
    except BaseException:
        restore_cleared(workdir)
        raise
    for name in RUN_FOLDERS:
        with suppress(OSError):  # it does not exist, or holds files of somebody else
            (workdir / name).rmdir()
    _remove_cleared(cleared)
    if contents.others:
        kept = ", ".join(path.relative_to(workdir).as_posix() for path in contents.others[:3])
        more = f" and {len(contents.others) - 3} more" if len(contents.others) > 3 else ""
        warnings.warn(f"{workdir} keeps {kept}{more}, which the removed run did not write.", stacklevel=2)


def restore_cleared(workdir: Path) -> None:
    """Moves the files of a run back if its clearing was interrupted; if the run was gone already, removes the rest."""
    cleared = workdir / CLEARED
    if cleared.is_symlink() or not cleared.is_dir():
        return
    if (cleared / RECORD).is_file():
        _remove_cleared(cleared)
    elif (workdir / RECORD).is_file():
        move_files(list_parts(cleared), cleared, workdir)
        for folder in (*(cleared / name for name in RUN_FOLDERS), cleared):
            with suppress(OSError):  # it does not exist
                folder.rmdir()


def _remove_cleared(cleared: Path) -> None:
    """Removes the record last: without it, the rest of a removal that was killed would be moved back."""
    for path in list_parts(cleared):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != RECORD:
            path.unlink(missing_ok=True)
    if len(list_parts(cleared)) <= 1:
        shutil.rmtree(cleared, ignore_errors=True)


def list_parts(folder: Path) -> list[Path]:
    """Lists the parts of a run in a folder in the order in which they are moved: the record is last."""
    parts = [path for name in RUN_FOLDERS if (folder / name).is_dir() for path in sorted((folder / name).iterdir())]
    return parts + [folder / name for name in RUN_FILES if (folder / name).exists()]


def move_files(paths: Iterable[Path], source: Path, target: Path) -> None:
    """Moves files and folders to the same places relative to another folder on the same disk."""
    for path in paths:
        place = target / path.relative_to(source)
        place.parent.mkdir(exist_ok=True)
        path.rename(place)


SAMPLE = re.compile(r"step_([0-9]{1,18})\.png")
"""The name of a sample grid, with its step."""


@contextmanager
def clean_unfinished(workdir: Path) -> Iterator[None]:
    """Removes unfinished files at the start and at the end, so that they take no space on a full disk."""
    _remove_unfinished(workdir)
    try:
        yield
    finally:
        _remove_unfinished(workdir)


def _remove_unfinished(workdir: Path) -> None:
    restore_cleared(workdir)
    if not _holds_run(workdir):
        return
    # After a failed save, its threads may still write other arrays and create a removed folder again.
    end = time.monotonic() + LATE_WRITES
    while (left := list((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))) and time.monotonic() < end:
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.1)
    for path in find_unfinished(workdir):
        path.unlink(missing_ok=True)
    for path in workdir.glob(f"*{UNFINISHED}"):
        if any(is_unfinished(path, re.compile(re.escape(name))) for name in RUN_FILES):
            path.unlink(missing_ok=True)
    for name in ("samples", "report"):
        for path in () if (workdir / name).is_symlink() else (workdir / name).glob(f"*{UNFINISHED}"):
            if is_unfinished(path, RUN_FOLDERS[name]):
                path.unlink(missing_ok=True)


def _holds_run(workdir: Path) -> bool:
    try:
        return bool(read_record(workdir))
    except (UserError, OSError, UnicodeDecodeError):
        return False


def drop_later(workdir: Path, step: int) -> None:
    """Removes the rows of metrics.jsonl and the samples after a step, because the resumed run writes them again."""
    drop_rows(workdir / "metrics.jsonl", step)
    for sample, written_at in find_samples(workdir).items():
        if written_at > step:
            sample.unlink()


def find_samples(workdir: Path) -> dict[Path, int]:
    """Returns the sample grids of a run and their steps, in their order; files of other names are none."""
    named = {path: SAMPLE.fullmatch(path.name) for path in (workdir / "samples").glob("step_*.png") if path.is_file()}
    steps = {path: int(match[1]) for path, match in named.items() if match}
    return dict(sorted(steps.items(), key=lambda item: item[1]))
