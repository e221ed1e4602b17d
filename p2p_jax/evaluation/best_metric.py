"""The metric that chooses the best checkpoint of a run: whether it suits the run, and its function."""

from collections.abc import Collection

from p2p_jax.config import Config, as_size
from p2p_jax.config.checks import varies
from p2p_jax.config.metric_names import BETTER, plain_name
from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.registry import METRICS, Kind, is_kind
from p2p_jax.evaluation.metrics.trained import available_metrics, open_lpips, require
from p2p_jax.evaluation.scoring import VALIDATION, PairMetrics
from p2p_jax.features.backbones import SMALLEST, Network

LPIPS: dict[str, Network] = {"lpips_alex": "alex", "lpips_vgg": "vgg"}
"""The networks of the metrics that the registry lacks."""

ADVICE = "give --data.val-fraction 0.1, or pairs in a folder val"


def check_best_metric(config: Config, splits: Collection[str]) -> None:
    """Refuses a metric, or a patience, that the validation of a run cannot have.

    Args:
        config: of the run.
        splits: the names of those that the data have.

    Raises:
        UserError: there is no validation split, the metric does not suit the targets or their size, or its weights are
            missing.
    """
    name, target = plain_name(config.best_metric), config.data.target
    if "val" not in splits:
        if config.patience is not None:
            raise UserError(f"--patience was given {config.patience}, but the data have no validation pairs: {ADVICE}.")
        if name not in VALIDATION:
            raise UserError(f"--best-metric was given {name}, but the data have no validation pairs: {ADVICE}.")
        return
    kind, smallest = _requirements(name)
    if not is_kind(kind, target):
        suitable = [each for each in BETTER if is_kind(_requirements(each)[0], target)]
        needed = f"{kind}s with classes" if kind == "label map" else f"{kind}s"
        raise UserError(
            f"--best-metric was given {name}, whose targets must be {needed}: give one of {', '.join(suitable)}."
        )
    if name not in VALIDATION and not varies(config) and min(as_size(config.image_size)) < smallest:
        raise UserError(
            f"--best-metric was given {name}, but --image-size {config.image_size}: each side needs at least {smallest} "
            f"pixels; give another metric, such as {VALIDATION[-1]}."
        )
    if name in LPIPS:
        require(name, available_metrics())


def validation_names(config: Config) -> tuple[str, ...]:
    """The names of the metrics that each validation computes: three that are always there, and the chosen one."""
    return tuple(dict.fromkeys((*VALIDATION, plain_name(config.best_metric))))


def open_functions(config: Config) -> PairMetrics:
    """Returns the functions of those metrics of the validation that need trained networks, whose weights it reads.

    Raises:
        UserError: the weights are missing or have changed.
    """
    name = plain_name(config.best_metric)
    return {name: open_lpips(LPIPS[name])} if name in LPIPS else {}


def _requirements(name: str) -> tuple[Kind, int]:
    """The kind of targets that a metric needs, and the pixels of their shorter side."""
    if name in LPIPS:
        return "grey or colour picture", SMALLEST[LPIPS[name]]
    return METRICS[name].needs, METRICS[name].smallest
