"""The check of the diagnoses: which runs it makes, and what it measures on them."""

import numpy as np
import pytest
from PIL import Image

from experiments import quickstart
from experiments.checks.diagnoses import SIZE, cases, measures, write_pairs
from p2p_jax.config import Config
from p2p_jax.config.tree import differences


def test_every_kind_has_a_run_and_three_runs_are_healthy():
    faults = [case.fault for case in cases().values()]
    kinds = ["overfitting", "discriminator wins", "discriminator loses", "outputs alike", "outputs unrelated"]
    assert faults == [*kinds, None, None, None]


def test_healthy_runs_have_the_settings_of_quickstart():
    shortened = {"steps", "log_every", "sample_every", "checkpoint_every", "keep"}
    first, seed, preset = (case.config for case in cases().values() if case.fault is None)
    assert set(differences(quickstart.CONFIG, first)) == shortened
    assert set(differences(first, seed)) == {"seed"}
    assert preset.optimizer.update == "stale"


def test_the_most_striking_values_are_measured():
    common = {"discriminator_real_accuracy": 0.9, "discriminator_fake_accuracy": 0.7, "generator_gan": 1.0, "val_ssim": 0.5}
    rows = [
        {"step": step, **common, "val_l1": val, "generator_l1": l1, "discriminator_loss": np.log(2) * part, **more}
        for step, val, l1, part, more in (
            (500, 0.2, 0.4, 0.5, {"sample_variation": 0.8, "sample_agreement": 0.6}),
            (1000, 0.3, 0.2, 0.25, {"sample_variation": 0.4, "sample_agreement": 0.7}),
        )
    ]
    assert measures(rows, Config(steps=1000)) == ["+50.0%", "-50.0%", "0.250 to 0.500", "0.800 to 0.800", "0.400", "0.600"]


@pytest.mark.slow
def test_pairs_of_changed_inputs_are_written(tmp_path):
    case = cases()["equal inputs"]
    folder = write_pairs(tmp_path / "pairs", case)
    assert [len(list((folder / split).iterdir())) for split in ("train", "val", "test")] == [400, 50, 50]
    with Image.open(folder / "val" / "410.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (SIZE, 2 * SIZE, 3)
    assert np.all(pixels[:, :SIZE] == 128)
    assert pixels[:, SIZE:].std() > 10
