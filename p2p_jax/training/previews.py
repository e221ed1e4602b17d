"""Sample grids and validation during training."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from p2p_jax.config.metric_names import figure_name
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.pairs import MIDDLE, Example, Pairs
from p2p_jax.data.values import to_255
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.evaluation import evaluate, scoring
from p2p_jax.evaluation.best_metric import validation_names
from p2p_jax.evaluation.diagnoses import variation_figures
from p2p_jax.evaluation.samples import sample_columns, save_grid
from p2p_jax.state import TrainState
from p2p_jax.training.run import Run, Submit, translate_with
from p2p_jax.workdir.metrics_file import Row

SAMPLES = 6
"""Pairs of a sample grid."""

COMPARED = 24
"""Pairs of the figures that come with a grid: with fewer, the agreement of unrelated pictures is often not near 0."""


class _Noting(NamedTuple):
    """Pairs of which an unreadable one is noted and replaced by another one.

    So all processes measure to the end of the split, and learn together that a pair cannot be read.

    Attributes:
        pairs: of the split.
        stand_in: read in place of an unreadable pair.
        faults: the errors so far.
    """

    pairs: Pairs
    stand_in: Pairs
    faults: list[Exception]

    def count(self) -> int:
        return self.pairs.count()

    def name(self, index: int) -> str:
        return self.pairs.name(index)

    def read(self, index: int, fit: Fit, position: tuple[float, float] = MIDDLE) -> Example:
        try:
            return self.pairs.read(index, fit, position)
        except Exception as error:  # raised in `validate`
            self.faults.append(error)
            return self.stand_in.read(0, fit, position)


def validate(run: Run, state: TrainState) -> dict[str, float]:
    """Returns figures on the validation split; {} if there is none.

    Raises:
        UserError: a pair cannot be read; it is raised in all processes.
    """
    splits = run.dataset.splits
    if "val" not in splits:
        return {}
    config = run.experiment.config
    translate = translate_with(run, state)
    pairs = _Noting(splits["val"], splits["train"], [])
    figures = scoring.score(
        pairs, translate, fit_of_evaluation(config), config.data.target, count=config.val_pictures,
        names=validation_names(config), functions=run.functions,
    )  # fmt: skip
    if not processes.all_agree(not pairs.faults):
        raise pairs.faults[0] if pairs.faults else UserError("another process could not read a pair, and names it.")
    return {figure_name(name): value for name, value in figures.items() if math.isfinite(value)}


def make_sampler(run: Run, submit: Submit) -> Callable[[TrainState, int], Row]:
    """Returns a function that draws the sample grid of a step from fixed pairs and writes it in the background.

    It returns the figures of `diagnoses.variation_figures` for these and more pairs; {} in all processes but the first.
    """
    config = run.experiment.config
    pairs = run.dataset.splits[evaluate.sample_split(run.dataset.splits)]
    number = min(COMPARED, pairs.count()) if processes.is_first() else 0
    examples = [pairs.read(index, fit_of_evaluation(config)) for index in range(number)]

    def draw_samples(state: TrainState, step: int) -> Row:
        translate = translate_with(run, state)
        if not processes.is_first():
            return {}
        made = [np.asarray(picture) for picture in evaluate.translate_all(translate, examples)]
        name = f"samples/step_{step:08d}.png"

        def save() -> None:
            save_grid(run.held.path / name, sample_columns(examples[:SAMPLES], made[:SAMPLES], config.data))
            run.trackers.send(picture=str(run.workdir.absolute() / name), step=step)

        submit(save)
        on_scale = lambda pictures: [np.asarray(to_255(config.data.target, jnp.asarray(each))) for each in pictures]
        return variation_figures(on_scale(made), on_scale([example["target"] for example in examples]))

    return draw_samples
