"""The report of a run: pages of HTML that need no other file and send no request."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.data.pairs import Example
from p2p_jax.devices import processes
from p2p_jax.evaluation import evaluate, explain, scoring
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.pages import about, closing, curves, pictures
from p2p_jax.evaluation.pages.parts import folded, interactive_document, navigation
from p2p_jax.evaluation.pages.ranking import rank, scores_of_pairs
from p2p_jax.evaluation.samples import sample_columns, save_grid
from p2p_jax.experiment import Experiment
from p2p_jax.files.writing import make_own_folder, write_text
from p2p_jax.workdir.metrics_file import read_rows
from p2p_jax.workdir.record import read_record

IN_GRID = 12
"""Pairs in report/test.png."""

FURTHER_PAGE = re.compile(r"pictures-(\d{1,6})\.html")
"""The name of a page with further pairs, with its number."""


def write_report(
    workdir: Path, experiment: Experiment, translate: scoring.Translate, step: int
) -> tuple[Path, evaluate.Figures]:
    """Evaluates a run and writes WORKDIR/report: index.html, pictures-2.html and so on, test.png and figures.json.

    With several processes, all evaluate and the first one writes.

    Args:
        workdir: of the run.
        experiment: with its resolved config.
        translate: the translator.
        step: of the checkpoint from which the translator was loaded.

    Returns:
        the path of the page, and the figures.
    """
    folder = workdir / "report"
    page = folder / pictures.page_name(1)
    config = experiment.config
    figures = evaluate.evaluate_translator(config, translate, step=step)
    if not processes.is_first():
        return page, figures
    make_own_folder(folder)
    write_text(folder / "figures.json", json.dumps(figures.as_json(), indent=2) + "\n")
    pairs = open_dataset(config).splits[figures.split]

    def read(indices: Sequence[int]) -> tuple[list[Example], list[Any]]:
        examples = [pairs.read(index, fit_of_evaluation(config)) for index in indices]
        return examples, evaluate.translate_all(translate, examples)

    examples, outputs = read(range(min(IN_GRID, pairs.count())))
    save_grid(folder / "test.png", sample_columns(examples, outputs, config.data))
    scores = scores_of_pairs(figures, config.data.target)
    ranking = rank(scores, figures.pairs)
    size = examples[0]["target"].shape[:2]
    pages = pictures.split_into_pages(ranking.order, size)
    gallery = pictures.Gallery(figures.names, scores, ranking, config.data, read, pages)
    title = f"p2p_jax: {experiment.name}"
    for number in range(2, len(pages) + 1):
        write_text(folder / pictures.page_name(number), _further_page(title, gallery, number))
    write_text(page, _first_page(workdir, experiment, figures, gallery, title))
    _remove_old_pages(folder, len(pages))
    return page, figures


def _remove_old_pages(folder: Path, number: int) -> None:
    """Removes pages of an older report that had more pairs."""
    for path in folder.glob("pictures-*.html"):
        found = FURTHER_PAGE.fullmatch(path.name)
        if found and int(found[1]) > number and path.is_file() and not path.is_symlink():
            path.unlink()


def _first_page(
    workdir: Path, experiment: Experiment, figures: evaluate.Figures, gallery: pictures.Gallery, title: str
) -> str:
    config, record, rows = experiment.config, read_record(workdir), read_rows(workdir / "metrics.jsonl")
    charts, times = curves.charts_of(rows), about.times(rows)
    places = {"figures": "Figures", "curves": "Curves", "pictures": "Pictures", "growth": "Over the training"}
    places |= {"settings": "Settings", "run": "Run"} | ({"time": "Time"} if times else {})
    body = [
        f"<h1>{escape(title)}</h1>",
        about.run_line(config, rows, describe_data(config.data), figures.step),
        *about.skipped_batches(rows),
        navigation(places),
        '<h2 id="figures">Figures</h2>',
        _figures_table(figures),
        _remarks(figures),
        *about.diagnoses(rows, config),
        '<h2 id="curves">Curves</h2>',
        curves.section(charts),
        f"<h2 id=\"pictures\">Pictures of the split '{figures.split}'</h2>",
        _shown(gallery),
        pictures.links(gallery, 1),
        pictures.section(gallery, 1),
        pictures.links(gallery, 1),
        pictures.table_of_values(gallery),
        *closing.sections(workdir, config, record, times),
    ]
    return interactive_document(title, body, {"charts": curves.as_data(charts), **pictures.as_data(gallery, 1)})


def _further_page(title: str, gallery: pictures.Gallery, number: int) -> str:
    title = f"{title}, pictures, page {number} of {len(gallery.pages)}"
    body = [
        f"<h1>{escape(title)}</h1>",
        '<p><a href="index.html">Back to the report</a></p>',
        pictures.links(gallery, number),
        pictures.section(gallery, number),
        pictures.links(gallery, number),
    ]
    return interactive_document(title, body, {"charts": [], **pictures.as_data(gallery, number)})


def _shown(gallery: pictures.Gallery) -> str:
    """A sentence where not all pairs are shown."""
    shown, total = sum(map(len, gallery.pages)), len(gallery.names)
    return f"<p>The first {shown} of {total} pairs in this order are shown.</p>" if shown < total else ""


def _figures_table(figures: evaluate.Figures) -> str:
    titles, *rows = explain.figures_table(figures)
    lines = [
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f'<td class="number">{escape(value)}</td>' for value in values)
        + f"<td>{best}</td></tr>"
        for name, *values, best in rows
    ]
    heads = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Figures">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _remarks(figures: evaluate.Figures) -> str:
    """The first remark, on what was measured, and the last one, the advice, are open; the others are folded."""
    first, *others, advice = explain.remarks(figures)
    folded_ones = folded("What the figures mean", "".join(f"<p>{escape(remark)}</p>" for remark in others))
    return f"<p>{escape(first)}</p><p>{escape(advice)}</p>{folded_ones}"
