"""The page of a comparison: one file of HTML that needs no other file and no script."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from p2p_jax.evaluation.comparison import sentences
from p2p_jax.evaluation.comparison.candidates import Candidate, Common
from p2p_jax.evaluation.comparison.curves import Curve, draw_curves, key
from p2p_jax.evaluation.comparison.pictures import Strip, choose, draw, scores_of
from p2p_jax.evaluation.comparison.result import Comparison, Contrasts
from p2p_jax.evaluation.comparison.statistics import Measured
from p2p_jax.evaluation.comparison.style import STYLE
from p2p_jax.evaluation.html import document, escape, titled_table
from p2p_jax.files.outputs import check_outputs
from p2p_jax.files.writing import write_text
from p2p_jax.workdir.metrics_file import read_rows

NAME = "compare.html"
"""The name of the page in the folder that is given for it."""

SMALL = 128  # pixels to which smaller pictures are enlarged, without smoothing

MARKS = {"better": "better", "worse": "worse"}
"""Classes of the style for verdicts; their words say the same without colour."""


class Drawn(NamedTuple):
    """What the page draws.

    Attributes:
        runs: the runs.
        common: the pictures.
        steps: of the runs' checkpoints.
        figures: with the values of single pictures.
        loading: options of `load`.
    """

    runs: Sequence[Candidate]
    common: Common
    steps: Sequence[int]
    figures: Mapping[str, Measured]
    loading: Mapping[str, Any]


def plan_page(output: Path, folders: Sequence[Path], *, overwrite: bool) -> Path:
    """The path of the page, which may be written.

    Args:
        output: a folder, or the page itself if the name ends with .html.
        folders: of the runs.
        overwrite: whether a page that exists may be replaced.

    Raises:
        UserError: the page exists, or cannot be written.
    """
    page = output if output.suffix == ".html" else output / NAME
    read = [folder / "experiment.json" for folder in folders]
    check_outputs(page.parent, {page: read}, existing="replace" if overwrite else "refuse")
    return page


def write_page(path: Path, comparison: Comparison, drawn: Drawn) -> None:
    """Writes the page of a comparison.

    Args:
        path: of the page, from `plan_page`.
        comparison: what to show.
        drawn: the runs, whose outputs are made again for some pictures.

    Raises:
        UserError: a picture cannot be read.
    """
    names = " and ".join(run.name for run in comparison.runs) if len(comparison.runs) < 3 else f"{len(drawn.runs)} runs"
    title = f"p2p_jax: {names} compared"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(comparison.names)} pairs of the split '{escape(comparison.split)}', the same for all runs.</p>",
        '<section class="verdicts"><h2>Result</h2>',
        *(f"<p>{escape(sentence)}</p>" for sentence in comparison.verdicts),
        "</section>",
        *_settings(comparison),
        *(part for each in comparison.contrasts for part in _contrast(each)),
        *_spread(comparison),
        "<h2>Figures of every run</h2>",
        _figures(comparison),
        "<h2>Cost</h2>",
        titled_table(sentences.runs_table(comparison)),
        *(f"<p>{escape(remark)}</p>" for remark in sentences.remarks(comparison)),
        *_curves(comparison, drawn),
        *_pictures(comparison, drawn),
    ]
    write_text(path, document(title, STYLE, body))


def _settings(comparison: Comparison) -> list[str]:
    parts = ["<h2>Settings</h2>", "<ul>"]
    for place, setting in enumerate(comparison.settings):
        parts.append(f"<li>{key(place)} <b>{setting.letter}</b>: {escape(', '.join(setting.runs))}</li>")
    rows = sentences.settings_table(comparison)
    return [*parts, "</ul>", titled_table(rows, "The settings that differ")] if len(rows) > 1 else [*parts, "</ul>"]


def _contrast(found: Contrasts) -> list[str]:
    caption = {
        "one setting": "The difference between two checkpoints of one setting on these pictures: no verdict on a setting",
        "these pictures": "On these pictures, with these checkpoints; the intervals are over pictures alone",
        "pictures and seeds": "The intervals hold the chance of the pictures and of the seeds",
    }[found.scope]
    heading = f"<h2>{escape(found.second)} less {escape(found.first)}</h2>"
    return [heading, titled_table(sentences.contrast_table(found), caption, MARKS)]


def _figures(comparison: Comparison) -> str:
    """The figures of every run, each with its interval in a line of its own where that saves space."""
    unbroken = "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}"
    rows = [[cell.replace(" to ", unbroken) for cell in row] for row in sentences.figures_table(comparison)]
    return titled_table(rows, "In brackets: 95 % intervals over pictures", wraps=True)


def _spread(comparison: Comparison) -> list[str]:
    rows = sentences.spread_table(comparison)
    caption = "How much the figures differ from one training run to the next, and from one choice of pictures to the next"
    return ["<h2>Spread between seeds</h2>", titled_table(rows, caption)] if rows else []


def _curves(comparison: Comparison, drawn: Drawn) -> list[str]:
    letters = [setting.letter for setting in comparison.settings]
    curves = [
        Curve(run.name, run.setting, letters.index(run.setting), read_rows(found.folder / "metrics.jsonl"))
        for run, found in zip(comparison.runs, drawn.runs, strict=True)
    ]
    figures = draw_curves(curves)
    return ["<h2>Training curves</h2>", '<div class="curves">', *figures, "</div>"] if figures else []


def _pictures(comparison: Comparison, drawn: Drawn) -> list[str]:
    choices, metric = choose(comparison, drawn.figures)
    order = sorted(range(len(comparison.runs)), key=lambda place: comparison.runs[place].setting)
    titles = {place: f"{comparison.runs[place].setting}: {comparison.runs[place].name}" for place in order}
    strips = draw(choices, drawn.runs, drawn.common, drawn.steps, titles, drawn.loading)
    shown, number = len({strip.choice.index for strip in strips}), len(comparison.names)
    decided = f", and those with the largest differences by {metric} both ways" if metric else ""
    parts = [
        "<h2>The same pictures side by side</h2>",
        f"<p>{shown} of {number} pairs of {escape(comparison.split)}: the first ones{decided}. Large pictures are stored "
        "with small losses (WebP), except label maps.</p>",
    ]
    reason = ""
    for strip in strips:
        if strip.choice.reason != reason:
            reason = strip.choice.reason
            parts.append(f"<h3>{escape(reason)}</h3>")
        parts.append(
            _strip(strip, comparison.names[strip.choice.index], scores_of(strip.choice, comparison, drawn.figures))
        )
    return parts


def _strip(strip: Strip, name: str, scores: str) -> str:
    figures = []
    for title, (source, width, height) in strip.pictures.items():
        scale = max(1, SMALL // max(width, height))
        pixels = ' class="pixels"' if scale > 1 else ""
        image = (
            f'<img src="{source}" width="{width * scale}" height="{height * scale}"{pixels} '
            f'alt="{escape(f"{title} of {name}")}">'
        )
        figures.append(f"<figure>{image}<figcaption>{escape(title)}</figcaption></figure>")
    heading = f"<h4>{escape(name)}</h4>" + (f'<p class="note">{escape(scores)}</p>' if scores else "")
    return f'<section class="pair">{heading}<div class="strip">{"".join(figures)}</div></section>'
