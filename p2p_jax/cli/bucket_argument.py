"""A workdir in a bucket on the command line: the command works on a local copy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

from p2p_jax.cli.options import CompareOptions, EvaluateOptions, ExportTorchOptions, ReportOptions, TranslateOptions
from p2p_jax.errors import UserError
from p2p_jax.storage.urls import is_url
from p2p_jax.workdir.bucket.fetch import local_copy_of

TRAINING = ("train", "import-torch")
"""Commands that end if another process uploads to the same workdir."""


SETS = "--data.tfds-dir"
"""The option that names the place of prepared sets, which may be a bucket."""

READING = ("translate", "evaluate", "report", "export-torch")
"""Commands whose first argument is a workdir."""

COMPARING = "compare"
"""The command whose arguments are all workdirs. It makes the local copies of remote ones itself."""


@contextmanager
def local_workdir(argv: list[str]) -> Iterator[list[str]]:
    """Yields a command line in which a local copy replaces the URL of a workdir.

    Raises:
        UserError: the bucket cannot be reached, or something other than a workdir was given as a URL.
        Stopped: some files could not be uploaded and are kept in the local copy.
    """
    place = _find_url(argv)
    if place is None:
        yield argv
        return
    option, url = re.fullmatch(r"(--workdir=)?(.*)", argv[place]).groups("")  # pyright: ignore
    command = argv[0]
    trains = command in TRAINING
    with local_copy_of(url, upload=trains or command == "report", exclusive=trains, whole=trains) as folder:
        yield [*argv[:place], f"{option}{folder}", *argv[place + 1 :]]


def _find_url(argv: list[str]) -> int | None:
    """The index of the URL of a workdir in a command line, or None. All other URLs are refused."""
    found, positionals = None, 0
    for place, word in enumerate(argv[1:], 1):
        before = argv[place - 1] if argv[place - 1].startswith("-") and "=" not in argv[place - 1] else ""
        if word.startswith("-"):
            before, _, word = word.partition("=")
        elif not before or before.replace("_", "-") in _FLAGS:
            before, positionals = "", positionals + 1
        of_workdir = before == "--workdir" or (not before and positionals == 1 and argv[0] in READING)
        of_workdir = of_workdir or (not before and argv[0] == COMPARING)
        if of_workdir and re.match(r"[a-z][a-z0-9+.-]*://", word) and not is_url(word):
            raise UserError(f"{word} was given: a workdir is a folder, or lies in a bucket (gs://, s3:// or az://).")
        if not is_url(word):
            continue
        if before.replace("_", "-") == SETS:
            continue
        if not of_workdir:
            raise _refuse(before, word)
        found = None if argv[0] == COMPARING else place
    return found


def _refuse(option: str, url: str) -> UserError:
    """The error for a URL in a place where a bucket cannot be used."""
    if option.replace("_", "-") == "--data-dir":
        return UserError(
            f"{url} was given, but sets are prepared in a folder: give --data-dir FOLDER, then copy what it holds to the "
            f"bucket with the cloud's own tools, and train with {SETS} {url}."
        )
    return UserError(
        f"{url} was given, but only a workdir can be in a bucket, and prepared sets with {SETS}: give a folder (a bucket "
        "can be mounted as one)."
    )


_FLAGS = {
    f"--{each.name.replace('_', '-')}"
    for command in (TranslateOptions, EvaluateOptions, ReportOptions, CompareOptions, ExportTorchOptions)
    for each in fields(command)
    if each.type is bool
}
