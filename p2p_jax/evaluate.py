"""How good a translator is on a split, beside two baselines that need no training."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax import metrics
from p2p_jax.config import Config
from p2p_jax.data import open_dataset, read_batch
from p2p_jax.data.loading import Pairs, Replacing

Figures = dict[str, float]
Translate = Callable[[np.ndarray], np.ndarray]


@jax.jit
def _measure(pictures: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
    return {name: getattr(metrics, name)(pictures, targets) for name in ("l1", "psnr", "ssim")}


def score(pairs: Pairs, translate: Translate, size: int, *, count: int | None = None, batch_size: int = 8) -> Figures:
    """Mean L1, PSNR and SSIM of a function over the first `count` pairs of a split.

    Args:
        pairs: the split.
        translate: (n, size, size, c) uint8 to (n, size, size, c') uint8.
        size: pixels a side.
        count: pairs to look at; by default all.
        batch_size: pairs at once; does not change the figures.

    Returns:
        {"l1": in the scale [-1, 1], "psnr": in decibels, "ssim": at most 1}.
    """
    return score_all(pairs, {"it": translate}, size, count=count, batch_size=batch_size)["it"]


def score_all(
    pairs: Pairs, functions: dict[str, Translate], size: int, *, count: int | None = None, batch_size: int = 8
) -> dict[str, Figures]:
    """`score` of several functions, reading the pairs once."""
    sums = {name: dict.fromkeys(("l1", "psnr", "ssim"), 0.0) for name in functions}
    total = pairs.count() if count is None else min(count, pairs.count())
    for batch, real in batches_of(pairs, size, total, batch_size):
        for name, function in functions.items():
            figures = _measure(jnp.asarray(function(batch["input"])), jnp.asarray(batch["target"]))
            for key, values in figures.items():
                # An identical picture has no finite PSNR; 100 dB stands for it.
                sums[name][key] += float(np.minimum(np.asarray(values)[:real], 100.0).sum())
    return {name: {key: value / total for key, value in figures.items()} for name, figures in sums.items()}


def batches_of(pairs: Pairs, size: int, total: int, batch_size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """The first `total` pairs in order, in batches of one size, the last filled up; with how many of each are real."""
    for start in range(0, total, batch_size):
        indices = list(range(start, min(start + batch_size, total)))
        real = len(indices)
        yield read_batch(pairs, indices + [indices[-1]] * (batch_size - real), (size, size)), real


def mean_target(pairs: Pairs, size: int, *, count: int = 1000) -> np.ndarray:
    """The mean of the first `count` targets of a split: uint8 (size, size, c')."""
    number = min(count, pairs.count())
    total = sum(pairs.read(i, (size, size))[1].astype(np.float64) for i in range(number))
    return np.round(total / number).astype(np.uint8)


def baselines(train: Pairs, size: int) -> dict[str, Translate]:
    """What a translator has to beat: the input itself, and the mean training target for every input."""
    mean = mean_target(train, size)

    def input_itself(pictures: np.ndarray) -> np.ndarray:
        if pictures.shape[-1] == mean.shape[-1]:
            return pictures
        grey = np.round(pictures.mean(-1, keepdims=True)).astype(np.uint8)
        return np.repeat(grey, mean.shape[-1], axis=-1)

    return {
        "input itself": input_itself,
        "mean training target": lambda pictures: np.broadcast_to(mean, (len(pictures), *mean.shape)),
    }


def choose_split(splits: dict[str, Any], split: str | None, path: str) -> str:
    """The split asked for, or the first there is of test, val and train.

    Raises:
        ValueError: there is no such split.
    """
    if split is None:
        return next(name for name in ("test", "val", "train") if name in splits)
    if split not in splits:
        raise ValueError(f"{path} has no split {split}: it has {', '.join(splits)}.")
    return split


def sample_split(splits: dict[str, Any]) -> str:
    """The split whose first pairs are shown during training: val, or where there is none, train."""
    return "val" if "val" in splits else "train"


def evaluate(config: Config, translate: Translate, split: str | None = None) -> dict[str, Any]:
    """Evaluates a translator on a split of its experiment's data, at the size of training, with both baselines.

    Args:
        config: of the experiment.
        translate: (n, h, w, c) uint8 to (n, h, w, c') uint8.
        split: "train", "val" or "test"; by default the first there is of test, val and train.

    Returns:
        {"split", "pairs", "replaced" (unreadable ones, for which others stood in), "figures": {"translator" and each
        baseline: {"l1", "psnr", "ssim"}}}.

    Raises:
        ValueError: the data are not there, or lack the split.
    """
    dataset = open_dataset(config)
    split = choose_split(dataset.splits, split, str(config.data.path or config.data.source))
    pairs = dataset.splits[split]
    functions = {"translator": translate, **baselines(dataset.splits["train"], config.image_size)}
    figures = score_all(pairs, functions, config.image_size)
    replaced = len(pairs.skipped) if isinstance(pairs, Replacing) else 0
    return {"split": split, "pairs": pairs.count(), "replaced": replaced, "figures": figures}


def remark(result: dict[str, Any]) -> str:
    """How to read the figures."""
    replaced = f" ({result['replaced']} of them unreadable and replaced by others)" if result["replaced"] else ""
    return (
        f"Over {result['pairs']} pairs of the split '{result['split']}'{replaced}. L1 is in the scale [-1, 1], lower is "
        "better; PSNR (dB) and SSIM, higher is better. Where the colours of the target cannot be told from the input "
        "(labels to photos), L1 and PSNR hardly tell a translator from the mean picture: there SSIM and the eye decide."
    )
