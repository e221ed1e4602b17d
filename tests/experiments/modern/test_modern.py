"""The ablation: its settings are possible, its intervals are the jackknife's, and it keeps what makes pictures better."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.feature_weights import NEEDS_LITE0, NEEDS_LPIPS
from helpers.runs import finished_run
from PIL import Image

import p2p_jax
from experiments.modern import ablation, grids, pieces, scores, sets, timing, verdicts
from experiments.modern.__main__ import run
from p2p_jax.cli import run_command
from p2p_jax.config.checks import check_config
from p2p_jax.config.tree import with_fields
from p2p_jax.console import open_console
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import open_dataset
from p2p_jax.errors import UserError
from p2p_jax.evaluation.columns import Columns
from p2p_jax.features import packages

NAMES = (*verdicts.AIMS, *verdicts.GUARDS, "sharpness")


@pytest.mark.parametrize("name", pieces.PIECES)
def test_each_piece_is_possible_and_changes_the_default(name):
    config = with_fields(sets.built_in().config, pieces.PIECES[name])
    check_config(config)
    p2p_jax.build(config)
    assert (config == sets.built_in().config) == (name == "default")


def test_pieces_that_want_different_values_of_an_option_cannot_be_combined():
    assert pieces.combine(("r1", "no_norm")) is None
    assert pieces.combine(("resize", "ema")) == {"generator.upsample": "resize", "ema_share": 0.05}


def test_facades_are_read_from_a_folder_in_both_directions(tmp_path):
    pictures = sets.facades(tmp_path)
    assert pictures.segmenter is not None
    assert {pictures.config.data.path, pictures.segmenter.data.path} == {str(tmp_path)}
    assert pictures.config.data.direction == "BtoA" != pictures.segmenter.data.direction
    check_config(pictures.config)
    check_config(pictures.segmenter)


def test_fewer_pairs_are_the_first_ones_and_all_of_the_test(tmp_path, monkeypatch):
    assert sets.with_fewer(sets.built_in(), 50, tmp_path).config.data.count == 50
    monkeypatch.setattr(sets, "DRAWN", 16)
    drawn = sets.edges(tmp_path / "pictures")
    few = sets.with_fewer(drawn, 3, tmp_path)
    assert few.title == "edges_3"
    every, fewer = (open_dataset(each.config).splits for each in (drawn, few))
    assert (every["train"].count(), fewer["train"].count()) == (16, 3)
    assert every["test"].count() == fewer["test"].count() == 2
    for split, index in (("train", 2), ("test", 1)):
        one, other = (each[split].read(index, fit_of_evaluation(drawn.config)) for each in (every, fewer))
        assert all((one[side] == other[side]).all() for side in ("input", "target"))
    assert set(np.unique(one["input"])) == {0, 255}
    assert np.unique(one["target"]).size > 50


def test_figures_without_a_group_are_those_of_the_other_pictures():
    rows = np.arange(40.0)[:, None]
    features = np.random.default_rng(0).normal(size=(2, 40, 3))
    found = scores.figures_of_groups([(Columns(("l1",)), rows)], {"kid_vgg16": (features[0], features[1])})
    assert found["l1"][0] == 19.5
    assert found["l1"][1:] == pytest.approx([(rows.sum() - group - (group + 20)) / 38 for group in range(20)], rel=1e-4)
    assert len(set(found["kid_vgg16"])) == 1 + scores.GROUPS


def scored(setting, seed, **figures):
    """A row whose pictures differ by chance around the given figures."""
    chance = np.random.default_rng(seed + 7)
    values = (
        {"lpips_alex": 0.1, "lpips_vgg": 0.1, "kid_vgg16": 0.2, "kid_lite0": 0.2, "sharpness": 0.8}
        | dict.fromkeys(verdicts.GUARDS, 0.7)
        | figures
    )
    noise = {name: chance.normal(scale=1e-3, size=scores.GROUPS) for name in NAMES}
    made = {name: [values[name] + noise[name].mean(), *(values[name] + noise[name])] for name in NAMES}
    return scores.Scored("drawn", setting, {}, seed, 10, made)


VGG = {"default": 0.1, "ema+perceptual_vgg": 0.05}


def compared(**figures):
    first, second = ([scored("one", seed, **each) for seed in range(3)] for each in ({}, figures))
    return verdicts.compare_settings(first, second)


def test_the_spread_of_the_figures_without_a_group_gives_the_jackknife_error():
    chance = np.random.default_rng(0)
    pictures = chance.normal(size=(2, 40))
    found = scores.figures_of_groups([(Columns(("l1",)), pictures.T[:, :1])], {})["l1"]
    measured = verdicts.as_measured(np.array([found, found]))
    groups = pictures[0].reshape(2, 20).mean(0)
    assert measured.picture_error([0]) == pytest.approx(groups.std(ddof=1) / np.sqrt(20), rel=0.05)


@pytest.mark.parametrize(
    ("figures", "helps"),
    [
        ({"lpips_alex": 0.08}, True),
        ({"kid_vgg16": 0.1}, True),
        ({}, False),
        ({"lpips_alex": 0.08, "kid_vgg16": 0.5}, False),
        ({"lpips_alex": 0.08, "ssim": 0.6}, False),
        ({"lpips_alex": 0.08, "found_iou": 0.6}, False),
        ({"lpips_alex": 0.08, "sharpness": 0.6}, False),
        ({"lpips_alex": 0.08, "sharpness": 1.5}, False),
        ({"lpips_alex": 0.08, "sharpness": 0.9}, True),
    ],
)
def test_a_setting_helps_if_it_wins_and_nothing_that_counts_is_worse(figures, helps):
    assert compared(**figures).helps is helps


def test_the_gain_is_the_mean_reduction_of_what_is_aimed_at():
    assert compared(lpips_alex=0.08, kid_vgg16=0.1).gain == pytest.approx((0.2 + 0.5) / 4, abs=0.01)


def test_a_network_that_a_piece_trains_with_does_not_judge_it():
    first, second = ([scored(name, seed, lpips_vgg=value) for seed in range(3)] for name, value in VGG.items())
    found = verdicts.compare_settings(first, second)
    assert found.aims == ("lpips_alex", "kid_lite0")
    assert not found.helps
    other = verdicts.compare_settings(first, [row._replace(setting="matching") for row in second])
    assert other.helps


LPIPS = {"default": 0.1, "resize": 0.07, "ema": 0.08, "hinge": 0.12, "resize+ema": 0.06, "resize+ema+scales": 0.065}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """An ablation that trains nothing: a workdir holds the name of its setting, from which its figures follow."""

    def train(config, folder, console):
        trained.append(folder)

    def judge(folder):
        setting, seed = folder.parent.name, int(folder.name[-1])
        return scored(setting, seed, lpips_alex=LPIPS.get(setting, 0.09)).figures

    trained = []
    monkeypatch.setattr(ablation.p2p_jax, "train", train)
    monkeypatch.setattr(ablation.jax, "clear_caches", lambda: None)
    pictures = sets.built_in()._replace(segmenter=None)
    results = tmp_path / "results.jsonl"
    return ablation.Ablation(pictures, 2, tmp_path, results, lambda: judge, open_console(quiet=True)), trained


def test_pieces_are_added_as_long_as_they_help(drawn):
    alone = ablation.run_alone(drawn[0], ["hinge", "ema", "resize", "scales"])
    assert [name for name, each in alone.items() if each.helps] == ["resize", "ema", "scales"]
    kept, tried = ablation.run_together(drawn[0], ["resize", "ema", "scales"])
    assert kept == ("resize", "ema")
    assert list(tried) == ["resize", "resize+ema", "resize+ema+scales"]


def test_runs_that_the_results_hold_are_not_trained_again(drawn):
    own, trained = drawn
    ablation.run_alone(own, ["ema", "oasis"])
    assert [folder.parent.name for folder in trained] == ["default", "ema", "oasis"] * 2, "all settings, then the next seed"
    ablation.run_alone(own, ["ema", "oasis"])
    assert len(trained) == 6
    longer = own.pictures._replace(config=replace(own.pictures.config, steps=3000))
    ablation.run_alone(own._replace(pictures=longer), ["ema"])
    assert len(trained) == 10


def test_a_slower_setting_has_fewer_steps_for_equal_time(drawn, monkeypatch):
    own, trained = drawn
    monkeypatch.setattr(ablation, "time_ratio", lambda first, second: 1.25)
    ratio, found = ablation.run_for_equal_time(own, ("resize", "ema"))
    assert ratio == 1.25
    assert list(found) == ["resize+ema, 1600 steps"]
    assert {folder.parts[-3] for folder in trained if folder.parent.name == "resize+ema"} == {"1600_steps"}
    assert {row.steps for row in scores.read_rows(own.results) if row.setting == "resize+ema"} == {1600}


@pytest.mark.exhaustive
def test_the_time_of_a_step_grows_with_the_network():
    small = with_fields(sets.built_in().config, {"image_size": 32, "generator.width": 2, "discriminator.width": 2})
    assert timing.time_ratio(small, with_fields(small, {"image_size": 128, "batch_size": 4})) > 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--pairs", "1"], "--pairs was given 1"),
        (["--steps", "0"], "--steps was given 0"),
        (["--equal-time", "-1"], "--equal-time was given -1"),
        (["--seeds", "1"], "--seeds was given 1"),
        (["--pieces", "emma"], "there is no piece emma"),
        (["--set", "facades"], "--data-path is for --set facades alone"),
        (["--data-path", "pictures"], "--data-path is for --set facades alone"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_trained(capsys, argv, message):
    assert run_command(run, argv, "modern") == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_grid_shows_the_runs_that_are_there(tmp_path):
    path = tmp_path / "pictures.png"
    runs = {"trained": Path(finished_run()), "cleared": tmp_path / "nothing"}
    assert grids.save_settings(path, runs) == ["trained"]
    with Image.open(path) as picture:
        assert picture.width < picture.height / grids.ROWS * 5
    assert grids.save_settings(tmp_path / "other.png", {"cleared": tmp_path / "nothing"}) == []
    assert not (tmp_path / "other.png").exists()


@pytest.mark.parametrize("line", ["", "{", "3", '{"setting": "default"}', "\xff"])
def test_a_line_of_the_results_that_is_no_row_is_named(tmp_path, line):
    path = tmp_path / "results.jsonl"
    scores.append_row(path, scored("ema", 0))
    with path.open("ab") as file:
        file.write(f"{line}\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"line 2 of .*results\.jsonl is no row of results: remove it"):
        scores.read_rows(path)


def test_missing_weights_are_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "find", lambda shipped: None)
    own = ablation.open_ablation(sets.built_in(), 2, tmp_path, tmp_path / "results.jsonl", open_console(quiet=True))
    with pytest.raises(UserError, match=r"lpips_alex cannot be computed, .* p2p-jax\[lpips\]"):
        ablation.run_settings(own, [("default",)])
    assert not list(tmp_path.iterdir())


@NEEDS_LPIPS
@NEEDS_LITE0
@pytest.mark.exhaustive
def test_the_figures_of_a_run_are_those_of_evaluate(tmp_path):
    workdir = tmp_path / "run"
    config = with_fields(sets.built_in(1).config, {"generator.width": 2, "discriminator.width": 2})
    p2p_jax.train(config, workdir)
    found = scores.open_judge(None)(workdir)
    assert {len(values) for values in found.values()} == {1 + scores.GROUPS}
    names = ["lpips_alex", "lpips_vgg", "kid_vgg16", "kid_lite0"]
    figures = p2p_jax.evaluate(workdir, metrics=names).scores["translator"]
    for name in (*names, "ssim", "sharpness"):
        assert found[name][0] == pytest.approx(figures[name], rel=1e-3), name
