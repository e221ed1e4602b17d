"""A comparison in sentences and tables."""

from collections.abc import Sequence

from p2p_jax.evaluation.comparison.result import ComparedRun, ComparedSetting, Comparison, Contrasts
from p2p_jax.evaluation.intervals import LEVEL, Interval
from p2p_jax.evaluation.metrics.trained import find_metric

SEEDS = 3
"""Runs of each setting that are advised: with two, the t-quantile is so large that few differences can be found."""

Rows = list[list[str]]
"""A table: a row of titles, then the other rows."""


def verdicts(settings: Sequence[ComparedSetting], contrasts: Sequence[Contrasts]) -> list[str]:
    """The results of a comparison in sentences."""
    if len(settings) == 1:
        names = ", ".join(settings[0].runs)
        return [
            f"No difference between settings: these runs differ only in their seed ({names}).",
            "The spread between seeds is how much the figures of one setting differ from one training run to the next. A "
            "difference between two checkpoints of one setting is luck of their training, not merit.",
        ]
    found = [_verdict(each, settings) for each in contrasts]
    tried = sum(each.verdict(name) is not None for each in contrasts for name in each.metrics)
    by_chance = f"{(1 - LEVEL) * tried:.1f}"
    chance = f"Of {tried} intervals of {LEVEL:.0%}, {by_chance} exclude 0 by chance on average even where nothing differs."
    return [*found, chance] if tried > 1 else found


def _verdict(found: Contrasts, settings: Sequence[ComparedSetting]) -> str:
    first, second = (next(each for each in settings if each.letter == name) for name in (found.first, found.second))
    named: dict[str, list[str]] = {"better": [], "worse": [], "no difference": []}
    for name in found.metrics:
        if (verdict := found.verdict(name)) is not None:
            named[verdict].append(find_metric(name).title)
    parts = [f"{verdict} by {', '.join(named[verdict])}" for verdict in ("better", "worse") if named[verdict]]
    what = (
        f"{second.letter} is {' and '.join(parts)}"
        if parts
        else f"{second.letter} is neither better nor worse by any metric"
    )
    if parts and named["no difference"]:
        what += f"; no difference by {', '.join(named['no difference'])}"
    numbers = f"{len(first.runs)} and {len(second.runs)}"
    if found.scope == "these pictures":
        single = [each.letter for each in (first, second) if len(each.runs) < 2]
        return (
            f"{second.letter} against {first.letter}, on these pictures and with these checkpoints: {what}. Another seed "
            f"may change this, because {' and '.join(single)} {'has' if len(single) == 1 else 'have'} only one: train at "
            f"least {SEEDS} seeds of each (--seed 1, --seed 2, …), and compare all of them at once."
        )
    few = min(len(first.runs), len(second.runs)) < SEEDS
    advice = f" With {SEEDS} seeds of each the intervals would be much narrower." if few else ""
    return (
        f"{second.letter} against {first.letter}: {what}. The intervals hold the chance of the pictures and of the seeds "
        f"({numbers} runs).{advice}"
    )


def remarks(comparison: Comparison) -> list[str]:
    """Explains what the columns of the tables are."""
    several = any(len(setting.runs) > 1 for setting in comparison.settings)
    sentences = [
        "Error of pictures: the standard error that comes from the choice of the pictures. Other pictures of the same kind "
        "would change a figure by about as much."
    ]
    if several:
        sentences.append(
            "Spread of seeds: the standard deviation between runs that differ only in their seed. Another training run "
            "would change a figure by about as much."
        )
    if any(each.won(name) is not None for each in comparison.contrasts for name in each.metrics):
        sentences.append("Wins: the share of pictures on which the second is better; equal ones count half.")
    sentences.append("Seconds depend on the machine and on what else it did: compare them only for runs of the same one.")
    return [*sentences, *comparison.notes]


def runs_table(comparison: Comparison) -> Rows:
    """The runs with their settings, seeds and costs."""
    memory = list(dict.fromkeys(name for run in comparison.runs for name in run.cost.memory))
    rows = [["run", "setting", "seed", "step", "seconds", "pictures/s", *memory]]
    for run in comparison.runs:
        cost = [_number(run.cost.seconds, 0), _number(run.cost.pictures_per_second, 1)]
        memories = [_number(run.cost.memory.get(name), 0) for name in memory]
        rows.append([run.name, run.setting, str(run.seed), str(run.step), *cost, *memories])
    return rows


def settings_table(comparison: Comparison) -> Rows:
    """The fields that differ between settings; only a row of titles if there is one setting."""
    letters = [setting.letter for setting in comparison.settings]
    fields = list(comparison.settings[0].values)
    return [["", *letters], *([name, *(str(each.values[name]) for each in comparison.settings)] for name in fields)]


def figures_table(comparison: Comparison) -> Rows:
    """The figures of every run, with 95 % intervals over pictures."""
    rows = [["", *(f"{run.name} ({run.setting})" for run in comparison.runs), "better"]]
    for name in _metrics(comparison.runs):
        metric = find_metric(name)
        cells = [_with_ends(run, name, metric.digits) for run in comparison.runs]
        rows.append([metric.title, *cells, metric.best])
    return rows


def spread_table(comparison: Comparison) -> Rows:
    """Means of settings, the spread between their seeds, and the error that comes from the pictures."""
    settings = [setting for setting in comparison.settings if len(setting.runs) > 1]
    rows = [["", *(title for each in settings for title in (each.letter, "spread of seeds", "error of pictures"))]]
    for name in _metrics(comparison.runs):
        metric, cells = find_metric(name), []
        for each in settings:
            values = (each.means.get(name), each.seed_spread.get(name), each.picture_errors.get(name))
            cells += [_number(value, metric.digits + place) for value, place in zip(values, (0, 1, 1), strict=True)]
        rows.append([metric.title, *cells])
    return rows if settings else []


def contrast_table(found: Contrasts) -> Rows:
    """The differences between two settings, or between two runs of one setting."""
    one, other = found.first, found.second
    verdict, seeds = found.scope != "one setting", found.scope == "pictures and seeds"
    titles = ["", *([f"{other} is"] if verdict else []), f"{other} - {one}", "95 % interval", one, other]
    titles += [f"{other} wins"] if verdict else []
    rows = [[*titles, *(["error of seeds"] if seeds else []), "error of pictures"]]
    for name, each in found.metrics.items():
        metric, won = find_metric(name), found.won(name)
        digits = metric.digits
        errors = (each.seed_error, each.picture_error) if seeds else (each.picture_error,)
        rows.append([
            metric.title, *([found.verdict(name) or "-"] if verdict else []), f"{each.difference.value:+.{digits}f}",
            _ends(each.difference.interval, digits, "+"), *(_number(mean, digits) for mean in found.means[name]),
            *(["-" if won is None else f"{won:.0%}"] if verdict else []), *(_number(error, digits + 1) for error in errors),
        ])  # fmt: skip
    return rows


def _metrics(runs: Sequence[ComparedRun]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.figures))


def _with_ends(run: ComparedRun, name: str, digits: int) -> str:
    if name not in run.figures:
        return "-"
    ends = run.intervals.get(name)
    return _number(run.figures[name], digits) + (f" ({_ends(ends, digits)})" if ends else "")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def _ends(interval: Interval | None, digits: int, sign: str = "") -> str:
    return "-" if interval is None else f"{interval.low:{sign}.{digits}f} to {interval.high:{sign}.{digits}f}"
