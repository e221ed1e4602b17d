"""The paper's tables: their settings are what the paper says, and a study trains, compares and goes on where it stopped."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from helpers.runs import finished_run, skip_report

from experiments.paper import architectures, colours, losses, patches, settings, study
from p2p_jax.config import Augment, Config, Data, Discriminator, Generator, Side
from p2p_jax.errors import UserError
from p2p_jax.workdir.record import load_experiment

TINY = Config(
    image_size=16, steps=2, epochs=None,
    generator=Generator(widths=(2, 2)), discriminator=Discriminator(width=2, num_layers=2),
    data=Data(source="procedural", count=24, load_size=16), augment=Augment(flip=False), sample_every=2, checkpoint_every=2,
)  # fmt: skip


def test_settings_are_changes_of_the_paper():
    base = settings.base_config(None, None)
    changed = {each.name: each.change(base) for each in losses.STUDY.settings(base)}
    assert changed["l1_cgan"] == base
    weights = {name: (each.loss.reconstruction_weight, each.loss.adversarial_weight) for name, each in changed.items()}
    assert weights == {"l1_cgan": (100, 1), "l1": (100, 0), "gan": (0, 1), "cgan": (0, 1), "l1_gan": (100, 1)}
    assert [name for name, each in changed.items() if not each.discriminator.conditional] == ["gan", "l1_gan"]
    kinds = [each.change(base).generator.architecture for each in architectures.STUDY.settings(base)]
    assert kinds == ["unet", "unet", "encoder_decoder", "encoder_decoder"]


@pytest.mark.parametrize(("name", "sizes"), [(None, [34, 1, 16, 70]), ("facades", [70, 1, 16, 286])])
def test_patches_are_those_of_the_paper_at_its_size(name, sizes):
    base = settings.base_config(name, None)
    rows = patches.STUDY.settings(base)
    assert [row.title.split()[2] for row in rows] == list(map(str, sizes))
    layers = {1: 0, 16: 1, 34: 2, 70: 3, 286: 5}
    for row, size in zip(rows, sizes, strict=True):
        options = row.change(base).discriminator
        assert options.architecture == ("pixelgan" if size == 1 else "patchgan")
        assert size == 1 or options.num_layers == layers[size]


def test_every_finding_names_two_rows():
    base = settings.base_config(None, None)
    for each in (losses, architectures, patches, colours):
        number = len(each.STUDY.settings(base))
        assert all(finding.better != finding.worse for finding in each.STUDY.findings)
        assert all(max(finding.better, finding.worse) < number for finding in each.STUDY.findings)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": 1}, "--seeds was given 1: give at least 2"),
        ({"steps": 0}, "--steps was given 0: give at least 1"),
        ({"data_path": "pictures"}, "--data-path was given without --set"),
        ({"set": "facade"}, r"no experiment named facade \(did you mean facades"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(tmp_path, options, said):
    with pytest.raises(UserError, match=said):
        study.run_study(losses.STUDY, study.Options(output=tmp_path, **options))
    assert not list(tmp_path.iterdir())


def check_distributions(found):
    """Whether the intersections are those of the histograms, for each seed and in the difference."""
    shared = found["settings"]["l1_cgan"]["intersections"]["a"]
    first = found["settings"]["l1"]["intersections"]["a"]["of_seeds"]
    assert len(first) == 2
    assert shared["less_l1"] == pytest.approx(np.mean(shared["of_seeds"]) - np.mean(first))
    made, real = found["settings"]["l1"]["fractions"]["b"], found["targets"]["b"]
    assert sum(made) == pytest.approx(1)
    assert 0 < np.minimum(made, real).sum() < 1


@pytest.mark.exhaustive
def test_a_study_compares_its_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "base_config", lambda name, steps: TINY)
    skip_report(monkeypatch)
    two = {"settings": lambda config: [settings.L1_CGAN, settings.L1], "findings": [study.Finding(0, 1, "one is better.")]}
    small = colours.STUDY._replace(**two, metrics=study.METRICS)
    options = study.Options(output=tmp_path / "paper", set="quickstart", seeds=2)
    assert study.run_study(small, options) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "The paper: one is better. By HaarPSI this" in output
    results = json.loads((tmp_path / "paper" / "quickstart" / "colours.json").read_text())
    assert list(results["settings"]) == ["l1_cgan", "l1"]
    figure = results["settings"]["l1"]["ssim"]
    first = results["settings"]["l1_cgan"]["ssim"]["of_seeds"]
    assert figure["value"] == pytest.approx(np.mean(figure["of_seeds"]) - np.mean(first))
    assert figure["interval"][0] <= figure["value"] <= figure["interval"][1]
    assert (tmp_path / "paper" / "quickstart" / "colours.html").stat().st_size > 10_000
    checkpoints = {path: path.stat().st_mtime_ns for path in (tmp_path / "paper").glob("*/*/*/checkpoints/*")}
    assert study.run_study(small, options) == 0
    assert checkpoints == {path: path.stat().st_mtime_ns for path in (tmp_path / "paper").glob("*/*/*/checkpoints/*")}
    assert json.loads((tmp_path / "paper" / "quickstart" / "colours.json").read_text()) == results
    check_distributions(results["distributions"])
    assert "The paper: L1 + cGAN is closer to the targets than L1 in a (intersections of 0.84 and 0.69). This" in output
    assert "<svg" in (tmp_path / "paper" / "quickstart" / "colours_histograms.html").read_text()


def test_only_a_run_of_these_settings_with_its_report_is_finished(tmp_path):
    run = Path(copytree(finished_run(), tmp_path / "run"))
    stored = load_experiment(run).config
    wanted = replace(stored, steps_per_epoch=None)
    report = run / "report" / "figures.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps({"step": stored.steps}))
    assert study.is_finished(run, wanted)
    assert study.is_finished(run, replace(wanted, keep=wanted.keep + 1)), "it may change on resuming"
    assert not study.is_finished(run, replace(wanted, seed=wanted.seed + 1))
    assert not study.is_finished(run, replace(wanted, steps=stored.steps + 1))
    report.write_text(json.dumps({"step": stored.steps - 1}))
    assert not study.is_finished(run, wanted), "the report is of an earlier checkpoint"
    report.unlink()
    assert not study.is_finished(run, wanted)


def test_a_set_without_colours_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    labels = replace(TINY, data=replace(TINY.data, target=Side(kind="labels", classes=3)))
    monkeypatch.setattr(study, "base_config", lambda name, steps: labels)
    with pytest.raises(UserError, match="--set segmenter was given, whose targets are no colour pictures, so that colour"):
        study.run_study(colours.STUDY, study.Options(output=tmp_path, set="segmenter"))
    assert not list(tmp_path.iterdir())
