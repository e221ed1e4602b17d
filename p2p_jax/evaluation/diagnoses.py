"""Diagnoses of a run: pure functions of its rows of metrics that say in a sentence what seems wrong, and what to try.

Each kind has a condition with thresholds, and is said at the first row where it holds. The thresholds lie between what
`python -m experiments.checks.diagnoses` measured on runs that were made to go wrong and on healthy ones; its table shows
both. What limits them:

- The accuracy of the discriminator alone says little: on few pairs it reaches 0.99 in runs that still learn. It wins for
  good only if its loss, too, is far below that of guessing, so that the generator's gradient hardly depends on the picture.
- The agreement of outputs and targets is low where the input leaves much open. On the facades of the paper, a mean colour
  for each label as output, the simplest translator, has 0.19 to 0.24 on 24 pairs, and 0.15 to 0.20 in the other direction;
  with the targets of other pairs it has -0.07 to 0.04. Its variation is 0.16 to 0.27.
- The critic of `wasserstein` has no scale, so no diagnosis of the discriminator is made with that loss, nor where the
  adversarial loss does not train the generator.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from p2p_jax.config import Config
from p2p_jax.config.metric_names import score_of

Row = dict[str, float]
"""A row of metrics.jsonl; "step" is its last step."""

VARIATION, AGREEMENT = "sample_variation", "sample_agreement"
"""Names of the figures of `variation_figures` in rows."""

FIGURES = (
    "step", "generator_l1", "generator_gan", "discriminator_loss", "discriminator_real_accuracy",
    "discriminator_fake_accuracy", "val_l1", VARIATION, AGREEMENT,
)  # fmt: skip
"""The figures of rows that diagnoses need, besides the validation's chosen metric."""

LONG_STEPS, LONG_FRACTION = 500, 0.1
"""The discriminator wins or loses for long if it does so, on average, over this many steps and this fraction of the run."""

WORSE, LEARNED, TURNED = 0.03, 0.15, 3
"""Overfitting: the validation's L1 is higher than at its best by the first fraction, that of training lower by the second,
and so many validations have passed since both the best L1 and the best value of the chosen metric."""

WINS_LOSS, WINS_ACCURACY = 0.05, 0.98
"""The discriminator wins: its loss is below this fraction of that of guessing, and both accuracies are above the other."""

LOSES_LOSS, LOSES_ACCURACY = 0.97, 0.55
"""It loses: its loss is above this fraction of that of guessing, and the mean of its accuracies is below the other."""

ALIKE, UNRELATED = 0.1, 0.08
"""Outputs are alike if they vary less than this fraction of what the targets do, and unrelated to their targets if the
agreement is below that number, in so many sample grids in turn, from `LONG_STEPS` on."""

GRIDS = 2

ENOUGH = 8
"""Pairs without which there is no agreement."""

GUESSING = {"bce": math.log(2), "least_squares": 0.25, "hinge": 1.0}
"""The loss of a discriminator that guesses, on real pictures and on fakes alike."""


class Diagnosis(NamedTuple):
    """What seems wrong with a run.

    Attributes:
        kind: "overfitting", "discriminator wins", "discriminator loses", "outputs alike" or "outputs unrelated".
        step: of the first row where it was seen.
        sentence: what was seen, with figures, and what to try.
    """

    kind: str
    step: int
    sentence: str


def diagnose(rows: Sequence[Row], config: Config) -> list[Diagnosis]:
    """Finds what seems wrong with a run, each kind once, in the order of the steps at which it was first seen.

    Rows that are added later do not change what was found in earlier ones, so that a resumed run finds the same.

    Args:
        rows: of metrics.jsonl, with at least `FIGURES`; rows may lack some of them.
        config: of the run.
    """
    checks: tuple[Callable[[Sequence[Row], Config], Diagnosis | None], ...] = (
        find_overfitting, find_winner, find_loser, find_alike, find_unrelated,
    )  # fmt: skip
    found = [diagnosis for check in checks if (diagnosis := check(rows, config)) is not None]
    return sorted(found, key=lambda diagnosis: diagnosis.step)


