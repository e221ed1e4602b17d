"""Messages to the user about a training run."""

import shlex
import sys
import traceback
import warnings
from pathlib import Path

import jax
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from p2p_jax.config import Config
from p2p_jax.console import count_of
from p2p_jax.data.loading import Reader, batches
from p2p_jax.data.pairs import Replacing
from p2p_jax.devices import processes
from p2p_jax.errors import PROGRAM, NotFinite, Stopped, UserError
from p2p_jax.evaluation.diagnoses import diagnose
from p2p_jax.evaluation.evaluate import Figures
from p2p_jax.evaluation.explain import figures_table, remarks
from p2p_jax.files.names import printable
from p2p_jax.files.writing import write_text
from p2p_jax.training.run import Run
from p2p_jax.workdir.bucket.paths import display_name
from p2p_jax.workdir.disk import explain
from p2p_jax.workdir.metrics_file import read_rows
from p2p_jax.workdir.own_files import REPLACED

STOPPING = "stopping after this step and saving (during compilation: after the first step); press Ctrl-C again to end now."

MAX_NAMED = 10  # most pairs that a message names


ARROWS = {"lower": "↓", "higher": "↑", "near 1": "→ 1"}
"""What is better, in the table of figures."""


def explain_not_finite(run: Run, fault: NotFinite) -> Stopped:
    """Returns the exception that ends a run whose losses or networks are no longer finite."""
    kept = run.manager.latest_step()
    kept = "no checkpoint had been written yet" if kept is None else f"the checkpoint of step {kept} is kept"
    tried = f" though {count_of(len(run.skipped), 'batch')} had been skipped before" if run.skipped else ""
    return Stopped(
        f"{fault}{tried}, so training stopped; {kept}. Try a lower --optimizer.learning-rate, --optimizer.clip 1, or "
        "--dtype float32.",
        1,
    )


