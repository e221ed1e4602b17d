"""What a run knows of itself from its rows of metrics: whether it still improves, and what seems to be wrong.

Nothing else is stored for this: a resumed run reads the rows again that were written up to its checkpoint.
"""

import shlex
import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

from p2p_jax.config import Config
from p2p_jax.config.metric_names import figure_name, plain_name, score_of
from p2p_jax.devices import processes
from p2p_jax.errors import PROGRAM
from p2p_jax.evaluation.diagnoses import FIGURES, diagnose
from p2p_jax.training.run import Run
from p2p_jax.workdir.bucket.paths import display_name
from p2p_jax.workdir.metrics_file import Row, read_rows


class Best(NamedTuple):
    """The best validation so far.

    Attributes:
        step: of the validation.
        value: of the chosen metric.
        since: number of validations after it, none of which was better.
        last: value of the last validation.
    """

    step: int
    value: float
    since: int
    last: float


def next_best(metric: str, best: Best | None, figures: Row) -> Best | None:
    """Returns the best validation after one more; of equal ones the first is the best.

    Args:
        metric: its name.
        best: of the validations before, or None.
        figures: of the validation, with its step. One without the metric, or where it is not finite, does not count.
    """
    name = figure_name(metric)
    score = score_of(metric, figures)
    if score is None:
        return best
    value, before = figures[name], score_of(metric, {name: best.value}) if best else None
    if best is None or before is None or score > before:
        return Best(int(figures["step"]), value, 0, value)
    return best._replace(since=best.since + 1, last=value)


@dataclass
class Watch:
    """The rows of a run so far, and what was said about them.

    Attributes:
        config: of the run.
        best: the best validation so far; the same in all processes, as `validations`.
        validations: the step and the chosen metric of every validation.
        rows: the figures that diagnoses need, in the first process only.
        said: kinds of diagnoses that were printed.
        lacks_metric: whether no pair of the last validation had the chosen metric.
    """

    config: Config
    best: Best | None = None
    validations: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    lacks_metric: bool = False

    @property
    def over(self) -> Best | None:
        """The best validation if the run is to end because too many after it were no better, else None."""
        best, patience = self.best, self.config.patience
        return best if best is not None and patience is not None and best.since >= patience else None

    def note(self, row: Row) -> None:
        """Adds a row."""
        name = figure_name(self.config.best_metric)
        if name in row:
            self.add_validation({"step": row["step"], name: row[name]})
        self.lacks_metric = name not in row and "val_l1" in row
        if processes.is_first():
            self.rows.append({each: value for each, value in row.items() if each in FIGURES or each == name})

    def add_validation(self, figures: Row) -> None:
        """Adds the chosen metric of a validation."""
        self.validations.append(figures)
        self.best = next_best(self.config.best_metric, self.best, figures)

    def new_sentences(self) -> list[str]:
        """What the rows so far say, without the kinds of sentences that have been returned before."""
        found = {each.kind: each.sentence for each in diagnose(self.rows, self.config)}
        if self.lacks_metric:
            metric = plain_name(self.config.best_metric)
            found["metric"] = (
                f"No validation pair has a value of {metric}, so no checkpoint can be the best by it: give another "
                "--best-metric."
            )
        new = [sentence for kind, sentence in found.items() if kind not in self.said]
        self.said |= set(found)
        return new


def open_watch(run: Run) -> Watch:
    """Makes the watch of a run that begins or resumes; all processes must call it. Later rows have been removed already."""
    config = run.experiment.config
    watch, name = Watch(config), figure_name(config.best_metric)
    if processes.is_first():
        with warnings.catch_warnings(action="ignore"):  # removing later rows has warned of damaged lines
            rows = read_rows(run.workdir / "metrics.jsonl")
        for row in rows:
            watch.note(row)
        watch.new_sentences()  # were printed before the run was stopped
    shared = processes.gather_lines([f"{row['step']:.0f} {row[name]!r}" for row in watch.validations])
    if not processes.is_first():
        for step, value in map(str.split, shared):
            watch.add_validation({"step": int(step), name: float(value)})
    return watch


def explain_end(run: Run, best: Best, step: int) -> str:
    """Says in a sentence why a run ended early, what was best, and what to do next."""
    config = run.experiment.config
    count = "the last validation was" if best.since == 1 else f"the last {best.since} validations were"
    return (
        f"The run ended at step {step} of {config.steps} by --patience {config.patience}: {count} no better than that of "
        f"step {best.step}, whose checkpoint is kept ({figure_name(config.best_metric)} {best.value:.4g}, and "
        f"{best.last:.4g} at the end); to translate with it: {PROGRAM} translate "
        f"{shlex.quote(display_name(run.workdir))} PICTURES --output translated --checkpoint best; to train longer, give a "
        "higher --patience."
    )
