"""`p2p-jax data check`: what is in a set of pairs, what is wrong with it, and how to train on it."""

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.text import Text

from p2p_jax.cli.options import parse
from p2p_jax.console import open_console, progress_bar
from p2p_jax.data.doctor import report
from p2p_jax.data.doctor.advice import advise_sides, train_line
from p2p_jax.data.doctor.findings import Findings, draw_conclusions
from p2p_jax.data.doctor.look import Pair, look_at_pair
from p2p_jax.data.doctor.report import describe
from p2p_jax.data.layout import find_parts
from p2p_jax.errors import PROGRAM, UserError

__all__ = ["check", "describe", "examine", "train_line"]


PATIENCE = 60.0  # seconds for one pair


@dataclass(frozen=True)
class Check:
    """Look at every picture of a folder or list of pairs, and say what is there, what is wrong and how to train on it.

    The exit code is 0 if training can start, warnings or not, and 1 if something would stop it.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """Folder of pairs, or a list of them (.csv, .tsv, .jsonl)."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """PNG of some of the pairs, to be looked at; replaced if it is there. By default data_check.png here, or beside the
    folder of pairs where this is inside it."""
    pictures: int = 12
    """Pairs in it; 0 for no PNG."""
    limit: int = 10
    """Files named for each finding; the others are counted."""
    json: bool = False
    """Print everything as JSON instead of words."""
    threads: int | None = None
    """Threads that read pictures; by default the number of cores."""


def check(argv: list[str]) -> int:
    """Runs `p2p-jax data check` and returns its exit code: 0 fine, 1 something would stop a training.

    Raises:
        UserError: the command line is wrong, or there is nothing to look at.
    """
    options = parse(Check, argv, f"{PROGRAM} data check")
    _refuse(options)
    console = open_console()
    with nullcontext() if options.json else progress_bar(console) as bar:
        task = bar.add_task("reading", total=None) if bar else None

        def advance(done: int, total: int) -> None:
            if bar and task is not None:
                bar.update(task, completed=done, total=total)

        findings = examine(options.path, threads=options.threads or os.cpu_count() or 1, on_picture=advance)
    sheet = _sheet_of(options)
    drawn = options.pictures > 0 and report.draw_sheet(sheet, findings, options.pictures)
    sheet = sheet if drawn else None
    if options.json:
        print(json.dumps(to_json(options.path, findings, sheet), ensure_ascii=False, indent=1))
    else:
        text = describe(findings, limit=options.limit)
        if sheet:
            text.append(f"Look at {sheet}.\n")
        words = "To train, once the problems are solved:" if findings.problems else "To train:"
        text.append(words, "bold")
        console.print(text)
        console.print(Text(train_line(options.path, findings)))
    return 1 if findings.problems else 0


def _refuse(options: Check) -> None:
    for name, least in (("pictures", 0), ("limit", 0), ("threads", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UserError(f"--{name} was given {value}: it must be at least {least}.")
    if options.pictures and options.output is not None and _lies_in(options.output, options.path):
        raise UserError(
            f"--output was given {options.output}, which lies in {options.path}, where it would be taken for a picture: "
            "give a file outside of it."
        )


def _lies_in(file: Path, folder: Path) -> bool:
    return folder.is_dir() and folder.resolve() in file.resolve().parents


def _sheet_of(options: Check) -> Path:
    """Where the PNG goes: never among the pairs, where it would be taken for one."""
    here = options.output or Path("data_check.png")
    return options.path.resolve().parent / here.name if _lies_in(here, options.path) else here


def examine(
    path: Path,
    *,
    threads: int,
    on_picture: Callable[[int, int], None] | None = None,
    patience: float = PATIENCE,
) -> Findings:
    """Reads every picture of a set once and draws conclusions.

    Args:
        path: folder of pairs, or list (see `layout.find_parts`).
        threads: that read.
        on_picture: called with (pairs read, pairs in all) after each.
        patience: seconds for one pair, after which it counts as unreadable.

    Raises:
        UserError: the path is missing, holds no pairs, or two pictures have the same name.
    """
    alone: list[str] = []
    try:
        splits = find_parts(path, alone=alone)
    except ValueError:
        if not alone:
            raise
        splits = {}  # pictures are there, but none with its other half
    jobs = [(split, name, files) for split, some in splits.items() for name, files in some]
    pairs: list[Pair | None] = [None] * len(jobs)
    for done, (number, pair) in enumerate(in_threads(lambda job: look_at_pair(*job), jobs, threads, patience), start=1):
        pairs[number] = pair or _given_up(jobs[number], patience)
        if on_picture:
            on_picture(done, len(jobs))
    return draw_conclusions([pair for pair in pairs if pair], alone)


def in_threads(work: Callable[[Any], Any], jobs: Sequence[Any], threads: int, patience: float) -> Iterator[tuple[int, Any]]:
    """Does the jobs in threads and gives (number, result) as they end; of one that takes too long (number, None).

    A thread cannot be ended, so one that hangs is left behind and another one takes its place.

    Args:
        work: one job to a result that is not None.
        jobs: what is to be done.
        threads: how many at once.
        patience: seconds that a job may take.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    begun: dict[int, float] = {}
    for number in range(len(jobs)):
        waiting.put(number)

    def start() -> None:
        threading.Thread(target=_serve, args=(work, jobs, waiting, ended, begun), daemon=True).start()

    for _ in range(min(threads, len(jobs))):
        start()
    given: set[int] = set()
    while len(given) < len(jobs):
        try:
            number, result = ended.get(timeout=min(1.0, patience / 4))
        except queue.Empty:
            for late in [n for n, since in list(begun.items()) if n not in given and time.monotonic() - since > patience]:
                given.add(late)
                start()
                yield late, None
            continue
        if isinstance(result, BaseException):
            raise result
        begun.pop(number, None)
        if number not in given:  # else it was late, and is there after all
            given.add(number)
            yield number, result


def _serve(
    work: Callable[[Any], Any],
    jobs: Sequence[Any],
    waiting: queue.SimpleQueue[int],
    ended: queue.SimpleQueue[tuple[int, Any]],
    begun: dict[int, float],
) -> None:
    while True:
        try:
            number = waiting.get_nowait()
        except queue.Empty:
            return
        begun[number] = time.monotonic()
        try:
            ended.put((number, work(jobs[number])))
        except BaseException as error:  # handed on: nobody must wait for a thread that is gone
            ended.put((number, error))


def _given_up(job: tuple[str, str, dict[str, Path]], patience: float) -> Pair:
    split, name, files = job
    named = {part: str(file) for part, file in files.items()}
    sentence = f"{' or '.join(named.values())} was not read within {patience:g} seconds: replace it or remove it."
    return Pair(split, name, named, {}, (("unreadable", sentence),))


def to_json(path: Path, findings: Findings, sheet: Path | None) -> dict[str, Any]:
    """Everything that was found, as JSON can hold it.

    Args:
        path: of the set.
        findings: of `examine`.
        sheet: the contact sheet, if one was written.
    """
    return {
        "path": str(path),
        "ok": not findings.problems,
        "splits": {
            split: {
                "pairs": sum(pair.split == split for pair in findings.pairs),
                "parts": {part: summary._asdict() for part, summary in parts.items()},
            }
            for split, parts in findings.summaries.items()
        },
        "problems": [finding._asdict() for finding in findings.problems],
        "warnings": [finding._asdict() for finding in findings.warnings],
        "sides": {name: advice._asdict() for name, advice in advise_sides(findings).items()},
        "train": train_line(path, findings),
        "sheet": str(sheet) if sheet else None,
    }
