"""Runs that differ in nothing but the seed are one setting."""

from dataclasses import replace
from pathlib import Path

import pytest

from p2p_jax import Config, Data, Loss, UserError
from p2p_jax.config.tree import get_field
from p2p_jax.data.loading import Dataset
from p2p_jax.evaluation.comparison.candidates import Candidate
from p2p_jax.evaluation.comparison.settings import IRRELEVANT, differing, find_settings
from p2p_jax.experiment import Experiment, build_paper


def candidate(name="run", config=None, build=build_paper, **record):
    config = config or Config(seed=hash(name) % 1000)
    record = {"name": "pix2pix", "sha256": None, "init_from": None} | record
    return Candidate(name, Path(name), Experiment("pix2pix", config, build), record, Dataset({}, ""))


def groups_of(runs, steps=None):
    return [(setting.letter, setting.runs) for setting in find_settings(runs, steps or [8] * len(runs))]


def test_seeds_and_what_cannot_matter_make_no_other_setting():
    changed = Config(seed=2, log_every=1, keep=9, data=Data(path="elsewhere", threads=7))
    assert groups_of([candidate("a", Config()), candidate("b", Config(seed=1)), candidate("c", changed)]) == [
        ("A", (0, 1, 2))
    ]


def test_settings_are_lettered_in_the_order_of_the_runs_with_what_differs():
    gan, alone = Config(), Config(loss=Loss(adversarial_weight=0.0))
    runs = [candidate("a", alone), candidate("b", gan), candidate("c", replace(alone, seed=1))]
    found = find_settings(runs, [8, 8, 8])
    assert [(setting.letter, setting.runs) for setting in found] == [("A", (0, 2)), ("B", (1,))]
    assert differing(found) == {"loss.adversarial_weight": [0.0, 1.0]}


def test_other_code_other_first_weights_and_other_steps_are_other_settings():
    config = Config()
    seeds = [replace(config, seed=seed) for seed in range(5)]
    own = candidate("own", seeds[1], lambda config: None, sha256="f" * 64)
    tuned = candidate("tuned", seeds[2], init_from="/runs/other")
    later = candidate("later", seeds[3])
    runs = [candidate("a", seeds[0]), own, tuned, later, candidate("e", seeds[4])]
    assert groups_of(runs, [8, 8, 8, 16, 8]) == [("A", (0, 4)), ("B", (1,)), ("C", (2,)), ("D", (3,))]
    assert differing(find_settings(runs, [8, 8, 8, 16, 8]))["step of the checkpoint"] == [8, 8, 8, 16]
    assert [setting.runs for setting in find_settings([runs[0], later], None)] == [(0, 1)]  # best checkpoints


def test_a_run_that_repeats_another_one_is_refused():
    with pytest.raises(UserError, match=r"^a and b have the same settings and the same seed 3, so one repeats the other"):
        groups_of([candidate("a", Config(seed=3)), candidate("b", Config(seed=3, log_every=7))])


@pytest.mark.parametrize("name", IRRELEVANT)
def test_the_fields_that_cannot_matter_exist(name):
    get_field(Config(), name)
