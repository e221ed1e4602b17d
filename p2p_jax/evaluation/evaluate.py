"""How good a translator is on a split, beside two baselines that need no training."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config import Config, Side, count_channels
from p2p_jax.config.tree import to_dict
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.loading import describe_data, open_dataset
from p2p_jax.data.pairs import Example, Pairs, Replacing, read_batch
from p2p_jax.data.resizing import resize
from p2p_jax.data.sides import show
from p2p_jax.data.values import needs_scaling, to_255
from p2p_jax.devices import processes
from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics
from p2p_jax.evaluation.partial_sums import PartialSums

Scores = dict[str, float]
"""{"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}."""


class Figures(NamedTuple):
    """How good a translator is on a split.

    Attributes:
        step: of the checkpoint.
        split: "train", "val" or "test".
        pairs: number of pairs that were measured.
        replaced: number of unreadable pairs among them, which other pairs replaced.
        scores: by the names "translator", "input itself" and "mean training target": mean L1 (in the scale [-1, 1]), PSNR
            (dB) and SSIM (at most 1) over all pairs.
    """

    step: int
    split: str
    pairs: int
    replaced: int
    scores: dict[str, Scores]

    def as_json(self) -> dict[str, Any]:
        """The figures as `report/figures.json` and `evaluate --json` hold them."""
        return {
            "step": self.step, "split": self.split, "pairs": self.pairs, "replaced": self.replaced, "figures": self.scores,
        }  # fmt: skip


Translate = Callable[[np.ndarray], np.ndarray | jax.Array]


Guess = Callable[[np.ndarray], Any]


FIGURES = ("l1", "psnr", "ssim")


@jax.jit
def _measure(pictures: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
    return {name: getattr(metrics, name)(pictures, targets) for name in FIGURES}


def score(
    pairs: Pairs, translate: Translate, fit: Fit, target: Side = Side(), *, count: int | None = None, batch_size: int = 8
) -> Scores:
    """Mean L1, PSNR and SSIM of a translator over the first `count` pairs of a split.

    Args:
        pairs: the split.
        translate: stored values of inputs (n, h, w, c) to those of targets (n, h, w, c').
        fit: how pictures are brought to size.
        target: what the targets are.
        count: pairs to look at; by default all.
        batch_size: pairs at once; does not change the figures.

    Returns:
        {"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}.
    """
    total = pairs.count() if count is None else min(count, pairs.count())
    share = processes.own_share(total)
    tally = PartialSums((1, len(FIGURES)))
    add_scores(tally, pairs, share, [_scaled(translate, target)], fit, target, batch_size=batch_size)
    return _figures(processes.add_up(tally.sums[0]) / total)


def _scaled(translate: Translate, target: Side) -> Guess:
    """The translator with results on the scale 0 to 255."""
    if not needs_scaling(target):
        return translate
    return lambda pictures: to_255(target, jnp.asarray(translate(pictures)))


def _figures(means: np.ndarray) -> Scores:
    return dict(zip(FIGURES, map(float, means), strict=True))


def add_scores(
    tally: PartialSums,
    pairs: Pairs,
    share: range,
    guesses: Sequence[Guess],
    fit: Fit,
    target: Side,
    *,
    batch_size: int = 8,
    on_done: Callable[[int], object] = lambda done: None,
) -> None:
    """Adds the figures of several functions over a share of the pairs, which are read once, to a tally that goes on.

    Args:
        tally: of shape (functions, figures).
        pairs: the split.
        share: which of its pairs.
        guesses: functions of stored values of inputs, whose results are on the scale 0 to 255.
        fit: how pictures are brought to size.
        target: what the targets are.
        batch_size: pairs at once.
        on_done: is told how many pairs of the share are done.
    """
    for batch, real in batches_of(pairs, fit, share[tally.done :], batch_size):
        targets = to_255(target, jnp.asarray(batch["target"]))
        for row, guess in enumerate(guesses):
            # All of one type, so that one compiled program measures them all.
            figures = _measure(jnp.asarray(guess(batch["input"]), jnp.float32), targets)
            for column, name in enumerate(FIGURES):
                # An identical picture has no finite PSNR; 100 dB stands for it.
                tally.sums[row, column] += float(np.minimum(np.asarray(figures[name])[:real], 100.0).sum())
        tally.done += real
        if isinstance(pairs, Replacing):
            tally.replaced |= pairs.skipped.keys() & set(share)
        tally.keep()
        on_done(tally.done)
    tally.keep(at_once=True)


def batches_of(pairs: Pairs, fit: Fit, share: range, batch_size: int) -> Iterator[tuple[Example, int]]:
    """The pairs of a share in order, in batches of one size, the last filled up; with how many of each are real."""
    batch_size = batch_size if fit.fixed else 1
    for start in range(0, len(share), batch_size):
        indices = list(share[start : start + batch_size])
        real = len(indices)
        yield read_batch(pairs, indices + [indices[-1]] * (batch_size - real), fit), real


def translate_all(translate: Translate, examples: Sequence[Example], *, batch_size: int = 8) -> list[Any]:
    """What a translator makes of the inputs of some examples: in batches where they have one size, else one by one.

    The last batch is filled up, so that the program compiled for `score` serves here too.
    """
    inputs = [example["input"] for example in examples]
    if len({picture.shape for picture in inputs}) > 1:
        return [translate(picture[None])[0] for picture in inputs]
    made: list[Any] = []
    for start in range(0, len(inputs), batch_size):
        chunk = inputs[start : start + batch_size]
        made += list(translate(np.stack(chunk + [chunk[-1]] * (batch_size - len(chunk))))[: len(chunk)])
    return made


def mean_target(pairs: Pairs, fit: Fit, target: Side, *, count: int = 1000) -> np.ndarray:
    """The mean of the first `count` targets of a split on the scale 0 to 255, rounded: float32 (height, width, c')."""
    number = min(count, pairs.count())
    total: Any = 0.0
    share = processes.own_share(number)
    for index in share or (0,):  # of more processes than pairs some have none, and add nothing
        picture = np.asarray(to_255(target, jnp.asarray(pairs.read(index, fit)["target"])))
        picture = picture if fit.fixed else resize(picture, fit.size, "bilinear")
        total = total + (index in share) * picture.astype(np.float64)
    return np.round(processes.add_up(total) / number).astype(np.float32)


def baselines(train: Pairs, config: Config) -> dict[str, Guess]:
    """What a translator has to beat: the input itself, and the mean training target for every input."""
    fit, source, target = fit_of_evaluation(config), config.data.input, config.data.target
    mean = mean_target(train, fit, target)
    channels = mean.shape[-1]

    def input_itself(pictures: np.ndarray) -> Any:
        if count_channels(source) == channels:
            return to_255(source, jnp.asarray(pictures))
        seen = np.stack([show(source, picture)[0] for picture in pictures])
        grey = np.round(seen.mean(-1, keepdims=True)).astype(np.uint8)
        return np.repeat(grey, channels, axis=-1)

    def mean_of_training(pictures: np.ndarray) -> np.ndarray:
        fitting = resize(mean, pictures.shape[1:3], "bilinear")
        return np.broadcast_to(fitting, (len(pictures), *fitting.shape))

    return {"input itself": input_itself, "mean training target": mean_of_training}


def choose_split(splits: dict[str, Any], split: str | None, path: str) -> str:
    """The split asked for, or the first there is of test, val and train.

    Raises:
        UserError: there is no such split.
    """
    if split is None:
        return next(name for name in ("test", "val", "train") if name in splits)
    if split not in splits:
        raise UserError(f"{path} has no split {split}: it has {', '.join(splits)}.")
    return split


def sample_split(splits: dict[str, Any]) -> str:
    """The split whose first pairs are shown during training: val, or where there is none, train."""
    return "val" if "val" in splits else "train"


def evaluate_translator(
    config: Config,
    translate: Translate,
    split: str | None = None,
    *,
    step: int,
    partial: Path | None = None,
    identity: Any = None,
    on_done: Callable[[int, int], object] = lambda done, total: None,
) -> Figures:
    """Evaluates a translator on a split of its experiment's data, at the size of training, with both baselines.

    Of several processes each takes a share of the pairs, and all have to ask for it.

    Args:
        config: of the experiment.
        translate: stored values of inputs (n, h, w, c) to those of targets (n, h, w, c').
        split: "train", "val" or "test"; by default the first there is of test, val and train.
        step: of the checkpoint that the translator is from.
        partial: folder that keeps what was measured, from which the same evaluation goes on; empty once it is done.
        identity: names the translator, as JSON holds it, for `partial`.
        on_done: is told how many pairs of this process's share are done, and how many there are.

    Returns:
        the figures of the translator and of both baselines.

    Raises:
        UserError: the data are not there, or lack the split.
    """
    dataset = open_dataset(config)
    split = choose_split(dataset.splits, split, describe_data(config.data))
    pairs, target = dataset.splits[split], config.data.target
    guesses = {"translator": _scaled(translate, target), **baselines(dataset.splits["train"], config)}
    share, fit = processes.own_share(pairs.count()), fit_of_evaluation(config)
    measured = [identity, to_dict(config.data), config.image_size, dataset.fingerprint, split, share.start, share.stop]
    measured.append(jax.process_index())  # of more processes than pairs, some have the same share of none
    tally = PartialSums((len(guesses), len(FIGURES)), partial, measured)
    tell = lambda done: on_done(done, len(share))
    tell(tally.done)
    add_scores(tally, pairs, share, [*guesses.values()], fit, target, on_done=tell)
    means = processes.add_up(tally.sums) / pairs.count()
    replaced = int(processes.add_up(np.array([len(tally.replaced)], np.float64))[0])
    tally.forget()  # all others are done, too
    figures = {name: _figures(row) for name, row in zip(guesses, means, strict=True)}
    return Figures(step, split, pairs.count(), replaced, figures)


def remark(figures: Figures) -> str:
    """How to read the figures."""
    replaced = f" ({figures.replaced} of them unreadable and replaced by others)" if figures.replaced else ""
    return (
        f"Over {figures.pairs} pairs of the split '{figures.split}'{replaced}. L1 is in the scale [-1, 1], lower is "
        "better; PSNR (dB) and SSIM, higher is better. Where the input does not determine the colours of the target "
        "(labels to photos), L1 and PSNR hardly separate a translator from the mean picture: judge by SSIM and by eye."
    )
