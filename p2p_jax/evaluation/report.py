"""The report of a run: one page of HTML that needs no other file."""

import base64
import hashlib
import html
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from p2p_jax import config as configs
from p2p_jax.config.derived import as_size
from p2p_jax.config.metric_names import BETTER, figure_name
from p2p_jax.config.tree import to_dict
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.devices import processes
from p2p_jax.evaluation import evaluate, explain, scoring
from p2p_jax.evaluation.diagnoses import AGREEMENT, VARIATION, diagnose
from p2p_jax.evaluation.metrics.registry import METRICS
from p2p_jax.evaluation.samples import sample_columns, save_grid
from p2p_jax.evaluation.scoring import VALIDATION
from p2p_jax.experiment import Experiment
from p2p_jax.files.names import printable
from p2p_jax.files.writing import atomic_file, make_own_folder, write_text
from p2p_jax.workdir.cleaning import find_samples
from p2p_jax.workdir.metrics_file import read_rows, time_fractions
from p2p_jax.workdir.record import read_record

SHOWN = 12  # number of pairs of the split that the page shows


CURVES = {
    "Generator: distance to the target (L1)": ("generator_l1", "val_l1"),
    "Adversarial losses": ("generator_gan", "discriminator_loss"),
    "Discriminator: fraction judged correctly": ("discriminator_real_accuracy", "discriminator_fake_accuracy"),
    "Structural similarity on validation pairs": ("val_ssim",),
    **{f"{METRICS[name].title} on validation pairs": (figure_name(name),) for name in METRICS if name not in VALIDATION},
    **{f"{name} on validation pairs": (figure_name(name),) for name in BETTER if name not in METRICS},
    "Sample grids: outputs compared with targets": (VARIATION, AGREEMENT),
    "Learning rate": ("learning_rate", "discriminator_learning_rate"),
    "Pictures per second": ("pictures_per_second",),
}


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1, h2 { line-height: 1.2; } img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
table { border-collapse: collapse; } td, th { padding: .25rem .75rem; border-bottom: 1px solid #ccc; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } figcaption { color: #444; }
.wide { overflow-x: auto; } .pixels { image-rendering: pixelated; }
"""


# The page shows its own pictures and has its own style. Everything else is forbidden: scripts, forms, other files.
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"

LARGEST_SAMPLE = 2**26  # bytes of a sample grid that the page shows


def write_report(
    workdir: Path, experiment: Experiment, translate: scoring.Translate, step: int
) -> tuple[Path, evaluate.Figures]:
    """Evaluates a run and writes WORKDIR/report: index.html, curves.png, test.png and figures.json.

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
    page = folder / "index.html"
    config = experiment.config
    figures = evaluate.evaluate_translator(config, translate, step=step)
    if not processes.is_first():
        return page, figures
    make_own_folder(folder)
    write_text(folder / "figures.json", json.dumps(figures.as_json(), indent=2) + "\n")
    pairs = open_dataset(config).splits[figures.split]
    examples = [pairs.read(index, fit_of_evaluation(config)) for index in range(min(SHOWN, pairs.count()))]
    save_grid(folder / "test.png", sample_columns(examples, evaluate.translate_all(translate, examples), config.data))
    rows = read_rows(workdir / "metrics.jsonl")
    plot_curves(rows, folder / "curves.png")
    write_text(page, _page(workdir, experiment, figures, rows))
    return page, figures


def plot_curves(rows: list[dict[str, float]], path: Path) -> None:
    """Plots the metrics over the steps, one small plot for each group of `CURVES` that has values."""
    from matplotlib.figure import Figure

    groups = {title: [name for name in names if any(name in row for row in rows)] for title, names in CURVES.items()}
    groups = {title: names for title, names in groups.items() if names}
    figure = Figure(figsize=(11, 3 * max(1, -(-len(groups) // 2))), layout="constrained")
    for index, (title, names) in enumerate(groups.items(), start=1):
        axes = figure.add_subplot(-(-len(groups) // 2), 2, index)
        for name, style in zip(names, ("-", "--"), strict=False):
            points = [(row["step"], row[name]) for row in rows if name in row]
            marker = "o" if len(points) < 20 else None
            axes.plot(*zip(*points, strict=True), style, marker=marker, markersize=3, label=name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with atomic_file(path) as file:
        figure.savefig(file, dpi=110, format="png")


def _page(workdir: Path, experiment: Experiment, figures: evaluate.Figures, rows: list[dict[str, float]]) -> str:
    config, record = experiment.config, read_record(workdir)
    title = f"p2p_jax: {experiment.name}"
    rates = [row["pictures_per_second"] for row in rows if "pictures_per_second" in row]
    rate = np.median(rates) if rates else None
    speed = f", {rate:.1f} pictures per second" if rate else ""
    body = [
        f"<h1>{_escape(title)}</h1>",
        f"<p>{figures.step} steps of batch {config.batch_size} at {_size(config)} pixels on "
        f"{_escape(describe_data(config.data))}, direction {_escape(config.data.direction)}{speed}.</p>",
        "<h2>Figures</h2>",
        _figures_table(figures),
        *(f"<p>{_escape(remark)}</p>" for remark in explain.remarks(figures)),
        *_diagnoses(rows, config),
        f"<h2>Pictures of the split '{figures.split}'</h2>",
        _picture(workdir / "report" / "test.png", "Columns: input, output of the translator, target."),
        "<h2>Curves</h2>",
        _picture(workdir / "report" / "curves.png", "Losses and other metrics against training steps."),
        *_time_table(rows),
        *_skipped_batches(rows),
        "<h2>The same pairs over time</h2>",
        *_samples(workdir),
        "<h2>Config</h2>",
        _table(_flatten(to_dict(config))),
        "<h2>Versions</h2>",
        _table(record["versions"]),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _escape(value: object) -> str:
    """A value as text that cannot become markup, a control character, or an error of encoding."""
    return html.escape(printable(value))


def _samples(workdir: Path) -> list[str]:
    """The figures of at most 5 sample grids; a file that is no PNG is skipped, with a warning."""
    figures = []
    for path, step in _spread(list(find_samples(workdir).items()), 5):
        try:
            figures.append(_picture(path, f"Step {step}: input, output, target."))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            warnings.warn(f"{path} is not a sample grid that can be shown: the report omits it.", stacklevel=2)
    return figures


def _size(config: configs.Config) -> str:
    height, width = as_size(config.image_size)
    return str(height) if height == width else f"{height} x {width}"


def _figures_table(figures: evaluate.Figures) -> str:
    titles, *rows = explain.figures_table(figures)
    lines = [
        f"<tr><td>{_escape(name)}</td>"
        + "".join(f'<td class="number">{_escape(value)}</td>' for value in values)
        + f"<td>{best}</td></tr>"
        for name, *values, best in rows
    ]
    heads = "".join(f"<th>{_escape(title)}</th>" for title in titles)
    return f'<div class="wide"><table><tr>{heads}</tr>{"".join(lines)}</table></div>'


def _time_table(rows: list[dict[str, float]]) -> list[str]:
    percentages = {name: f"{100 * fraction:.1f} %" for name, fraction in time_fractions(rows).items()}
    minutes = sum(row.get("seconds", 0.0) for row in rows) / 60
    return (
        ["<h2>Where the time went</h2>", _table(percentages), f"<p>Total: {minutes:.1f} minutes.</p>"]
        if percentages
        else []
    )


def _skipped_batches(rows: list[dict[str, float]]) -> list[str]:
    number = int(rows[-1].get("left_out", 0)) if rows else 0
    return [f"<p>Batches skipped, because losses or networks were not finite after them: {number}.</p>"] if number else []


def _diagnoses(rows: list[dict[str, float]], config: configs.Config) -> list[str]:
    found = [f"<p>{_escape(diagnosis.sentence)}</p>" for diagnosis in diagnose(rows, config)]
    return ["<h2>What seems wrong</h2>", *found] if found else []


def _table(values: dict[str, Any]) -> str:
    rows = (f"<tr><td>{_escape(k)}</td><td>{_escape(str(v))}</td></tr>" for k, v in values.items())
    return f"<table>{''.join(rows)}</table>"


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _spread(items: list[tuple[Path, int]], count: int) -> list[tuple[Path, int]]:
    """At most `count` of the items, evenly spaced, with the first and the last."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _picture(path: Path, caption: str) -> str:
    if path.stat().st_size > LARGEST_SAMPLE:
        raise ValueError(f"{path} is too large.")
    data = path.read_bytes()
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return (
        f'<figure class="wide"><img src="{source}" width="{width}" height="{height}" alt="{_escape(caption)}">'
        f"<figcaption>{_escape(caption)}</figcaption></figure>"
    )
