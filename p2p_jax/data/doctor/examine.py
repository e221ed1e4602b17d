"""Checking a set of pairs: reads every picture once, and finds problems and warnings."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from p2p_jax.data.doctor.findings import Findings
from p2p_jax.data.doctor.inspection import InspectedPair, inspect_pair
from p2p_jax.data.doctor.problems import find_problems
from p2p_jax.data.doctor.summaries import summarise_split
from p2p_jax.data.doctor.timed_threads import run_timed
from p2p_jax.data.doctor.warnings import find_warnings
from p2p_jax.data.layout import Layout, search
from p2p_jax.errors import UserError

TIMEOUT = 60.0  # seconds
MAX_THREADS = 1024


def check_data(
    path: str | Path,
    *,
    threads: int | None = None,
    on_picture: Callable[[int, int], Any] | None = None,
    timeout: float = TIMEOUT,
    layout: Layout = "auto",
) -> Findings:
    """Checks a set of pairs: reads every picture once, and finds problems and warnings.

    Args:
        path: folder of pairs, or a list of them (see `layout.search`).
        threads: number of threads that read; by default the number of CPU cores.
        on_picture: called with (pairs read, pairs in all) after each pair.
        timeout: seconds for one pair, after which it counts as unreadable.
        layout: how the files of a pair are found, as in `Data.layout`.

    Raises:
        UserError: the path is missing or holds no pairs, two pictures have the same name, or `threads` is out of range.

    Example:
        >>> import p2p_jax
        >>> findings = p2p_jax.check_data("pairs")
        >>> len(findings.pairs), findings.problems
        (6, [])
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        limit = "at least 1" if threads < 1 else f"at most {MAX_THREADS}"
        raise UserError(f"--threads was given {threads}: it must be {limit}.")
    unmatched: list[str] = []
    sought = search(Path(path), layout=layout, unmatched=unmatched)
    jobs = [(split, name, files) for split, pairs in sought.splits.items() for name, files in pairs]
    found: dict[int, InspectedPair] = {}
    inspected = run_timed(lambda job: inspect_pair(*job), jobs, threads or os.cpu_count() or 1, timeout)
    for done, (index, pair) in enumerate(inspected, start=1):
        found[index] = pair or _give_up(jobs[index], timeout)
        if on_picture:
            on_picture(done, len(jobs))
    findings = draw_conclusions([found[index] for index in range(len(jobs))], unmatched)
    return findings._replace(notes=tuple(sought.notes(Path(path))), layout=layout)


def draw_conclusions(pairs: list[InspectedPair], unmatched: Sequence[str]) -> Findings:
    """Finds the problems and warnings of inspected pairs.

    Args:
        pairs: in the order of splits and names.
        unmatched: sentences on pictures that lack their other half.
    """
    splits = {split: [pair for pair in pairs if pair.split == split] for split in dict.fromkeys(p.split for p in pairs)}
    summaries = {split: summarise_split(some) for split, some in splits.items()}
    return Findings(pairs, summaries, list(find_problems(pairs, unmatched)), list(find_warnings(pairs)))


def _give_up(job: tuple[str, str, dict[str, Path]], timeout: float) -> InspectedPair:
    split, name, files = job
    named = {side: str(file) for side, file in files.items()}
    sentence = f"{' or '.join(named.values())} was not read within {timeout:g} seconds: replace it or remove it."
    return InspectedPair(split, name, named, {}, (("unreadable", sentence),))
