"""Trains the settings of a table with several seeds each, compares them, and says which of the paper's findings hold."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

import p2p_jax
from experiments.paper.settings import Setting, base_config
from p2p_jax.cli import compilation_cache, run_command
from p2p_jax.cli.parsing import parse
from p2p_jax.config import Config, Side
from p2p_jax.config.tree import differences
from p2p_jax.console import open_console, waiting
from p2p_jax.errors import UserError
from p2p_jax.evaluation.comparison.candidates import find_common, open_runs
from p2p_jax.evaluation.comparison.statistics import Contrast, Measured, contrast, measure_runs
from p2p_jax.evaluation.explain import verdict
from p2p_jax.evaluation.found_labels import count_found
from p2p_jax.evaluation.metrics.registry import names_for
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.evaluation.scoring import scaled
from p2p_jax.evaluation.segmenter import load_segmenter
from p2p_jax.evaluation.subject import Subject, choose_metrics, score_pairs
from p2p_jax.experiment import find_installed
from p2p_jax.training.resolve_config import resolve_files
from p2p_jax.workdir.record import load_experiment

METRICS = ("found_pixel_accuracy", "found_iou", "lpips_alex", "haarpsi", "ssim", "colour_distance", "l1")
"""The metrics by which findings are judged: that of the paper first, if there is a segmenter."""


@dataclass(frozen=True)
class Options:
    """Train the settings of one of the paper's tables with several seeds, and compare them."""

    output: Path = Path("runs/paper")
    """Folder with a folder for each set. Tables share its runs, so that no setting is trained twice; the same command goes
    on where it stopped."""
    set: str | None = None
    """An installed experiment, such as facades or maps, at the paper's size; by default the built-in facades at 64
    pixels."""
    data_path: Path | None = None
    """The pictures of the set, if they are not a prepared one."""
    seeds: int = 3
    """Training runs of each setting, at least 2."""
    steps: int | None = None
    """Steps of each run; by default 2,000 on the built-in facades, otherwise those of the experiment."""
    segmenter: Path | None = None
    """A run that finds labels in the pictures. By default one is trained on the built-in facades; other sets have none."""


class Finding(NamedTuple):
    """What the paper says about two settings.

    Attributes:
        better, worse: their places in the table.
        said: the paper's sentence and figures.
        little: whether the paper says that the better one is hardly better.
    """

    better: int
    worse: int
    said: str
    little: bool = False


class Trained(NamedTuple):
    """The trained runs of a table.

    Attributes:
        settings: the rows.
        folders: the workdirs of each setting's runs, one for each seed.
        output: folder of the results.
        console: for messages.
    """

    settings: Sequence[Setting]
    folders: Sequence[Sequence[Path]]
    output: Path
    console: Console

    @property
    def groups(self) -> list[list[int]]:
        """The indices of each setting's runs among all runs."""
        seeds = len(self.folders[0])
        return [list(range(place * seeds, (place + 1) * seeds)) for place in range(len(self.folders))]


class Study(NamedTuple):
    """One table of the paper.

    Attributes:
        name: of its results.
        title: what is compared, with the place in the paper.
        settings: from the base config to the rows; the first one is that which the others are compared with.
        findings: of the paper.
        metrics: by which findings are judged; the first one decides, if it was measured.
        further: measures what this table has beside the figures of all tables, prints it, and returns entries of its file.
    """

    name: str
    title: str
    settings: Callable[[Config], Sequence[Setting]]
    findings: Sequence[Finding]
    metrics: Sequence[str]
    further: Callable[[Trained], dict[str, Any]] = lambda trained: {}


