"""What a run writes, how it ends early, and what it refuses; and the tiny runs that other tests start from."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.runs import (
    DRAWN,
    LINEAR,
    NO_REPORT,
    SMALL,
    TINY,
    finished_run,
    folder_of_pairs,
    folder_run,
    leaves_of,
    rows_of,
    steps_of,
    stop_after,
    train,
)

from p2p_jax.training import loop, previews, trainer
from p2p_jax.training.feed import open_stream
from p2p_jax.workdir import checkpoint

STOPS = tiers([(signal.SIGINT, 130), (signal.SIGHUP, 75), (signal.SIGTERM, 75)], several=True)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the report, which takes long; `monkeypatch.undo` restores it."""
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


@pytest.fixture
def of_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder_run(), tmp_path / "run"))


def test_a_run_writes_all_its_files(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {"checkpoints", "experiment.json", "lock", "metrics.jsonl", "report", "samples"}
    assert steps_of(finished) == [3, 6, 8]
    assert sorted(path.name for path in (finished / "samples").iterdir()) == ["step_00000004.png", "step_00000008.png"]
    assert (finished / "report" / "index.html").is_file()


def test_rows_are_written_when_due_and_at_checkpoints_and_at_the_end(finished):
    rows = rows_of(finished)
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 8]
    expected = {
        "step",
        "generator_loss",
        "generator_gan",
        "generator_l1",
        "discriminator_loss",
        "discriminator_real_accuracy",
        "discriminator_fake_accuracy",
        "learning_rate",
        "discriminator_learning_rate",
        "pictures_per_second",
        "data_wait",
    }
    assert all(expected <= set(row) for row in rows)
    for row in rows:
        assert row["generator_loss"] == pytest.approx(row["generator_gan"] + 100 * row["generator_l1"], rel=1e-4)


def test_the_learning_rate_of_a_row_is_that_of_its_step(finished):
    rates = {row["step"]: row["learning_rate"] for row in rows_of(finished)}
    assert rates[2] == rates[4] == pytest.approx(0.01)
    assert rates[8] < rates[6] < rates[4]
    assert rates[8] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_row_of_several_steps_is_their_mean(finished, tmp_path):
    assert train(tmp_path / "each", *LINEAR, "--log-every", "1") == 0
    each = {row["step"]: row["generator_l1"] for row in rows_of(tmp_path / "each")}
    whole = {row["step"]: row["generator_l1"] for row in rows_of(finished)}
    assert set(each) == set(range(1, 9))
    assert whole[2] == pytest.approx((each[1] + each[2]) / 2)
    assert whole[3] == pytest.approx(each[3])
    assert whole[8] == pytest.approx((each[7] + each[8]) / 2)
    assert leaves_of(finished) == leaves_of(tmp_path / "each"), "how often rows are written must not change the run"


def test_validation_figures_are_written_with_each_checkpoint_where_there_is_a_split(finished):
    for row in rows_of(finished):
        assert {"val_l1", "val_psnr", "val_ssim"} <= set(row) or row["step"] not in (3, 6, 8)
        assert not any(name.startswith("val_") for name in row) or row["step"] in (3, 6, 8)


@pytest.mark.slow
def test_there_is_no_validation_without_a_split(of_folder):
    assert not any(name.startswith("val_") for row in rows_of(of_folder) for name in row)
    with pytest.raises(ValueError, match="no best checkpoint"):
        checkpoint.restore_params(of_folder, "best")


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_fraction_that_is_split_off_is_used_for_validation(tmp_path):
    pairs = folder_of_pairs(tmp_path / "pairs")
    options = (*TINY, "--data.source", "folder", "--data.path", str(pairs), "--data.val-fraction", "0.2", "--steps", "2")
    assert train(tmp_path / "run", *options) == 0
    assert "val_ssim" in rows_of(tmp_path / "run")[-1]
    assert checkpoint.restore_params(tmp_path / "run", "best")[2] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("metric", tiers(["val_ssim", "val_l1"]))