def name_pairs(run: Run, reader: Reader, index: int) -> str:
    """Returns the names of the first pairs of a batch."""
    config = run.experiment.config
    only = batches(reader, seed=config.seed, batch_size=config.batch_size, start=index, threads=0, read=False)
    names = [reader.pairs.name(int(pair)) for pair in next(only)["index"]]
    return ", ".join(names[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")


def announce_run(run: Run, used: int) -> None:
    """Prints the experiment, the number of steps, the devices and the workdir.

    Args:
        run: the run that begins.
        used: number of devices that the run uses.
    """
    config, devices = run.experiment.config, jax.devices()
    splits = ", ".join(f"{pairs.count()} {name}" for name, pairs in run.dataset.splits.items())
    kind = devices[0].device_kind
    where = f"{used} x {kind}" + (f" of {processes.count()} processes" if processes.count() > 1 else "")
    run.console.print(
        f"{run.experiment.name}: {splits} pairs, {config.steps} steps on {where}, in {display_name(run.workdir)}"
    )
    for note in run.dataset.notes:
        run.console.print(note, style="yellow")
    if spoiled := explain_shared_statistics(config):
        run.console.print(spoiled, style="yellow")
    if used < len(devices):
        part = f"{'batch' if config.accumulate == 1 else 'micro-batch'} of {config.batch_size // config.accumulate}"
        run.console.print(
            f"{used} of {len(devices)} devices are used: a {part} cannot be split over more; "
            f"give --batch-size {len(devices) * config.accumulate} or a multiple of it.",
            style="yellow",
        )


def explain_shared_statistics(config: Config) -> str | None:
    """A sentence on penalties that batch norm spoils, because a picture's gradient then depends on other pictures, or None.

    Such a run is not refused: at batch size 1, which is the default, batch norm does no harm.
    """
    options, pairs, loss = config.discriminator, config.batch_size // config.accumulate, config.loss
    sharing = {"batch": pairs, "group": options.group_size or pairs}.get(options.statistics, 1)
    gradient_penalty = loss.adversarial == "wasserstein" if loss.gradient_penalty is None else loss.gradient_penalty
    weights = {"the gradient penalty": gradient_penalty, "R1": loss.r1, "R2": loss.r2}
    given = [name for name, weight in weights.items() if weight]
    if not given or options.norm != "batch" or sharing == 1:
        return None
    return (
        f"Batch norm in the discriminator uses the statistics of {sharing} pairs together, which spoils "
        f"{' and '.join(given)}, meant for gradients of single pictures: give --discriminator.norm instance or none."
    )


def report_replaced(run: Run) -> None:
    """Lists the unreadable pairs that were replaced by others: the first on the console, all in WORKDIR/replaced.txt."""
    replaced = [some.skipped for some in run.dataset.splits.values() if isinstance(some, Replacing)]
    own = [printable(skipped[index]) for skipped in replaced for index in sorted(skipped)]
    sentences = processes.gather_lines(own)
    if not sentences or not processes.is_first():
        return
    path = run.workdir / REPLACED
    write_text(path, "".join(f"{sentence}\n" for sentence in sentences))
    were = "was" if len(sentences) == 1 else "were"
    run.console.print(f"{count_of(len(sentences), 'pair')} could not be read and {were} replaced:", style="yellow")
    for sentence in sentences[:MAX_NAMED]:
        run.console.print(f"  {sentence}", style="yellow")
    if len(sentences) > MAX_NAMED:
        run.console.print(
            f"  and {len(sentences) - MAX_NAMED} more; all are named in {display_name(path)}.", style="yellow"
        )


def announce_stop() -> None:
    """Answers the first Ctrl-C, SIGTERM or SIGHUP at once."""
    print(f"{PROGRAM}: {STOPPING}", file=sys.stderr, flush=True)


def print_figures(console: Console, figures: Figures, *, brief: bool = False) -> None:
    """Prints the figures of the translator and of the baselines as a table, and sentences on them.

    Args:
        console: to print on.
        figures: of the translator.
        brief: omit what each metric and each baseline means.
    """
    titles, *rows = figures_table(figures)
    # The better values are shown by an arrow after the title, because the table shall fit into 80 columns.
    title = f"{figures.pairs} pairs of the split '{figures.split}', step {figures.step}"
    table = Table(titles[0], box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    for column, name in enumerate(titles[1:-1], start=1):  # the titles are broken into lines, but no number is
        widest = max(len(row[column]) for row in rows)
        table.add_column(name, min_width=widest, max_width=max(widest, 10 if column == 1 else 8))
    for title, *cells, best in rows:
        table.add_row(f"{title} {ARROWS[best]}", *cells)
    console.print(table)
    for remark in remarks(figures, brief=brief):
        console.print(remark)


def warn_of_report(run: Run, error: Exception) -> None:
    """Warns that a finished run has no report, and names the command that writes it."""
    if isinstance(error, UserError):
        reason = str(error)
    elif (reason := explain(error)) is None:
        traceback.print_exception(error)
        reason = f"{type(error).__name__}: {error}.".replace(str(run.held.path), str(run.workdir))
    command = f"{PROGRAM} report {shlex.quote(display_name(run.workdir))}"
    warnings.warn(
        f"the run is finished and saved, but its report was not written: {reason} Then write it with: {command}",
        stacklevel=2,
    )


def print_diagnoses(run: Run) -> None:
    """Repeats what seemed wrong with the run while it was trained."""
    with warnings.catch_warnings(action="ignore"):  # damaged lines were named before
        rows = read_rows(run.workdir / "metrics.jsonl")
    for diagnosis in diagnose(rows, run.experiment.config):
        run.console.print(diagnosis.sentence, style="yellow")


def print_next_commands(run: Run, page: Path | None, *, best: bool = False) -> None:
    """Prints where the report is, if there is one, and the command that translates pictures with the trained run.

    Args:
        run: the run.
        page: of the report.
        best: whether the command uses the best checkpoint in place of the latest one.
    """
    workdir = shlex.quote(display_name(run.workdir))
    if page is not None:
        run.console.print(f"Report: {display_name(page)}")
    chosen = " --checkpoint best" if best else ""
    run.console.print(f"Translate pictures: {PROGRAM} translate {workdir} PICTURES --output translated{chosen}")
