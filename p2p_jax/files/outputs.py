"""The rule that every command follows before it makes its first result.

A result never replaces an existing file unless the user asks for that, never replaces a file that is read, and never lies
among the inputs, where the next run of the command would take it for an input.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from p2p_jax.errors import UserError

Existing = Literal["refuse", "skip", "replace"]
"""What to do about results that exist already."""


def as_path(path: str | Path, option: str) -> Path:
    """Converts the value of an option to a path.

    Args:
        path: the value.
        option: its name, for the message.

    Raises:
        UserError: the value is empty; `Path` would take it for the current folder.
    """
    if not str(path).strip():
        raise UserError(f"{option} was given an empty path: give a folder or file (. is the current folder).")
    return Path(path)


def check_outputs(
    output: Path,
    results: Mapping[Path, Sequence[Path]],
    *,
    inputs: Iterable[Path] = (),
    existing: Existing = "refuse",
    skippable: bool = False,
    option: str = "--output",
) -> set[Path]:
    """Checks all results of a command before the first one is made.

    Args:
        output: the folder of the results, or the single file; it need not exist.
        results: {file to be written: the files that are read for it}.
        inputs: the files and folders in which the command looks for its inputs.
        existing: what to do about results that exist.
        skippable: whether the command has the option `--skip-existing`, which the message then offers.
        option: the name of the option for the output, for messages.

    Returns:
        the results that exist already.

    Raises:
        UserError: the output lies in an input folder, a result exists and may not be replaced, would replace a file that is
            read, or cannot be written because a folder has its name or a file the name of its folder.
    """
    _refuse_among_inputs(output, results, inputs, option)
    _refuse_files_as_folders({path.parent for path in results}, option)
    found = {path for path in results if os.path.lexists(path)}
    if not found:
        return found
    read = {identity for paths in results.values() for path in paths if (identity := _identity(path))}
    for path in (path for path in results if path in found):
        if path.is_dir() and not path.is_symlink():
            raise UserError(f"{path} is a folder, where a file is to be written: give another {option}.")
        if _identity(path) in read:
            raise UserError(f"{path} is one of the files read, and would be replaced: give another {option}.")
    if existing == "refuse":
        first, number = next(path for path in results if path in found), len(found)
        some = f"exists already, and {number} of {len(results)} files do" if len(results) > 1 else "exists already"
        skip = f", --skip-existing to keep {'it' if number == 1 else 'them'}" if skippable else ""
        replace = f"--overwrite to replace {'it' if number == 1 else 'them'}"
        raise UserError(f"{first} {some}: give another {option}{skip}, or {replace}.")
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """A pair that is the same for all names of one file; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _refuse_among_inputs(output: Path, results: Mapping[Path, Sequence[Path]], inputs: Iterable[Path], option: str) -> None:
    resolved = output.resolve()
    folders = {_identity(path) for path in (resolved, *resolved.parents)} - {None}
    outside: list[Path] = []  # the input folders that do not lie in the output
    for path in inputs:
        place = path.resolve()
        if not place.is_dir():
            continue
        if _identity(place) in folders:
            raise UserError(
                f"{option} was given {output}, which lies in the input {path}, where results would be taken for inputs: "
                "give a folder beside it."
            )
        if not place.is_relative_to(resolved):
            outside.append(path)
    for folder in {path.parent for paths in results.values() for path in paths}:
        if any(folder.is_relative_to(path) for path in outside) and folder.resolve().is_relative_to(resolved):
            raise UserError(
                f"{option} was given {output}, which lies among the inputs by way of the link {folder}: give a folder "
                "beside them."
            )


def _refuse_files_as_folders(folders: Iterable[Path], option: str) -> None:
    for folder in sorted(folders):
        nearest = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), None)
        if nearest is not None and not nearest.is_dir():
            what = "a broken link" if nearest.is_symlink() and not nearest.exists() else "a file"
            raise UserError(f"{nearest} is {what}, where results need a folder: give another {option}.")
