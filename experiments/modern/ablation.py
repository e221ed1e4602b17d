"""Trains every piece alone, then pieces together, one after another as long as that makes the pictures better."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
from rich.console import Console

import p2p_jax
from experiments.modern.pieces import PIECES, combine
from experiments.modern.scores import Judge, Scored, append_row, check_weights, open_judge, read_rows
from experiments.modern.sets import Pictures
from experiments.modern.timing import time_ratio
from experiments.modern.verdicts import Comparison, compare_settings
from experiments.paper.study import is_finished
from p2p_jax.config.tree import with_fields
from p2p_jax.evaluation.segmenter import load_segmenter


class Ablation(NamedTuple):
    """An ablation in a folder.

    Attributes:
        pictures: the set.
        seeds: runs of each setting.
        folder: of the runs.
        results: the file of the figures.
        judge: returns the function that measures a run.
        console: for messages.
    """

    pictures: Pictures
    seeds: int
    folder: Path
    results: Path
    judge: Callable[[], Judge]
    console: Console


def open_ablation(pictures: Pictures, seeds: int | None, output: Path, results: Path, console: Console) -> Ablation:
    """Opens an ablation. The segmenter of the set is trained when the first run has to be measured, if it is not there."""

    @cache
    def judge() -> Judge:
        check_weights()
        if pictures.segmenter is None:
            return open_judge(None)
        workdir = output / pictures.name / "segmenter"
        if not is_finished(workdir, pictures.segmenter):
            console.rule("the segmenter")
            p2p_jax.train(pictures.segmenter, workdir, console=console)
        return open_judge(load_segmenter(workdir, pictures.config))

    return Ablation(pictures, seeds or pictures.seeds, output / pictures.title, results, judge, console)


def run_settings(ablation: Ablation, settings: list[tuple[str, ...]]) -> dict[str, list[Scored]]:
    """Trains and measures what the file of results lacks: all settings with one seed, then with the next one.

    Args:
        ablation: of which set.
        settings: each the names of pieces.

    Returns:
        {setting: its rows, one for each seed}.
    """
    total = len(settings) * ablation.seeds
    found: dict[str, list[Scored]] = {}
    for seed in range(ablation.seeds):
        for place, names in enumerate(settings):
            ablation.console.rule(f"{seed * len(settings) + place + 1} of {total}: {'+'.join(names)}, seed {seed}")
            found.setdefault("+".join(names), []).append(_run(ablation, names, seed))
    return found


def _run(ablation: Ablation, names: tuple[str, ...], seed: int) -> Scored:
    """The row of a run, which is trained and measured if the file has none."""
    options, setting = combine(names), "+".join(names)
    assert options is not None
    wanted = replace(with_fields(ablation.pictures.config, options), seed=seed)
    assert wanted.steps is not None
    row = Scored(ablation.pictures.title, setting, options, seed, wanted.steps, {})
    for known in read_rows(ablation.results):
        if known._replace(figures={}) == row:
            return known
    judge = ablation.judge()  # before hours of training
    folder = ablation.folder / setting / f"seed_{seed}"
    if not is_finished(folder, wanted):
        p2p_jax.train(wanted, folder, console=ablation.console)
    row = row._replace(figures=judge(folder))
    append_row(ablation.results, row)
    jax.clear_caches()  # the programs of a setting are not needed again, and take memory
    return row


def run_alone(ablation: Ablation, names: list[str]) -> dict[str, Comparison]:
    """Compares every piece with the default, ordered by gain."""
    rows = run_settings(ablation, [("default",), *((name,) for name in names)])
    first = rows.pop("default")
    found = {name: compare_settings(first, each) for name, each in rows.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].gain))


def run_together(ablation: Ablation, candidates: list[str]) -> tuple[tuple[str, ...], dict[str, Comparison]]:
    """Adds pieces one after another, and keeps each that clearly helps beside those that were kept before.

    Args:
        ablation: of which set.
        candidates: names of pieces, the best one first.

    Returns:
        the names of the pieces that were kept, and {setting: comparison with the default} of all that was tried.
    """
    first = current = run_settings(ablation, [("default",)])["default"]
    kept: tuple[str, ...] = ()
    tried: dict[str, Comparison] = {}
    for name in candidates:
        names = (*kept, name)
        if combine(names) is None:
            continue
        setting = "+".join(names)
        rows = run_settings(ablation, [names])[setting]
        tried[setting] = compare_settings(first, rows)
        if compare_settings(current, rows).helps:
            kept, current = names, rows
    return kept, tried


def run_for_equal_time(
    ablation: Ablation, names: tuple[str, ...], ratio: float = 0.0
) -> tuple[float, dict[str, Comparison]]:
    """Trains pieces together for as long as the default takes, and compares them with it.

    Args:
        ablation: of which set.
        names: of the pieces.
        ratio: the time of a step as a multiple of the default's; 0 measures it.

    Returns:
        the time of a step as a multiple of the default's, and {setting: comparison}, of as many fewer or more steps.
    """
    options, config = combine(names), ablation.pictures.config
    assert options is not None
    assert config.steps is not None
    ratio = ratio or time_ratio(config, with_fields(config, options))
    steps = round(config.steps / ratio)
    pictures = ablation.pictures._replace(config=replace(config, steps=steps))
    other = ablation._replace(pictures=pictures, folder=ablation.folder / f"{steps}_steps")
    first = run_settings(ablation, [("default",)])["default"]
    ((setting, rows),) = run_settings(other, [names]).items()
    return ratio, {f"{setting}, {steps} steps": compare_settings(first, rows)}


def all_pieces() -> list[str]:
    """The names of the pieces without the default."""
    return [name for name in PIECES if name != "default"]
