"""Compares runs picture by picture."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial as bound
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from p2p_jax.evaluation.comparison import sentences
from p2p_jax.evaluation.comparison.candidates import Candidate, Common, find_common, open_runs
from p2p_jax.evaluation.comparison.costs import cost_of
from p2p_jax.evaluation.comparison.page import Drawn, plan_page, write_page
from p2p_jax.evaluation.comparison.result import ComparedRun, ComparedSetting, Comparison, Contrasts, Scope
from p2p_jax.evaluation.comparison.scores import Scores, Wanted, align, measure, read_scores
from p2p_jax.evaluation.comparison.settings import Setting, differing, find_settings
from p2p_jax.evaluation.comparison.statistics import Contrast, Measured, contrast, measure_runs
from p2p_jax.evaluation.intervals import Interval
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.evaluation.subject import choose_metrics
from p2p_jax.files.outputs import as_path
from p2p_jax.inference.translate import load
from p2p_jax.workdir.bucket.fetch import local_folder
from p2p_jax.workdir.metrics_file import read_rows


class _Options(NamedTuple):
    """How runs are loaded and measured, see `compare`."""

    metrics: Sequence[str] | None
    inception: Path | None
    partial: Path | None
    loading: dict[str, Any]
    on_done: Callable[[int, int], object]


class _Scored(NamedTuple):
    """The scores of all runs, and what they are of."""

    runs: list[Candidate]
    common: Common
    steps: list[int]
    scores: list[Scores]
    missing: list[str]


def compare(
    runs: Sequence[str | Path],
    *,
    split: Literal["train", "val", "test"] | None = None,
    checkpoint_step: int | str = "latest",
    metrics: Sequence[str] | None = None,
    inception: str | Path | None = None,
    data_path: str | Path | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    partial: str | Path | None = None,
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> Comparison:
    """Compares trained runs picture by picture, with intervals.

    Runs that differ in nothing but their seed are one setting. A setting is called better than another one only if the 95 %
    interval of the difference excludes 0. If each setting has several seeds, the intervals hold the chance of the pictures
    and of the seeds; otherwise they hold for these checkpoints alone.

    Args:
        runs: the workdirs of at least two runs; folders, or URLs in a bucket.
        split: by default the first that exists of test, val and train in the first run.
        checkpoint_step: "latest", "best" or a step number, of every run.
        metrics: of trained networks, as for `evaluate`. If they are given, the scores of reports without them are measured
            again.
        inception: the file with Inception's weights, which the metric "fid" needs.
        data_path: where the pictures of all runs are now, if they were moved.
        output: folder in which to write `compare.html`, or the page itself (NAME.html); by default no page is written.
        overwrite: replace a page that exists.
        partial: folder for partial results of runs that must be measured, from which the same call resumes.
        trust: run the experiment files in the workdirs although somebody else put them there.
        build: the function `(config) -> Pix2Pix` that was given to `train`, if all runs were trained from Python with it.
        on_done: called with the number of pairs that are measured, of all runs together, and the number of all.

    Returns:
        figures of all runs, settings, differences, and the results in sentences.

    Raises:
        UserError: a run is no workdir or is given twice, the runs have no pictures in common, or the page exists already.

    Example:
        >>> from dataclasses import replace
        >>> from pathlib import Path
        >>> import p2p_jax
        >>> from p2p_jax.workdir.record import load_experiment
        >>> config = load_experiment(Path("runs/tiny")).config
        >>> state = p2p_jax.train(replace(config, seed=1), "runs/seed_1")
        >>> comparison = p2p_jax.compare(["runs/tiny", "runs/seed_1"])
        >>> comparison.verdicts[0]
        'No difference between settings: these runs differ only in their seed (tiny, seed_1).'
    """
    options = _Options(
        metrics,
        None if inception is None else as_path(inception, "--inception"),
        None if partial is None else as_path(partial, "--partial"),
        {"trust": trust, "build": build},
        on_done,
    )
    with ExitStack() as stack:
        folders = [stack.enter_context(local_folder(run)) for run in runs]
        page = None if output is None else plan_page(as_path(output, "--output"), folders, overwrite=overwrite)
        opened = open_runs([str(run) for run in runs], folders, data_path=data_path, trust=trust, build=build)
        common = find_common(opened, split)
        # The networks are loaded once more where they are needed, so that those of one run are in memory at a time.
        steps = [load(run.folder, checkpoint_step=checkpoint_step, **options.loading).step for run in opened]
        settings = find_settings(opened, None if checkpoint_step == "best" else steps)
        comparison, figures = _conclude(_score(opened, common, steps, options), settings)
        if page is not None:
            drawn = Drawn(opened, common, steps, figures, options.loading)
            comparison = comparison._replace(page=page)
            write_page(page, comparison, drawn)
    return comparison


def _score(runs: list[Candidate], common: Common, steps: list[int], options: _Options) -> _Scored:
    """Reads or measures the scores of all runs."""
    target = runs[0].config.data.target
    chosen, missing = choose_metrics(target, options.metrics, options.inception)
    scores, number = [], len(common.names)
    for index, run in enumerate(runs):
        wanted = Wanted(steps[index], common.split, common.datasets[index], chosen, options.metrics is not None)
        report_done = bound(_report_done, options.on_done, number * index, number * len(runs))
        found = read_scores(run, wanted)
        if found is None:
            translator = load(run.folder, checkpoint_step=steps[index], **options.loading)
            found = measure(
                run, translator, wanted, inception=options.inception, partial=options.partial, on_done=report_done
            )
        report_done(number, number)
        scores.append(found)
    return _Scored(runs, common, steps, scores, missing)


def _report_done(on_done: Callable[[int, int], object], before: int, total: int, done: int, _: int) -> None:
    on_done(before + done, total)


def _conclude(scored: _Scored, settings: list[Setting]) -> tuple[Comparison, dict[str, Measured]]:
    """The comparison without its page, and the figures of all runs with their values of single pictures."""
    columns, tables, absent = align(scored.scores, scored.runs[0].config.data.target)
    found, infinite = measure_runs(columns, tables)
    letters = {index: setting.letter for setting in settings for index in setting.runs}
    runs = [_compared_run(scored, index, letters[index], found) for index in range(len(scored.runs))]
    fields = differing(settings)
    compared = [_compared_setting(each, place, fields, runs, found) for place, each in enumerate(settings)]
    contrasts = _contrasts(settings, [run.name for run in runs], found)
    comparison = Comparison(
        scored.common.split, tuple(scored.common.names), tuple(runs), tuple(compared), tuple(contrasts),
        tuple(sentences.verdicts(compared, contrasts)), tuple(_notes(scored, found, absent, infinite)),
    )  # fmt: skip
    return comparison, found


def _compared_run(scored: _Scored, index: int, letter: str, found: dict[str, Measured]) -> ComparedRun:
    run, step, own = scored.runs[index], scored.steps[index], scored.scores[index]
    figures = {name: float(each.values[index]) for name, each in found.items()}
    ends: dict[str, Interval | None] = {name: each.interval(index) for name, each in found.items()}
    for name, (value, interval) in own.sets.items():
        if all(name in each.sets for each in scored.scores):
            figures[name], ends[name] = value, interval
    cost = cost_of(read_rows(run.folder / "metrics.jsonl"), step)
    intervals = {name: each for name, each in ends.items() if each is not None}
    return ComparedRun(run.name, letter, run.config.seed, step, figures, intervals, cost, own.measured)


def _compared_setting(
    setting: Setting, place: int, fields: dict[str, list[Any]], runs: list[ComparedRun], found: dict[str, Measured]
) -> ComparedSetting:
    own = [runs[index] for index in setting.runs]
    values = {name: [run.figures[name] for run in own] for name in own[0].figures}
    errors = {name: each.picture_error(setting.runs) for name, each in found.items()}
    return ComparedSetting(
        setting.letter,
        tuple(run.name for run in own),
        {name: each[place] for name, each in fields.items()},
        {name: float(np.mean(each)) for name, each in values.items()},
        {name: float(np.std(each, ddof=1)) for name, each in values.items()} if len(own) > 1 else {},
        {name: error for name, error in errors.items() if error is not None},
    )


def _contrasts(settings: list[Setting], names: list[str], found: dict[str, Measured]) -> list[Contrasts]:
    """Differences of each setting to the first one; of a single setting those of each run to the first one."""
    if len(settings) == 1:
        first, *others = settings[0].runs
        return [
            Contrasts(names[first], names[other], "one setting", *_between(found, (first,), (other,))) for other in others
        ]
    first, *others = settings
    made = []
    for other in others:
        several = min(len(first.runs), len(other.runs)) > 1
        scope: Scope = "pictures and seeds" if several else "these pictures"
        made.append(Contrasts(first.letter, other.letter, scope, *_between(found, first.runs, other.runs)))
    return made


def _between(
    found: dict[str, Measured], first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[dict[str, Contrast], dict[str, tuple[float, float]]]:
    """The differences between two groups of runs, and the means of both."""
    mean = lambda figure, runs: float(figure.values[list(runs)].mean())
    return (
        {name: contrast(each, first, second) for name, each in found.items()},
        {name: (mean(each, first), mean(each, second)) for name, each in found.items()},
    )


def _notes(scored: _Scored, found: dict[str, Measured], absent: list[str], infinite: list[str]) -> list[str]:
    number, notes = len(scored.common.names), list(scored.common.notes)
    read = [run.name for run, each in zip(scored.runs, scored.scores, strict=True) if not each.measured]
    if read:
        notes.append(f"These scores were read from reports, and all others measured now: {', '.join(read)}.")
    fewer = {name: each.pictures for name, each in found.items() if each.pictures < number}
    for name, count in fewer.items():
        notes.append(f"{find_metric(name).title}: only {count} of {number} pairs have it in all runs.")
    every = list(dict.fromkeys(name for each in scored.scores for name in each.sets))
    absent = [*absent, *(name for name in every if any(name not in each.sets for each in scored.scores))]
    if absent:
        titles = ", ".join(find_metric(name).title for name in absent)
        notes.append(f"Not compared, because some runs lack it: {titles}. --metrics NAME measures it for all.")
    if infinite:
        titles = ", ".join(find_metric(name).title for name in infinite)
        notes.append(f"Not compared, because the outputs of a run are not finite: {titles}.")
    if any(all(name in each.sets for each in scored.scores) for name in every):
        notes.append("Figures of sets have no paired differences, because a single picture has no such figure.")
    return [*notes, *(scored.missing if any(each.measured for each in scored.scores) else [])]
