"""Which metrics are computed for which targets."""

import pytest

from p2p_jax.config import Side
from p2p_jax.evaluation.metrics.registry import LABEL_METRICS, METRICS, names_for, suits

EVERYWHERE = ("l1", "psnr", "ssim")


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (Side(), ("ms_ssim", "haarpsi", "sharpness", "checkerboard", "colour_distance")),
        (Side(channels=(1,), depth="16"), ("ms_ssim", "haarpsi", "sharpness", "checkerboard")),
        (Side(channels=(4,)), ("ms_ssim", "sharpness", "checkerboard")),
        (Side(channels=(1, 1, 1)), ("ms_ssim", "sharpness", "checkerboard")),
        (Side(kind="labels"), ()),
        (Side(kind="labels", channels=(1,), classes=3), ()),
    ],
)
def test_metrics_suit_the_kind_of_the_target(target, more):
    assert names_for(target) == EVERYWHERE + more
    assert all(suits(METRICS[name], target) == (target.classes is not None) for name in LABEL_METRICS)


def test_the_figures_of_earlier_versions_come_first():
    assert tuple(METRICS)[:3] == EVERYWHERE
    assert all(metric.meaning.endswith(".") for metric in METRICS.values())
