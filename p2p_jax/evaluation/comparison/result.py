"""The result of a comparison."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from p2p_jax.evaluation.comparison.costs import Cost
from p2p_jax.evaluation.comparison.statistics import Contrast
from p2p_jax.evaluation.evaluate import finite
from p2p_jax.evaluation.explain import Verdict, verdict
from p2p_jax.evaluation.intervals import Interval
from p2p_jax.evaluation.metrics.trained import find_metric

Scope = Literal["one setting", "these pictures", "pictures and seeds"]
"""What differences say. one setting: the runs differ only in their seed, so no setting is better; these pictures: another
training run may change them; pictures and seeds: the intervals hold both sources of chance."""


class ComparedRun(NamedTuple):
    """One of the runs.

    Attributes:
        name: short.
        setting: the letter of its setting.
        seed: of its config.
        step: of its checkpoint.
        figures: {metric: value} on the common pictures.
        intervals: {metric: 95 % interval} over pictures, of those that have one.
        cost: until the checkpoint.
        measured: whether the figures were measured now, and are not from the run's report.
    """

    name: str
    setting: str
    seed: int
    step: int
    figures: dict[str, float]
    intervals: dict[str, Interval]
    cost: Cost
    measured: bool


class ComparedSetting(NamedTuple):
    """Runs that differ in nothing but the seed.

    Attributes:
        letter: "A", "B", … in the order of the runs.
        runs: their names.
        values: {field: value} of the fields that differ between the settings.
        means: {metric: mean of the runs' figures}.
        seed_spread: {metric: standard deviation of the runs' figures}; {} for a single run.
        picture_errors: {metric: standard error of the mean figure that comes from the choice of the pictures}.
    """

    letter: str
    runs: tuple[str, ...]
    values: dict[str, Any]
    means: dict[str, float]
    seed_spread: dict[str, float]
    picture_errors: dict[str, float]


class Contrasts(NamedTuple):
    """The differences between two settings, or between two runs of one setting.

    Attributes:
        first: the letter of the first setting, or the name of the first run.
        second: of the second.
        scope: what the differences say.
        metrics: {metric: difference}, second less first.
        means: {metric: the means of both}.
    """

    first: str
    second: str
    scope: Scope
    metrics: dict[str, Contrast]
    means: dict[str, tuple[float, float]]

    def verdict(self, name: str) -> Verdict | None:
        """Whether the second is better by a metric; None if nothing can be said, as of two runs of one setting.

        A metric that is best near 1 decides only if both are below 1, so that the larger one is nearer, or both above.
        """
        difference = self.metrics[name].difference
        if self.scope == "one setting" or difference.interval is None or find_metric(name).best != "near 1":
            return None if self.scope == "one setting" else verdict(name, difference)
        if not difference.interval.excludes_zero():
            return "no difference"
        first, second = (mean - 1 for mean in self.means[name])
        return ("better" if abs(second) < abs(first) else "worse") if first * second > 0 else None

    def won(self, name: str) -> float | None:
        """The fraction of pictures on which the second is better, equal ones counted half; None as for `verdict`."""
        won, best = self.metrics[name].difference.won, find_metric(name).best
        if self.scope == "one setting":
            return None
        return None if won != won or best == "near 1" else won if best == "higher" else 1 - won


class Comparison(NamedTuple):
    """How runs differ, measured on the same pictures.

    Attributes:
        split: "train", "val" or "test".
        names: of the pictures.
        runs: in the order in which they were given.
        settings: groups of runs that differ in nothing but their seed.
        contrasts: of each setting against the first one; if there is a single setting, of each run against the first.
        verdicts: the results in sentences.
        notes: sentences on what was measured, and what was not.
        page: the page that was written, if any.
    """

    split: str
    names: tuple[str, ...]
    runs: tuple[ComparedRun, ...]
    settings: tuple[ComparedSetting, ...]
    contrasts: tuple[Contrasts, ...]
    verdicts: tuple[str, ...]
    notes: tuple[str, ...]
    page: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The comparison in the form of `compare --json`."""
        runs = [run._asdict() | {"cost": run.cost._asdict()} for run in self.runs]
        return finite({
            "split": self.split, "pairs": len(self.names), "names": self.names, "runs": runs,
            "settings": [setting._asdict() for setting in self.settings],
            "contrasts": [_contrasts_as_json(each) for each in self.contrasts],
            "verdicts": self.verdicts, "notes": self.notes, "page": None if self.page is None else str(self.page),
        })  # fmt: skip


def _contrasts_as_json(found: Contrasts) -> dict[str, Any]:
    metrics = {
        name: {
            "difference": each.difference.value,
            "interval": each.difference.interval,
            "seed_error": each.seed_error,
            "picture_error": each.picture_error,
            "won": found.won(name),
            "verdict": found.verdict(name),
        }
        for name, each in found.metrics.items()
    }
    return {"first": found.first, "second": found.second, "scope": found.scope, "metrics": metrics}