def find_overfitting(rows: Sequence[Row], config: Config) -> Diagnosis | None:
    """Finds where the validation has turned while the training's L1 goes on down."""
    seen = at_validations(rows, config.best_metric)
    best = chosen = 0
    for index, now in enumerate(seen):
        best = index if now["val_l1"] < seen[best]["val_l1"] else best
        chosen = index if now["score"] > seen[chosen]["score"] else chosen
        then = seen[best]
        turned = index - max(best, chosen) >= TURNED and now["val_l1"] > (1 + WORSE) * then["val_l1"]
        if turned and now["generator_l1"] < (1 - LEARNED) * then["generator_l1"]:
            step = int(now["step"])
            return Diagnosis(
                "overfitting", step,
                f"Overfitting: from step {then['step']:.0f} to {step} the L1 of the validation rose from "
                f"{then['val_l1']:.4f} to {now['val_l1']:.4f}, while that of training fell from "
                f"{then['generator_l1']:.4f} to {now['generator_l1']:.4f}: use --checkpoint best, and try more pairs, "
                "more augmentation (such as --augment.rotate 5), a smaller --generator.width, or --patience 3.",
            )  # fmt: skip
    return None


def find_winner(rows: Sequence[Row], config: Config) -> Diagnosis | None:
    """Finds where the discriminator has won for long, so that the generator learns little from it."""
    guessing = guessing_loss(config)
    if guessing is None:
        return None
    for mean in long_means(rows, config):
        real, fake, loss = _discriminator(mean)
        if min(real, fake) > WINS_ACCURACY and loss < WINS_LOSS * guessing:
            step = int(mean["step"])
            return Diagnosis(
                "discriminator wins", step,
                f"The discriminator wins: over the {_long(config)} steps up to {step} it judged {real:.1%} of the real "
                f"patches and {fake:.1%} of the fakes correctly, with a loss of {loss:.4f} where guessing has "
                f"{guessing:.3f}, and the generator's adversarial loss was {mean['generator_gan']:.2f}: try a lower "
                "--optimizer.discriminator-learning-rate, --loss.label-smoothing 0.1, a smaller --discriminator.width, or "
                "a higher --optimizer.learning-rate.",
            )  # fmt: skip
    return None


def find_loser(rows: Sequence[Row], config: Config) -> Diagnosis | None:
    """Finds where the discriminator has only guessed for long, so that its gradient says nothing to the generator."""
    guessing = guessing_loss(config)
    if guessing is None:
        return None
    for mean in long_means(rows, config):
        real, fake, loss = _discriminator(mean)
        if (real + fake) / 2 < LOSES_ACCURACY and loss > LOSES_LOSS * guessing:
            step = int(mean["step"])
            return Diagnosis(
                "discriminator loses", step,
                f"The discriminator loses: over the {_long(config)} steps up to {step} it judged {real:.1%} of the real "
                f"patches and {fake:.1%} of the fakes correctly, with a loss of {loss:.4f} where guessing has "
                f"{guessing:.3f}: try a higher --optimizer.discriminator-learning-rate, a larger --discriminator.width, "
                "or a higher --loss.reconstruction-weight.",
            )  # fmt: skip
    return None


def find_alike(rows: Sequence[Row], config: Config) -> Diagnosis | None:
    """Finds where the outputs hardly differ from each other, though their targets do."""
    return _find_in_grids(
        rows, VARIATION, ALIKE, "outputs alike",
        "The outputs are nearly alike: in the sample grids up to step {step} they vary {value:.1%} as much as their "
        "targets: check that the inputs say something about the targets (p2p-jax data check), and try a higher "
        "--loss.reconstruction-weight, a lower --optimizer.discriminator-learning-rate, or a longer training.",
    )  # fmt: skip


def find_unrelated(rows: Sequence[Row], config: Config) -> Diagnosis | None:
    """Finds where the outputs have no more to do with their own targets than with those of other pairs."""
    return _find_in_grids(
        rows, AGREEMENT, UNRELATED, "outputs unrelated",
        "The outputs ignore what the inputs say: in the sample grids up to step {step} the correlation between what is "
        "particular to an output and to its target is {value:.2f} (0 is none, 1 is all): check that inputs and targets "
        "belong together (p2p-jax data check), and try a higher --loss.reconstruction-weight, or a longer training.",
    )  # fmt: skip


