"""The pictures that a comparison shows: which ones, and each run's outputs for them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.config import Data
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.sides import show
from p2p_jax.evaluation.comparison.candidates import Candidate, Common
from p2p_jax.evaluation.comparison.result import Comparison
from p2p_jax.evaluation.comparison.statistics import Measured
from p2p_jax.evaluation.evaluate import translate_all
from p2p_jax.evaluation.html import picture_source
from p2p_jax.evaluation.metrics.trained import find_metric
from p2p_jax.inference.translate import load

SHOWN = 4  # pictures of each kind: the first ones, and those with the largest differences either way

LARGEST = 2_600_000  # characters of all pictures, so that the page has less than 3 MB

PREFERRED = ("lpips_alex", "haarpsi", "ssim", "psnr", "l1")
"""The metric that decides which differences are large: the first of these that the runs have."""

Shown = dict[str, list[np.ndarray]]
"""{title: pictures, one for each pair}, uint8 (h, w, 1) or (h, w, 3)."""


class Choice(NamedTuple):
    """A picture to show.

    Attributes:
        index: of the pair.
        reason: why it was chosen, as a heading.
    """

    index: int
    reason: str


class Strip(NamedTuple):
    """The pictures of one pair.

    Attributes:
        choice: which pair, and why.
        pictures: {title: (address of the image, width, height)}.
    """

    choice: Choice
    pictures: dict[str, tuple[str, int, int]]


def choose(comparison: Comparison, figures: Mapping[str, Measured]) -> tuple[list[Choice], str]:
    """Chooses the pictures with the largest differences both ways between the first two settings, and the first ones.

    Args:
        comparison: of runs. If there is a single setting, its first two runs are compared.
        figures: with the values of single pictures.

    Returns:
        the choices in the order in which they are shown, and the title of the metric that decided.
    """
    number = len(comparison.names)
    found = [Choice(index, "The first pictures") for index in range(min(SHOWN, number))]
    name = _deciding(figures)
    if name is None:
        return found, ""
    values = figures[name].of_pictures
    assert values is not None
    one, other, titles = _sides(comparison)
    gain = values[other].mean(0) - values[one].mean(0)
    gain = gain if find_metric(name).best == "higher" else -gain
    order = [int(index) for index in np.argsort(-gain) if np.isfinite(gain[index])]
    best = [index for index in order if gain[index] > 0][:SHOWN]
    worst = [index for index in order[::-1] if gain[index] < 0][:SHOWN]
    for second, (first, chosen) in enumerate(zip(titles, (worst, best), strict=True)):
        reason = f"Where {first} is ahead of {titles[1 - second]} by most"
        found += [Choice(index, reason) for index in chosen]
    return found, find_metric(name).title


def scores_of(choice: Choice, comparison: Comparison, figures: Mapping[str, Measured]) -> str:
    """The values of a picture by the metric that decides on the choice, such as "SSIM: A 0.5120, B 0.4871"."""
    name = _deciding(figures)
    if name is None:
        return ""
    metric, values = find_metric(name), figures[name].of_pictures
    assert values is not None
    one, other, titles = _sides(comparison)
    means = [values[runs, choice.index].mean() for runs in (one, other)]
    shown = (f"{title} {mean:.{metric.digits}f}" for title, mean in zip(titles, means, strict=True))
    return "" if np.isnan(means).any() else f"{metric.title}: {', '.join(shown)}"


def _deciding(figures: Mapping[str, Measured]) -> str | None:
    return next((each for each in PREFERRED if each in figures and figures[each].of_pictures is not None), None)


def _sides(comparison: Comparison) -> tuple[list[int], list[int], tuple[str, str]]:
    if len(comparison.settings) == 1:
        return [0], [1], (comparison.runs[0].name, comparison.runs[1].name)
    one, other = (each.letter for each in comparison.settings[:2])
    places = {letter: [i for i, run in enumerate(comparison.runs) if run.setting == letter] for letter in (one, other)}
    return places[one], places[other], (one, other)


def draw(
    choices: Sequence[Choice],
    runs: Sequence[Candidate],
    common: Common,
    steps: Sequence[int],
    titles: Mapping[int, str],
    loading: Mapping[str, Any],
) -> list[Strip]:
    """Translates the chosen pictures with each run, and stores them as images.

    Args:
        choices: which pairs; equal ones are drawn once.
        runs: the runs.
        common: the pictures.
        steps: of the runs' checkpoints.
        titles: {index of a run: title of its outputs}, in the order in which they are shown.
        loading: options of `load`.

    Returns:
        strips in the order of the choices. Where all would be too large for the page, the last ones of each kind lack.
    """
    indices = list(dict.fromkeys(choice.index for choice in choices))
    shown: Shown = {}
    targets: Shown = {}
    for place, title in titles.items():
        pairs, data = common.pairs(place), runs[place].config.data
        examples = [pairs.read(index, fit_of_evaluation(runs[place].config)) for index in indices]
        if not shown:
            shown |= _columns("input", [each["input"] for each in examples], data, "input")
            targets = _columns("target", [each["target"] for each in examples], data, "target")
        translator = load(runs[place].folder, checkpoint_step=steps[place], **loading)
        shown |= _columns(title, translate_all(translator, examples), data, "target")
    exact = [side for side in ("input", "target") if getattr(runs[0].config.data, side).kind == "labels"]
    return _within_limit(choices, indices, shown | targets, exact)


def _columns(title: str, stored: Sequence[Any], data: Data, side: str) -> Shown:
    parts = list(zip(*(show(getattr(data, side), np.asarray(each)) for each in stored), strict=True))
    return {title if len(parts) == 1 else f"{title} {i}": list(column) for i, column in enumerate(parts, start=1)}


def _within_limit(choices: Sequence[Choice], indices: list[int], shown: Shown, exact: Sequence[str]) -> list[Strip]:
    """Stores the pictures in turn from each kind of choice, until the next ones would be too large."""
    kinds = list(dict.fromkeys(choice.reason for choice in choices))
    of_kind = [[choice for choice in choices if choice.reason == kind] for kind in kinds]
    turns = [each[turn] for turn in range(SHOWN) for each in of_kind if turn < len(each)]
    size, made = 0, {}
    for choice in turns:
        place, pictures = indices.index(choice.index), {}
        for title, column in shown.items():
            picture = column[place]
            keep = "input" in exact if title.startswith("input") else "target" in exact
            source = picture_source(picture, exact=keep)
            pictures[title] = (source, picture.shape[1], picture.shape[0])
        size += sum(len(source) for source, _, _ in pictures.values())
        if size > LARGEST and made:
            break
        made[choice] = Strip(choice, pictures)
    return [made[choice] for choice in choices if choice in made]