def test_the_best_checkpoint_is_kept_and_is_the_best_of_the_rows(tmp_path, monkeypatch, metric):
    figures = iter([{"l1": 0.2, "psnr": 1.0, "ssim": 0.4}, {"l1": 0.1, "psnr": 1.0, "ssim": 0.9}] + [
        {"l1": 0.3, "psnr": 1.0, "ssim": 0.5}
    ] * 3)  # fmt: skip
    monkeypatch.setattr(previews.scoring, "score", lambda *_, **__: next(figures))
    options = (*DRAWN, "--steps", "5", "--checkpoint-every", "1", "--keep", "1")
    assert train(tmp_path / "run", *options, "--best-metric", metric) == 0
    assert steps_of(tmp_path / "run") == [2, 5]
    assert checkpoint.restore_params(tmp_path / "run", "best", best_metric=metric)[2] == 2
    assert checkpoint.restore_params(tmp_path / "run")[2] == 5


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_tensorboard_and_a_profile_are_written_when_asked_for(tmp_path):
    pytest.importorskip("tensorboardX")
    options = (*DRAWN, "--steps", "16")
    assert train(tmp_path / "run", *options, "--tensorboard", "--profile") == 0
    events = list((tmp_path / "run" / "tensorboard").glob("events*"))
    assert b"generator_l1" in events[0].read_bytes()
    assert any(path.stat().st_size for path in (tmp_path / "run" / "profile").rglob("*.xplane.pb"))


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(("number", "code"), STOPS)
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(tmp_path, monkeypatch, capsys, number, code):
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    stop_after(monkeypatch, 4, lambda: signal.raise_signal(number))
    assert train(tmp_path / "run", *LINEAR) == code
    message = capsys.readouterr().err
    first, last = message.splitlines()
    assert "stopping after this step and saving" in first
    assert "Stopped at step 5 and saved; the same command resumes there" in last
    assert steps_of(tmp_path / "run")[-1] == 5
    assert rows_of(tmp_path / "run")[-1]["step"] == 5
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers
    if number != signal.SIGINT:
        monkeypatch.setattr(loop, "open_stream", open_stream)
        assert train(tmp_path / "run", *LINEAR) == 0
        assert leaves_of(tmp_path / "run") == leaves_of(finished_run())


@pytest.mark.parametrize("moment", tiers(["read_ahead", "write_report"], slow=1))
def test_sigterm_outside_of_the_steps_ends_with_the_code_for_a_restart(tmp_path, monkeypatch, capsys, moment):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(trainer, moment, lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(tmp_path / "run", *LINEAR) == 75
    message = capsys.readouterr().err
    assert "Stopped; the same command resumes" in message
    assert message.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == before
    assert ((tmp_path / "run").exists()) == (moment == "write_report")


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path, monkeypatch, capsys):
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    stop_after(monkeypatch, 4, twice)
    assert train(tmp_path / "run", *LINEAR) == 130
    assert "interrupted" in capsys.readouterr().err
    assert steps_of(tmp_path / "run") == [3]


UNET = ("--generator.architecture", "unet", "--generator.widths", "2", "2")  # compiles faster
NAN = '''
import jax.numpy as jnp
import optax

from experiments.quickstart import CONFIG as CONFIG
from p2p_jax import pix2pix


def build(config):
    """Its generator's fifth update is not a number."""
    model = pix2pix.build(config)
    spoil = optax.scale_by_schedule(lambda count: jnp.where(count >= 4, jnp.nan, 1.0))
    return model._replace(generator_optimizer=optax.chain(model.generator_optimizer, spoil))
'''


@pytest.mark.slow
@pytest.mark.parametrize("log_every", tiers(["1", "50"], slow=1))
def test_a_loss_of_nan_stops_the_run_and_keeps_the_good_checkpoint(tmp_path, capsys, log_every):
    file = tmp_path / "broken.py"
    file.write_text(NAN)
    options = (*DRAWN, *UNET, "--steps", "9", "--checkpoint-every", "3", "--log-every", log_every)
    assert train(tmp_path / "run", *options, name=str(file)) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "became nan at step 6" in message
    assert "the checkpoint of step 3 is kept" in message
    assert "--optimizer.learning-rate" in message
    assert steps_of(tmp_path / "run") == [3]
    assert all(np.isfinite(list(row.values())).all() for row in rows_of(tmp_path / "run"))


@pytest.mark.slow
def test_networks_that_hold_nan_are_not_saved(tmp_path, capsys):
    file = tmp_path / "broken.py"
    file.write_text(NAN)
    options = (*DRAWN, *UNET, "--steps", "10", "--checkpoint-every", "5", "--log-every", "1")
    assert train(tmp_path / "run", *options, name=str(file)) == 1
    message = capsys.readouterr().err
    assert steps_of(tmp_path / "run") == []
    assert "after step 5" in message
    assert "None" not in message
    assert message.count("\n") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_overwrite_starts_a_new_run_and_keeps_foreign_files(finished):
    (finished / "notes.txt").write_text("mine")
    (finished / "tensorboard").mkdir()
    (finished / "metrics.jsonl").write_text('{"step": 1}\n')
    assert train(finished, *SMALL, "--steps", "4", "--overwrite") == 0
    assert (finished / "notes.txt").read_text() == "mine"
    assert not (finished / "tensorboard").exists()
    assert steps_of(finished) == [3, 4]
    assert [row["step"] for row in rows_of(finished)] == [2, 3, 4]
    assert [path.name for path in (finished / "samples").iterdir()] == ["step_00000004.png"]


def test_overwrite_with_a_mistake_removes_nothing(finished, capsys):
    before = leaves_of(finished)
    assert train(finished, *SMALL, "--overwrite", "--batch-size", "100") == 2
    assert train(finished, *SMALL, "--overwrite", "--data.source", "folder", "--data.path", "/nowhere") == 2
    assert "/nowhere" in capsys.readouterr().err
    assert leaves_of(finished) == before
