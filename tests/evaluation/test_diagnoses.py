"""Diagnoses on rows that are made for them: what is said, where it is first said, and where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.cases import normal

from p2p_jax.config import Config, Discriminator, Loss
from p2p_jax.evaluation.diagnoses import diagnose, guessing_loss, long_means, variation_figures

CONFIG = Config(steps=4000)
HEALTHY = {
    "generator_gan": 1.5, "discriminator_loss": 0.4, "discriminator_real_accuracy": 0.85,
    "discriminator_fake_accuracy": 0.85, "sample_variation": 0.7, "sample_agreement": 0.6,
}  # fmt: skip


def rows_with(count=40, **figures):
    """Rows every 100 steps; a figure is a number, or a function of the row's index from 1 on."""
    rows = [
        {"step": 100 * index, **HEALTHY, "generator_l1": 0.2, "val_l1": 0.2, "val_ssim": 0.5} for index in range(1, count)
    ]
    for index, row in enumerate(rows, start=1):
        row.update({name: value(index) if callable(value) else value for name, value in figures.items()})
    return rows


FAULTS = {
    "overfitting": {
        "val_l1": lambda i: 0.2 + 0.01 * abs(i - 8), "val_ssim": lambda i: 0.5 - 0.01 * abs(i - 8),
        "generator_l1": lambda i: 0.3 * 0.93**i,
    },
    "discriminator wins": {
        "discriminator_loss": 0.01, "discriminator_real_accuracy": 0.995, "discriminator_fake_accuracy": 0.99,
    },
    "discriminator loses": {
        "discriminator_loss": 0.69, "discriminator_real_accuracy": 0.6, "discriminator_fake_accuracy": 0.45,
    },
    "outputs alike": {"sample_variation": 0.03},
    "outputs unrelated": {"sample_agreement": -0.01},
}  # fmt: skip


def test_nothing_is_said_of_a_healthy_run():
    assert diagnose(rows_with(), CONFIG) == []
    assert diagnose([], CONFIG) == []
    assert diagnose([{"step": 50}], CONFIG) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_once_and_said_in_one_sentence_with_its_figures(kind):
    (found,) = diagnose(rows_with(**FAULTS[kind]), CONFIG)
    assert found.kind == kind
    assert found.sentence.endswith(".")
    assert ". " not in found.sentence
    assert f"{found.step}" in found.sentence
    assert "try" in found.sentence


@pytest.mark.parametrize("kind", FAULTS)
def test_later_rows_do_not_change_what_was_found(kind):
    rows = rows_with(**FAULTS[kind])
    (found,) = diagnose(rows, CONFIG)
    upto = [row for row in rows if row["step"] <= found.step]
    assert diagnose(upto, CONFIG) == [found]
    assert diagnose(upto[:-1], CONFIG) == []


def test_overfitting_needs_that_the_chosen_metric_turns_too():
    still_better = {**FAULTS["overfitting"], "val_ssim": lambda i: 0.3 + 0.01 * i}
    assert diagnose(rows_with(**still_better), CONFIG) == []
    lpips = rows_with(**still_better, val_lpips_alex=lambda i: 0.3 + 0.01 * abs(i - 8))
    assert [each.kind for each in diagnose(lpips, replace(CONFIG, best_metric="lpips_alex"))] == ["overfitting"]


def test_a_validation_that_turns_without_learning_is_not_overfitting():
    unstable = {**FAULTS["overfitting"], "generator_l1": lambda i: 0.2 + 0.001 * i}
    assert diagnose(rows_with(**unstable), CONFIG) == []


@pytest.mark.parametrize("kind", ["discriminator wins", "discriminator loses"])
def test_the_discriminator_is_judged_only_where_it_has_a_scale_and_trains_the_generator(kind):
    rows = rows_with(**FAULTS[kind])
    for loss in (Loss("wasserstein"), Loss(adversarial_weight=0)):
        assert guessing_loss(Config(loss=loss)) is None
        assert diagnose(rows, replace(CONFIG, loss=loss)) == []
    assert guessing_loss(Config(discriminator=Discriminator("segmentation"))) is None
    assert guessing_loss(Config()) == pytest.approx(np.log(2))
    assert guessing_loss(Config(loss=Loss("hinge", discriminator_weight=1.0))) == 2
    assert guessing_loss(Config(loss=Loss("least_squares"))) == 0.25


def test_a_discriminator_that_wins_only_for_a_while_is_none():
    briefly = {
        name: lambda i, name=name, value=value: value if 10 <= i < 13 else HEALTHY[name]
        for name, value in FAULTS["discriminator wins"].items()
    }
    assert diagnose(rows_with(**briefly), CONFIG) == []


def test_long_means_weigh_rows_by_their_steps():
    row = dict(HEALTHY)
    rows = [{"step": step, **row, "discriminator_loss": value} for step, value in ((400, 1.0), (500, 0.0), (1000, 0.5))]
    means = long_means(rows, Config(steps=1000))
    assert [(mean["step"], mean["discriminator_loss"]) for mean in means] == [(500, pytest.approx(0.8)), (1000, 0.5)]


def test_variation_is_compared_with_that_of_the_targets():
    targets = list(normal(8, 8, 8, 3))
    mean = np.mean(targets, axis=0)
    half = [mean + (target - mean) / 2 for target in targets]
    assert variation_figures(half, targets) == {
        "sample_variation": pytest.approx(0.5), "sample_agreement": pytest.approx(1.0),
    }  # fmt: skip
    assert variation_figures([mean] * 8, targets) == {"sample_variation": 0.0}
    others = variation_figures(list(normal(8, 8, 8, 3, seed=1)), targets)
    assert others["sample_variation"] == pytest.approx(1, abs=0.2)
    assert others["sample_agreement"] == pytest.approx(0, abs=0.15)


def test_the_agreement_of_few_pairs_says_nothing_and_is_missing():
    targets = list(normal(7, 8, 8, 3))
    assert variation_figures(targets, targets) == {"sample_variation": 1.0}


def test_pictures_that_cannot_be_compared_have_no_figures():
    picture = np.ones((8, 8, 3))
    assert variation_figures([picture], [picture]) == {}
    assert variation_figures([picture, 2 * picture], [picture, picture]) == {}
    assert variation_figures([picture, np.ones((8, 9, 3))], [picture, np.ones((8, 9, 3))]) == {}
