"""Figures as a table, and sentences that explain how to read them."""

from typing import Literal

from p2p_jax.evaluation.baselines import INPUT, MEAN, NEAREST
from p2p_jax.evaluation.evaluate import TARGETS, Figures
from p2p_jax.evaluation.intervals import Difference, Interval
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.evaluation.set_scores import REAL

Verdict = Literal["better", "worse", "no difference"]

MEANINGS = {
    INPUT: "the input taken for the output",
    MEAN: "the mean of the training targets, the same for every input",
    NEAREST: "the target of the training input that is most similar; a translator that only remembers does not beat it",
    REAL: "real pictures in place of outputs, so that a translator can hardly be better",
    TARGETS: "the labels that the segmenter finds in the real targets, which is the ceiling",
}
"""What each baseline is."""


def verdict(name: str, difference: Difference) -> Verdict | None:
    """Whether the second of two predictors is better than the first by a metric.

    Args:
        name: of the metric.
        difference: of its figures.

    Returns:
        "no difference" if the 95 % interval of the difference holds 0; None if nothing can be said, because there is no
        interval, or because both too high and too low values of the metric are worse.
    """
    best = find_metric(name).best
    if difference.interval is None or best == "near 1":
        return None
    if not difference.interval.excludes_zero():
        return "no difference"
    return "better" if (difference.value > 0) == (best == "higher") else "worse"


def remarks(figures: Figures, *, brief: bool = False) -> list[str]:
    """Explains how to read the figures, in paragraphs: what was measured, each metric, and what to rely on.

    Args:
        figures: of a translator.
        brief: omit what each metric and each baseline means.
    """
    replaced = f" ({figures.replaced} of them unreadable and replaced by others)" if figures.replaced else ""
    used = [find_metric(name) for name in figures.scores["translator"]]
    meanings = [] if brief else [
        *(f"{name.capitalize()}: {meaning}." for name, meaning in MEANINGS.items() if name in figures.scores),
        *(f"{metric.title}{f' ({metric.unit})' if metric.unit else ''}: {metric.meaning}" for metric in used),
    ]  # fmt: skip
    return [
        f"Figures of {figures.pairs} pairs of the split '{figures.split}'{replaced}, with 95 % intervals over pictures: "
        "another training run may differ by more.",
        *meanings,
        *_comparisons(figures),
        *figures.notes,
        _advice(figures),
    ]


def _comparisons(figures: Figures) -> list[str]:
    """A sentence for each baseline: by which metrics the translator is better or worse."""
    sentences = []
    for baseline, found in figures.advantages.items():
        verdicts = {name: verdict(name, difference) for name, difference in found.items()}
        parts = []
        for wanted in ("better", "worse", "no difference"):
            names = ", ".join(find_metric(name).title for name, each in verdicts.items() if each == wanted)
            if names:
                parts.append(f"no difference by {names}" if wanted == "no difference" else f"{wanted} by {names}")
        if parts:
            sentences.append(f"Translator against {baseline}, on the same pairs: {'; '.join(parts)}.")
    return sentences


def _advice(figures: Figures) -> str:
    """Which of the figures can be relied on for this kind of data."""
    names = figures.scores["translator"]
    if "iou" in names:
        return (
            "The targets are label maps: rely on IoU and the fractions of right pixels and classes; L1, PSNR and SSIM "
            "compare the classes as if they were colours."
        )
    if "haarpsi" not in names:
        return "The targets are measurements rather than pictures: rely on L1 and PSNR."
    learned = [name for name in names if name.startswith(("lpips", "kid"))]
    *most, last = (find_metric(name).title for name in (*learned, "haarpsi", "sharpness") if name in names)
    rely = f"{', '.join(most)} and {last}" if most else last
    advice = (
        "L1 and PSNR prefer a blurred mean wherever the input does not determine the target (labels to photos): rely on "
        f"{rely} together, and on your eyes."
    )
    difference = figures.advantages[MEAN].get("l1")
    if difference is not None and verdict("l1", difference) not in (None, "better"):
        advice = (
            f"By L1 the translator does not beat the mean picture, so L1 and PSNR cannot be trusted on these data. {advice}"
        )
    return advice


def figures_table(figures: Figures) -> list[list[str]]:
    """The figures as a table: a row of titles, then a row for each metric, with a column that says what is better."""
    names = list(dict.fromkeys(name for scores in figures.scores.values() for name in scores))
    own, *others = figures.scores
    rows = [["", own, "95 % interval", *others, "better"]]
    for name in names:
        metric = find_metric(name)
        cells = [_number(figures.scores[each].get(name), metric.digits) for each in (own, *others)]
        ends = _ends(figures.intervals[own].get(name), metric.digits)
        rows.append([metric.title, cells[0], ends, *cells[1:], metric.best])
    return rows


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ends(interval: Interval | None, digits: int) -> str:
    # An en dash, because a hyphen would be read as a minus.
    return "-" if interval is None else f"{interval.low:.{digits}f}–{interval.high:.{digits}f}"
