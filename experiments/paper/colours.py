"""The paper's figure 7: whose colours are distributed as those of the targets?

    python -m experiments.paper.colours

It prints the usual table, in which the distance of colours is that of single pictures. It then compares the histograms of
L, a and b over all pictures of the split, as the paper does, and draws them in OUTPUT/SET/colours_histograms.html.

Source: Isola et al. 2017, figure 7: intersections of the histograms of L, a and b with those of the targets, Cityscapes.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

from experiments.paper.distribution_page import Line, render
from experiments.paper.distributions import Distributions, measure_distributions
from experiments.paper.settings import CGAN, L1, L1_CGAN, PIXELS
from experiments.paper.study import Finding, Study, Trained, main
from p2p_jax.console import waiting
from p2p_jax.evaluation.comparison.statistics import contrast
from p2p_jax.evaluation.intervals import Difference
from p2p_jax.evaluation.metrics.colour_histograms import CHANNELS, LOWEST, WIDTHS
from p2p_jax.files.writing import write_text

PAPER = {
    "l1_cgan": (0.86, 0.84, 0.82),
    "l1": (0.81, 0.69, 0.70),
    "cgan": (0.87, 0.74, 0.84),
    "patch_1": (0.83, 0.68, 0.78),
}
"""The paper's intersections of L, a and b with the targets, by the names of the settings."""

JUDGED = ("a", "b")
"""The channels on which the paper says something."""


def compare_distributions(trained: Trained) -> dict[str, Any]:
    """Prints the intersections of whole sets and what the paper's findings are by them, and draws the histograms.

    Returns:
        {"distributions": histograms, intersections, differences and findings}.
    """
    runs = [folder for group in trained.folders for folder in group]
    with waiting(trained.console, "comparing the distributions of colours"):
        found = measure_distributions(runs)
    broken = [str(run) for run, counts in zip(runs, found.made, strict=True) if not np.isfinite(counts).all()]
    if broken:
        trained.console.print(f"The distributions are not compared, because these made no finite pictures: {broken}.")
        return {}
    rows = _rows(trained, found)
    seeds = len(trained.folders[0])
    caption = f"Intersections with the histograms of the targets: means of {seeds} seeds, lowest and highest seed"
    table = Table(*rows[0], title=caption)
    for row in rows[1:]:
        table.add_row(*row)
    trained.console.print(table)
    others = [place for place, each in enumerate(trained.settings) if each.name != L1.name]
    sentences = [_judge(trained, found, place, name) for place in others for name in JUDGED]
    described = f"All pictures of the split '{found.split}' together: {found.pairs} pairs, the same for all runs."
    before = [described, *found.notes]
    for sentence in (*before, *sentences):
        trained.console.print(sentence)
    groups = {each.title: found.made[group].sum(0) for each, group in zip(trained.settings, trained.groups, strict=True)}
    lines = [Line(title, _fractions(counts)) for title, counts in ({"targets": found.targets} | groups).items()]
    page = trained.output / "colours_histograms.html"
    write_text(page, render(lines, rows, caption, before, sentences))
    trained.console.print(f"Written: {page}.")
    return {"distributions": _as_json(trained, found, sentences)}


def _fractions(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(-1, keepdims=True)


def _rows(trained: Trained, found: Distributions) -> list[list[str]]:
    """The table of intersections, with that of the paper beside it."""
    rows = [["", *(title for name in CHANNELS for title in (name, f"paper's {name}"))]]
    for setting, group in zip(trained.settings, trained.groups, strict=True):
        row = [setting.title]
        for name, of_paper in zip(CHANNELS, PAPER[setting.name], strict=True):
            values = found.shared[name].values[group]
            row += [f"{values.mean():.3f}\n{values.min():.3f} to {values.max():.3f}", f"{of_paper:.2f}"]
        rows.append(row)
    return rows


def _difference(trained: Trained, found: Distributions, place: int, name: str) -> Difference:
    """An intersection of a setting less that of L1."""
    first = next(index for index, each in enumerate(trained.settings) if each.name == L1.name)
    return contrast(found.shared[name], trained.groups[first], trained.groups[place]).difference


def _judge(trained: Trained, found: Distributions, place: int, name: str) -> str:
    """Says whether what the paper found about a setting and L1 in a channel holds here."""
    setting, channel = trained.settings[place], CHANNELS.index(name)
    own, of_l1 = PAPER[setting.name][channel], PAPER[L1.name][channel]
    difference = _difference(trained, found, place, name)
    interval = difference.interval
    ends = f", 95 % interval over pictures and seeds {interval.low:+.3f} to {interval.high:+.3f}" if interval else ""
    return (
        f"The paper: {setting.title} is {'closer' if own > of_l1 else 'not closer'} to the targets than L1 in {name} "
        f"(intersections of {own:.2f} and {of_l1:.2f}). This {answer(own > of_l1, difference)} (difference "
        f"{difference.value:+.3f}{ends})."
    )


def answer(closer: bool, difference: Difference) -> str:
    """Whether a finding holds, as the rest of a sentence.

    Args:
        closer: whether the paper found the setting closer to the targets than L1.
        difference: of the intersections, those of L1 subtracted.
    """
    if difference.interval is None or not difference.interval.excludes_zero():
        return (
            "cannot be told here, where the interval holds 0"
            if closer
            else "agrees with what is seen here, where the interval holds 0"
        )
    if (difference.value > 0) == closer:
        return "holds here"
    return "does not hold here: it is the other way round"


def _as_json(trained: Trained, found: Distributions, sentences: Sequence[str]) -> dict[str, Any]:
    by_channel = lambda values: dict(zip(CHANNELS, values, strict=True))
    settings: dict[str, Any] = {}
    for place, (setting, group) in enumerate(zip(trained.settings, trained.groups, strict=True)):
        shared = {name: {"of_seeds": each.values[group].tolist()} for name, each in found.shared.items()}
        if setting.name != L1.name:
            for name in CHANNELS:
                difference = _difference(trained, found, place, name)
                shared[name] |= {"less_l1": difference.value, "interval": difference.interval}
        fractions = _fractions(found.made[group].sum(0)).tolist()
        settings[setting.name] = {"intersections": shared, "fractions": by_channel(fractions)}
    return {
        "split": found.split, "pairs": found.pairs, "notes": list(found.notes),
        "bins": {"lowest": by_channel(LOWEST), "widths": by_channel(WIDTHS)},
        "targets": by_channel(_fractions(found.targets).tolist()), "settings": settings, "findings": list(sentences),
    }  # fmt: skip


STUDY = Study(
    name="colours",
    title="Figure 7: distributions of the colours",
    settings=lambda config: [L1_CGAN, L1, CGAN, PIXELS._replace(title="L1 + PixelGAN")],
    findings=[
        Finding(
            0,
            1,
            "the colours of L1 + cGAN are closer to those of the targets than those of L1 (intersections of 0.84 and 0.73, "
            "means of L, a and b).",
        ),
        Finding(2, 1, "the colours of cGAN are closer than those of L1 (0.82 and 0.73)."),
        Finding(3, 1, "the colours of L1 + PixelGAN are closer than those of L1 (0.76 and 0.73)."),
    ],
    metrics=("colour_distance",),
    further=compare_distributions,
)

if __name__ == "__main__":
    sys.exit(main(STUDY))
