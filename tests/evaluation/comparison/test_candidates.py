"""Runs that cannot be compared picture by picture are refused in one sentence that says what differs."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.runs import folder_of_pairs

from p2p_jax import Config, Data, Side, UserError
from p2p_jax.data.loading import open_dataset
from p2p_jax.evaluation.comparison.candidates import Candidate, find_common, names_of, short_names
from p2p_jax.experiment import Experiment, build_paper


def candidate(name: str, config: Config) -> Candidate:
    record = {"name": "pix2pix", "sha256": None, "init_from": None}
    return Candidate(name, Path(name), Experiment("pix2pix", config, build_paper), record, open_dataset(config))


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    folder = folder_of_pairs(tmp_path_factory.mktemp("data") / "pairs", 8)
    return Config(image_size=32, data=Data(path=str(folder), test_fraction=0.5))


DRAWN = Config(image_size=16, data=Data(source="procedural", count=16))


def test_names_are_as_short_as_they_can_be():
    assert short_names(["runs/a", "runs/b/"]) == ["a", "b"]
    assert short_names(["x/run", "y/run", "z"]) == ["x/run", "y/run", "z"]
    assert short_names(["s3://bucket/a", "runs/a"]) == ["bucket/a", "runs/a"]


def test_the_same_pictures_are_found(config):
    runs = [candidate("a", config), candidate("b", replace(config, batch_size=4))]
    common = find_common(runs, None)
    assert (common.split, common.notes) == ("test", ())
    assert names_of(common.pairs(1)) == common.names == names_of(runs[0].dataset.splits["test"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: replace(config, image_size=64), "image_size differs (32 x 32 and 64 x 64)"),
        (
            lambda config: replace(config, data=replace(config.data, direction="BtoA")),
            "data.direction differs (AtoB and BtoA)",
        ),
        (
            lambda config: replace(config, data=replace(config.data, target=Side(channels=(1,)))),
            "data.target.channels differs ((3,) and (1,))",
        ),
        (
            lambda config: replace(config, data=replace(config.data, resize="area")),
            "data.resize differs (bicubic and area)",
        ),
        (lambda config: DRAWN, "data.source differs (folder and procedural)"),
        (
            lambda config: replace(config, seed=1),
            "because test holds different pairs of {path}: they were split off with data.test_fraction 0.5 and seed 0, and "
            "with 0.5 and seed 1; put the pictures of test into a folder of their own.",
        ),
    ],
)
def test_runs_with_other_targets_are_refused(config, change, words):
    with pytest.raises(UserError) as caught:
        find_common([candidate("a", config), candidate("b", change(config))], None)
    message = str(caught.value)
    assert message.startswith("a and b cannot be compared picture by picture, because ")
    assert words.format(path=config.data.path) in message
    assert "\n" not in message
    assert message[-1] == "."


def test_runs_with_other_data_sets_are_refused(config, tmp_path):
    others = replace(config, data=replace(config.data, path=str(folder_of_pairs(tmp_path / "others", 6))))
    with pytest.raises(UserError, match=r"because their data sets differ .*pairs and .*others, in the names or sizes"):
        find_common([candidate("a", config), candidate("b", others)], None)
    more = replace(DRAWN, data=replace(DRAWN.data, count=24))
    with pytest.raises(UserError, match=r"their data sets differ .built-in facades and built-in facades, in the names or"):
        find_common([candidate("a", DRAWN), candidate("b", more)], None)


def test_a_split_that_does_not_exist_is_refused(config):
    with pytest.raises(UserError, match="has no split val"):
        find_common([candidate("a", config), candidate("b", config)], "val")


def test_facades_of_another_seed_are_replaced_by_those_of_the_first_run():
    runs = [candidate("a", DRAWN), candidate("b", replace(DRAWN, seed=1))]
    common = find_common(runs, None)
    assert "measured on those of test that the program draws with the seed of a, 0." in common.notes[0]
    assert common.pairs(1) == common.pairs(0) == runs[0].dataset.splits["test"] != runs[1].dataset.splits["test"]
    with pytest.raises(UserError, match=r"so they were trained on different facades.*give --split test"):
        find_common(runs, "train")