def run_study(study: Study, options: Options) -> int:
    """Trains what is missing, prints the table and the findings, and writes OUTPUT/NAME.json and NAME.html.

    Raises:
        UserError: an option is not possible, or a run cannot be trained.
    """
    _check(options)
    options = replace(options, output=options.output / (options.set or "built_in"))
    console = open_console()
    config = base_config(options.set, options.steps)
    if options.data_path is not None:
        config = replace(config, data=replace(config.data, source="folder", path=str(options.data_path), tfds=None))
    _check_targets(study, config.data.target, options)
    settings = study.settings(config)
    trained = Trained(settings, train_all(settings, config, options, console), options.output, console)
    segmenter = options.segmenter
    if segmenter is None and options.set is None:
        console.rule("the segmenter")
        segmenter = options.output / "segmenter"
        if not is_finished(segmenter, find_installed("segmenter").config):
            p2p_jax.train("segmenter", segmenter, console=console)
    with waiting(console, "evaluating all runs"):
        found = measure(trained.folders, segmenter)
    console.print(_table(study, trained, found))
    sentences = [_judge(study, finding, trained, found) for finding in study.findings]
    for sentence in sentences:
        console.print(sentence)
    further = study.further(trained)
    page = options.output / f"{study.name}.html"
    p2p_jax.compare([folder for group in trained.folders for folder in group], output=page, overwrite=True)
    results = options.output / f"{study.name}.json"
    results.write_text(json.dumps(_as_json(trained, found, sentences) | further, indent=2) + "\n")
    console.print(f"Written: {results}, {page}.")
    return 0


def _check(options: Options) -> None:
    """Refuses options that are not possible."""
    if options.seeds < 2:
        raise UserError(
            f"--seeds was given {options.seeds}: give at least 2, because one run says nothing about another one."
        )
    if options.steps is not None and options.steps < 1:
        raise UserError(f"--steps was given {options.steps}: give at least 1.")
    if options.data_path is not None and options.set is None:
        raise UserError("--data-path was given without --set: name the experiment whose settings these pictures need.")


def _check_targets(study: Study, target: Side, options: Options) -> None:
    """Refuses a set before anything is trained on it if no metric that judges the findings suits its targets."""
    if not {*names_for(target)} & {*study.metrics}:
        titles = " and ".join(find_metric(name).title for name in study.metrics)
        raise UserError(
            f"--set {options.set} was given, whose targets are no colour pictures, so that {titles} cannot be measured: "
            "give a set with colour pictures as targets."
        )


def train_all(settings: Sequence[Setting], config: Config, options: Options, console: Console) -> list[list[Path]]:
    """Trains every setting with every seed; a finished run is not trained again. Returns the workdirs of each setting."""
    folders = []
    total = len(settings) * options.seeds
    for place, setting in enumerate(settings):
        group = []
        for seed in range(options.seeds):
            number = place * options.seeds + seed + 1
            console.rule(f"{number} of {total}: {setting.title}, seed {seed}")
            folder = options.output / setting.name / f"seed_{seed}"
            wanted = replace(setting.change(config), seed=seed)
            if not is_finished(folder, wanted):
                p2p_jax.train(wanted, folder, console=console)
            group.append(folder)
        folders.append(group)
    return folders


def is_finished(folder: Path, wanted: Config) -> bool:
    """Whether a run of these settings has its report, so that it need not be opened and evaluated again."""
    figures = folder / "report" / "figures.json"
    if not figures.is_file():
        return False
    stored = load_experiment(folder).config
    # What the wanted config leaves open was decided when the run started.
    found = differences(resolve_files(wanted), stored).values()
    changed = [old for old, _, may_change in found if old is not None and not may_change]
    return not changed and json.loads(figures.read_bytes()).get("step") == stored.steps


