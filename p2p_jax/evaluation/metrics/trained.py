"""The metrics that need trained networks, by their names: what they mean, and what they lack to be computed.

The name of a set's metric ends with the network of its features; only Inception's Fréchet distance is called FID.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.config.metric_names import BETTER, Better
from p2p_jax.errors import UserError, suggest
from p2p_jax.evaluation.features.extract import FeatureNetwork, missing
from p2p_jax.evaluation.metrics.registry import METRICS, Metric
from p2p_jax.evaluation.metrics.set_figures import (
    SetFigure,
    frechet_figure,
    kernel_figure,
    precision_figure,
    recall_figure,
)
from p2p_jax.features import backbones, packages
from p2p_jax.features.backbones import Network, read_lpips_weights
from p2p_jax.features.lpips import lpips

Compare = Callable[[np.ndarray, np.ndarray, bool], SetFigure]
"""A function from the features of made pictures (n, d) and of real ones (m, d), and whether they are pairs, to a figure."""


class TrainedMetric(NamedTuple):
    """A metric that needs a trained network.

    Attributes:
        name: such as "kid_vgg16".
        title: for tables.
        of: "pair" if each picture has a score, "set" if all pictures together have one.
        best: which values are better.
        meaning: a sentence.
        missing: what is missing and the command that installs it; None if the metric can be computed.
        network: for pairs the network of `lpips`, for sets the one of `features.extract.open_features`.
        compare: of a set: `(made, real, seed) -> figure with its interval`, of features.
        smallest: pixels that each side of a picture needs.
        digits: after the decimal point, in tables.
        unit: of the figure; "" as it has none.
    """

    name: str
    title: str
    of: Literal["pair", "set"]
    best: Better
    meaning: str
    missing: str | None
    network: Network | FeatureNetwork
    compare: Compare | None = None
    smallest: int = 1
    digits: int = 4
    unit: str = ""


TITLES = {"kid": "KID", "frechet": "Fréchet distance", "precision": "precision", "recall": "recall"}
"""Titles of the metrics of sets; the network of the features is added."""

MEANINGS = {
    "lpips": "How different two pictures look, by {}'s features; 0 is equal.",
    "kid": "The kernel distance: how far the outputs as a set are from the targets, by {}'s features; without bias for few "
    "pictures, so that it may fall below 0.",
    "frechet": "How far the outputs as a set are from the targets, by {}'s features; it grows if there are few pictures, "
    "so compare it only for equal numbers.",
    "precision": "The fraction of outputs that lie among the targets, by {}'s features: quality.",
    "recall": "The fraction of targets that lie among the outputs, by {}'s features: variety.",
}
"""What each metric says; {} is the name of a network."""

NETWORKS = {"alex": "AlexNet", "vgg": "VGG16", "vgg16": "VGG16", "lite0": "EfficientNet-Lite0", "inception": "Inception"}

SHORT = {**NETWORKS, "lite0": "Lite0"}
"""Names of the networks in titles."""

SMALLEST = {**backbones.SMALLEST, "vgg16": backbones.SMALLEST["vgg"], "lite0": 1, "inception": 1}
"""Pixels that each side of a picture needs for the networks; the last two resize pictures."""

COMPARISONS: dict[str, Compare] = {
    "kid": kernel_figure, "frechet": frechet_figure, "precision": precision_figure, "recall": recall_figure,
}  # fmt: skip

STANDARD = ("lpips_alex", "kid_lite0", "frechet_lite0", "precision_lite0", "recall_lite0")
"""The metrics that are computed if their weights are there; the others are computed on demand."""


def available_metrics(inception_file: str | Path | None = None) -> dict[str, TrainedMetric]:
    """Returns all metrics that need trained networks, by name; those whose weights are missing say what is missing.

    Args:
        inception_file: the weights of Inception, without which FID is missing.

    Example:
        >>> from p2p_jax.evaluation.metrics.trained import available_metrics
        >>> available_metrics()["lpips_alex"].best
        'lower'
    """
    found: dict[str, TrainedMetric] = {}
    shipped_by: dict[Network, packages.Shipped] = {"alex": packages.LPIPS_ALEX, "vgg": packages.LPIPS_VGG}
    for network, shipped in shipped_by.items():
        name, title, meaning = (
            f"lpips_{network}",
            f"LPIPS ({SHORT[network]})",
            MEANINGS["lpips"].format(NETWORKS[network]),
        )
        lacking, smallest = packages.missing(shipped), SMALLEST[network]
        found[name] = TrainedMetric(name, title, "pair", BETTER[name], meaning, lacking, network, smallest=smallest)
    networks: tuple[FeatureNetwork, ...] = get_args(FeatureNetwork)
    for network in networks:
        lacking, smallest = missing(network, inception_file), SMALLEST[network]
        for kind, compare in COMPARISONS.items():
            is_fid = (kind, network) == ("frechet", "inception")
            name, title = ("fid", "FID") if is_fid else (f"{kind}_{network}", f"{TITLES[kind]} ({SHORT[network]})")
            best, meaning = (
                "higher" if kind in ("precision", "recall") else "lower",
                MEANINGS[kind].format(NETWORKS[network]),
            )
            digits = 2 if kind == "frechet" else 4
            found[name] = TrainedMetric(name, title, "set", best, meaning, lacking, network, compare, smallest, digits)
    return found


def find_metric(name: str) -> Metric | TrainedMetric:
    """Returns the description of any metric by its name."""
    return METRICS[name] if name in METRICS else available_metrics()[name]


def require(name: str, metrics: Mapping[str, TrainedMetric]) -> TrainedMetric:
    """Returns a metric that can be computed.

    Raises:
        UserError: there is no such metric, or its weights are missing.
    """
    if name not in metrics:
        raise UserError(f"there is no metric {name}{suggest(name, metrics)}: give one of {', '.join(metrics)}.")
    if metrics[name].missing is not None:
        raise UserError(f"{name} cannot be computed, because {metrics[name].missing}.")
    return metrics[name]


def open_lpips(network: Network) -> Callable[..., jax.Array]:
    """Reads the weights of LPIPS and returns its jitted function `(picture, target, known=None) -> (n,)`.

    Pictures that are too small have no score: their result is NaN.

    Raises:
        UserError: the weights are missing or have changed.
    """
    weights = jax.device_put(read_lpips_weights(network))
    function = partial(jax.jit(partial(lpips, network=network)), weights)

    def where_large_enough(picture: jax.Array, *others: jax.Array | None) -> jax.Array:
        large_enough = min(picture.shape[1:3]) >= SMALLEST[network]
        return function(picture, *others) if large_enough else jnp.full(len(picture), jnp.nan)

    return where_large_enough
