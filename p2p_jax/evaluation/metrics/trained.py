"""The metrics that need trained networks, by their names: what they mean, and what they lack to be computed.

The name of a set's metric ends with the network of its features; only Inception's Fréchet distance is called FID.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import jax
import numpy as np

from p2p_jax.config.metric_names import BETTER
from p2p_jax.errors import UserError, suggest
from p2p_jax.evaluation.features import packages
from p2p_jax.evaluation.features.backbones import Network, read_lpips_weights
from p2p_jax.evaluation.features.extract import FeatureNetwork, missing
from p2p_jax.evaluation.metrics.frechet import frechet_distance
from p2p_jax.evaluation.metrics.kernel_distance import kernel_distance
from p2p_jax.evaluation.metrics.lpips import lpips
from p2p_jax.evaluation.metrics.precision_recall import precision_recall

Compare = Callable[[np.ndarray, np.ndarray], float]
"""A function from the features of made pictures (n, d) and of real ones (m, d) to a figure."""


class TrainedMetric(NamedTuple):
    """A metric that needs a trained network.

    Attributes:
        name: such as "kid_vgg16".
        of: "pair" if each picture has a score, "set" if all pictures together have one.
        unit: of the figure; "" if it has none.
        higher_is_better: whether larger figures are better.
        meaning: a sentence.
        missing: what is missing and the command that installs it; None if the metric can be computed.
        network: for pairs the network of `lpips`, for sets the one of `features.extract.open_features`.
        compare: of a set: `(made, real) -> figure`, of features.
    """

    name: str
    of: Literal["pair", "set"]
    unit: str
    higher_is_better: bool
    meaning: str
    missing: str | None
    network: Network | FeatureNetwork
    compare: Compare | None = None


MEANINGS = {
    "alex": "LPIPS says how different two pictures look by AlexNet's features; 0 is equal.",
    "vgg": "LPIPS says how different two pictures look by VGG16's features; 0 is equal.",
    "kid": "The kernel distance says how far the made pictures as a set are from the real ones by {}'s features; it has no "
    "bias for few pictures and may fall below 0.",
    "frechet": "The Fréchet distance says how far the made pictures as a set are from the real ones by {}'s features; it "
    "grows if there are few pictures, so compare it only for equal numbers.",
    "precision": "Precision is the fraction of made pictures that lie among the real ones by {}'s features: quality.",
    "recall": "Recall is the fraction of real pictures that lie among the made ones by {}'s features: variety.",
}
"""What each metric says; {} is the name of a network."""

NAMES = {"vgg16": "VGG16", "lite0": "EfficientNet-Lite0", "inception": "Inception"}

COMPARISONS: dict[str, Compare] = {
    "kid": lambda made, real: kernel_distance(made, real).value,
    "frechet": lambda made, real: frechet_distance(made, real).value,
    "precision": lambda made, real: precision_recall(made, real).precision,
    "recall": lambda made, real: precision_recall(made, real).recall,
}


def available_metrics(inception_file: str | Path | None = None) -> dict[str, TrainedMetric]:
    """Returns all metrics that need trained networks, by name; those whose weights are missing say what is missing.

    Args:
        inception_file: the weights of Inception, without which FID is missing.

    Example:
        >>> from p2p_jax.evaluation.metrics.trained import available_metrics
        >>> available_metrics()["lpips_alex"].higher_is_better
        False
    """
    found: dict[str, TrainedMetric] = {}
    backbones: dict[Network, packages.Shipped] = {"alex": packages.LPIPS_ALEX, "vgg": packages.LPIPS_VGG}
    for network, shipped in backbones.items():
        name, lacking = f"lpips_{network}", packages.missing(shipped)
        found[name] = TrainedMetric(name, "pair", "", BETTER[name] == "higher", MEANINGS[network], lacking, network)
    networks: tuple[FeatureNetwork, ...] = get_args(FeatureNetwork)
    for network in networks:
        lacking = missing(network, inception_file)
        for kind, compare in COMPARISONS.items():
            name = "fid" if (kind, network) == ("frechet", "inception") else f"{kind}_{network}"
            meaning, higher = MEANINGS[kind].format(NAMES[network]), kind in ("precision", "recall")
            found[name] = TrainedMetric(name, "set", "", higher, meaning, lacking, network, compare)
    return found


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

    Raises:
        UserError: the weights are missing or have changed.
    """
    weights = jax.device_put(read_lpips_weights(network))
    return partial(jax.jit(partial(lpips, network=network)), weights)