def measure(folders: Sequence[Sequence[Path]], segmenter: Path | None) -> dict[str, Measured]:
    """Measures all runs on the same pictures: on the built-in facades those of the first seed, new to all runs.

    Returns:
        the figures of pairs by their names.
    """
    paths = [folder for group in folders for folder in group]
    runs = open_runs([str(path) for path in paths], paths, data_path=None, trust=False, build=None)
    common = find_common(runs, None)
    finder = None if segmenter is None else load_segmenter(segmenter, runs[0].config)
    chosen = [each for each in choose_metrics(runs[0].config.data.target, None, None)[0] if each.of == "pair"]
    columns, tables = [], []
    for place, run in enumerate(runs):
        predictor = {"translator": scaled(p2p_jax.load(run.folder), run.config.data.target)}
        train = common.datasets[place].splits["train"]
        subject = Subject(run.config, common.pairs(place), train, predictor, None, [])
        own, rows, _ = score_pairs(subject, chosen, lambda done, total: None)
        if finder is not None:
            of_labels, found = count_found(subject, finder)
            own, rows = of_labels._replace(names=own.names), np.concatenate([rows, found[:, :-1]], -1)
        columns.append(own)
        tables.append(rows[:, 0])
    return measure_runs(columns[0], tables)[0]


def _table(study: Study, trained: Trained, found: dict[str, Measured]) -> Table:
    """Means over the seeds, with the difference to the first setting and its 95 % interval over pictures and seeds."""
    first, *others = trained.groups
    table = Table("", "better", *(setting.title for setting in trained.settings), title=study.title)
    for name, figure in found.items():
        metric = find_metric(name)
        cells = [f"{figure.values[first].mean():.{metric.digits}f}"]
        for group in others:
            cells.append(_cell(figure.values[group].mean(), contrast(figure, first, group), metric.digits))
        table.add_row(metric.title, metric.best, *cells)
    return table


def _cell(value: float, found: Contrast, digits: int) -> str:
    interval = found.difference.interval
    if interval is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f}\n{interval.low:+.{digits}f} to {interval.high:+.{digits}f}"


_ANSWERS = {"better": "holds here", "worse": "does not hold here: it is the other way round"}
_ANSWERS_LITTLE = {
    "better": "does not hold here: it is clearly better",
    "worse": "does not hold here: it is clearly worse",
    "no difference": "fits what is seen here: the interval of the difference holds 0",
}


def _judge(study: Study, finding: Finding, trained: Trained, found: dict[str, Measured]) -> str:
    """Says by which metrics a finding holds here."""
    groups = trained.groups
    verdicts: dict[str, list[str]] = {}
    for name in study.metrics:
        if name not in found:
            continue
        each = contrast(found[name], groups[finding.worse], groups[finding.better])
        word = verdict(name, each.difference)
        verdicts.setdefault(str(word), []).append(find_metric(name).title)
    if not verdicts:
        return f"The paper: {finding.said} This cannot be told, because no metric of this table was measured."
    title = find_metric(next(name for name in study.metrics if name in found)).title
    holds = next(word for word, titles in verdicts.items() if title in titles)
    answer = (_ANSWERS_LITTLE if finding.little else _ANSWERS).get(holds, f"cannot be told from {len(groups[0])} seeds")
    parts = "; ".join(f"{word} by {', '.join(titles)}" for word, titles in verdicts.items())
    return f"The paper: {finding.said} By {title} this {answer} ({parts}; 95 % intervals over pictures and seeds)."


def _as_json(trained: Trained, found: dict[str, Measured], sentences: Sequence[str]) -> dict[str, Any]:
    """The figures of each run, the differences to the first setting, and the findings."""
    first, *others = trained.groups
    rows: dict[str, Any] = {}
    for setting, group in zip(trained.settings, (first, *others), strict=True):
        rows[setting.name] = {}
        for name, figure in found.items():
            rows[setting.name][name] = {"of_seeds": figure.values[group].tolist()}
            if group != first:
                rows[setting.name][name] |= contrast(figure, first, group).difference._asdict()
    return {"settings": rows, "findings": list(sentences)}


def main(study: Study) -> int:
    """Runs a study as a command; returns the exit code."""
    name = f"python -m experiments.paper.{study.name}"

    def run(argv: list[str]) -> int:
        options = parse(Options, argv, name)
        compilation_cache.turn_on()  # the seeds of a setting share their programs
        return run_study(study, options)

    return run_command(run, sys.argv[1:], name)