def variation_figures(outputs: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Row:
    """Measures how much outputs vary with their inputs, compared with their targets.

    Both measures are of the deviations from the mean picture of all outputs, and of all targets.

    Args:
        outputs: at least two, of one size, (h, w, c) on any scale.
        targets: of the same pairs, (h, w, c) on that scale.

    Returns:
        {"sample_variation": standard deviation of the outputs as a fraction of the targets', "sample_agreement": the
        correlation of the deviations, in [-1, 1], which is missing if the outputs are equal or fewer than `ENOUGH`}; {} if
        sizes differ, if there is only one pair, or if the targets are equal.
    """
    shapes = {picture.shape for picture in (*outputs, *targets)}
    if len(outputs) < 2 or len(shapes) > 1:
        return {}
    made, real = _deviations(outputs), _deviations(targets)
    out, target = (float(np.sqrt(np.square(values).mean())) for values in (made, real))
    if not target:
        return {}
    figures = {VARIATION: out / target}
    comparable = out > 0 and len(outputs) >= ENOUGH
    return figures | {AGREEMENT: float((made * real).mean()) / (out * target)} if comparable else figures


def guessing_loss(config: Config) -> float | None:
    """The discriminator's loss in the rows if it only guesses; None where it has no such scale, or trains no generator."""
    loss = config.loss
    guessing = None if config.discriminator.architecture == "segmentation" else GUESSING.get(loss.adversarial)
    return 2 * loss.discriminator_weight * guessing if guessing and loss.adversarial_weight else None


def _deviations(pictures: Sequence[np.ndarray]) -> NDArray[np.float64]:
    from_first = np.stack(
        [np.subtract(picture, pictures[0], dtype=np.float64) for picture in pictures]
    )  # 0 if all are equal
    return from_first - from_first.mean(0)


def _discriminator(row: Row) -> tuple[float, float, float]:
    return row["discriminator_real_accuracy"], row["discriminator_fake_accuracy"], row["discriminator_loss"]


def _long(config: Config) -> int:
    return max(LONG_STEPS, round(LONG_FRACTION * (config.steps or 0)))


def long_means(rows: Sequence[Row], config: Config) -> list[Row]:
    """The means of the discriminator's figures over the last `_long` steps, for each row from that number of steps on."""
    names = ("discriminator_real_accuracy", "discriminator_fake_accuracy", "discriminator_loss", "generator_gan")
    used = [row for row in rows if all(name in row for name in names)]
    if not used:
        return []
    ends = np.array([0.0, *(row["step"] for row in used)])
    values = np.array([[row[name] for name in names] for row in used])
    sums = np.concatenate([np.zeros((1, len(names))), np.cumsum(values * np.diff(ends)[:, None], 0)])
    last = np.flatnonzero(ends >= _long(config))
    first = np.searchsorted(ends, ends[last] - _long(config), "right") - 1  # the rows that cover the steps
    means = (sums[last] - sums[first]) / (ends[last] - ends[first])[:, None]
    return [{"step": step} | dict(zip(names, mean, strict=True)) for step, mean in zip(ends[last], means, strict=True)]


def at_validations(rows: Sequence[Row], metric: str) -> list[Row]:
    """The L1 of each validation, that of training since the last one, and the score of the chosen metric."""
    found, since = [], []
    for row in rows:
        since += [row["generator_l1"]] if "generator_l1" in row else []
        score = score_of(metric, row)
        if "val_l1" in row and score is not None and since:
            training = float(np.mean(since))
            found.append({"step": row["step"], "val_l1": row["val_l1"], "generator_l1": training, "score": score})
            since = []
    return found


def _find_in_grids(rows: Sequence[Row], name: str, limit: float, kind: str, sentence: str) -> Diagnosis | None:
    """The first row at which a figure was below its limit in `GRIDS` sample grids in turn, not too early in the run."""
    count = 0
    for row in rows:
        if name in row:
            count = count + 1 if row[name] < limit and row["step"] >= LONG_STEPS else 0
            if count == GRIDS:
                step = int(row["step"])
                return Diagnosis(kind, step, sentence.format(step=step, value=row[name]))
    return None
