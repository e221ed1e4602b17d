"""Damaged checkpoints: of another step than their folder says, or without a part. Every command uses the one before."""

import json
import shutil

import pytest
from helpers.cases import tiers
from helpers.checkpoints import make_state, restore, same, save_all

from p2p_jax.errors import UserError
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.checksums import json_checksum


@pytest.fixture
def saved(tmp_path):
    """A workdir with the checkpoints 1 and 2; returns the folder of the checkpoints."""
    save_all(tmp_path, [make_state(step, step, ema=True) for step in (1, 2)])
    return tmp_path / "checkpoints"


def forget_step(folder):
    """Makes a checkpoint one of an older version, which did not write the step."""
    path = folder / "meta" / "metadata"
    meta = json.loads(path.read_text())
    del meta["step"], meta["checksum"]
    path.write_text(json.dumps(meta | {"checksum": json_checksum(meta)}))


def copy_to_4(folder):
    shutil.copytree(folder / "2", folder / "4")


def copy_of_an_older_version(folder):
    copy_to_4(folder)
    forget_step(folder / "4")


def swap(folder):
    """The newest one is older than its folder says."""
    (folder / "1").rename(folder / "4")


def copy_of_0(folder):
    networks = {"generator": {"params": {"a": make_state(1).step}, "state": {}}}
    checkpoint.save_networks(folder / "imported", networks)
    (folder / "imported" / "checkpoints" / "0").rename(folder / "4")
    shutil.rmtree(folder / "imported")


def empty_folder(folder):
    (folder / "4").mkdir()


def strange_file(folder):
    (folder / "4").mkdir()
    (folder / "4" / "model.pt").write_bytes(b"weights")


def without(*names):
    def remove(folder):
        copy_to_4(folder)
        for name in names:
            shutil.rmtree(folder / "4" / name)

    return remove


def with_metadata(content):
    def write(folder):
        copy_to_4(folder)
        (folder / "4" / "_CHECKPOINT_METADATA").write_bytes(content)

    return write


FAULTS = {
    "copied": copy_to_4,
    "metadata is a list": with_metadata(b"[]"),
    "metadata is no UTF-8": with_metadata(b"\xff"),
    "metadata is cut off": with_metadata(b"{"),
    "metadata is nested": with_metadata(b"[" * 100_000),
    "copied, older version": copy_of_an_older_version,
    "renamed": swap,
    "imported networks": copy_of_0,
    "empty": empty_folder,
    "of another tool": strange_file,
    **{f"without {name}": without(name) for name in ("generator", "discriminator", "training", "ema", "meta")},
}


@pytest.mark.filterwarnings("ignore:.* was renamed to 4.damaged")
@pytest.mark.parametrize("fault", tiers(FAULTS, 3, slow=6))
def test_the_newest_whole_checkpoint_is_used_for_all_purposes(tmp_path, saved, fault):
    FAULTS[fault](saved)
    for names in (("generator", "ema"), ("generator", "discriminator", "ema", "training")):
        with pytest.warns(UserWarning, match=r"checkpoint 4 in .* is damaged"):
            assert checkpoint.restore_items(tmp_path, names)[1] == 2
    with pytest.warns(UserWarning, match=r"checkpoint 4 in .* is damaged"):
        assert same(restore(tmp_path, make_state(0, ema=True)), make_state(2, 2, ema=True))


@pytest.mark.parametrize("field", ["init_timestamp_nsecs", "commit_timestamp_nsecs"])
@pytest.mark.parametrize("value", tiers([10**30, -(10**30), 2**70], slow=2))
def test_a_wrong_time_in_its_metadata_damages_no_checkpoint(tmp_path, saved, field, value):
    path = saved / "2" / "_CHECKPOINT_METADATA"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert checkpoint.restore_params(tmp_path, "latest")[2] == 2


@pytest.mark.filterwarnings("ignore:.* is damaged")
@pytest.mark.parametrize(
    "content", tiers([b"{", b'{"val_ssim": "high"}', b"[]", b"\xff", b'{"val_l1": 1}', b"[" * 100_000], slow=5)
)
def test_damaged_metrics_of_one_checkpoint_do_not_matter_to_the_others(tmp_path, content):
    metrics = [{"val_ssim": value} for value in (0.9, 0.1, 0.2)]
    save_all(tmp_path, [make_state(step, step) for step in (1, 2, 3)], metrics, keep=9, best_metric="val_ssim")
    (tmp_path / "checkpoints" / "2" / "metrics" / "metrics").write_bytes(content)
    assert checkpoint.restore_params(tmp_path, "best", best_metric="val_ssim")[2] == 1
    with checkpoint.open_manager(tmp_path, keep=1, best_metric="val_ssim") as manager:
        checkpoint.save(manager, make_state(4, 4), {"val_ssim": 0.3})
        checkpoint.finish_saving(manager)
    assert sorted(each.name for each in (tmp_path / "checkpoints").glob("[0-9]*")) == ["1", "4"]


@pytest.mark.parametrize("fault", tiers(["copied", "empty", "without training"], slow=2))
def test_a_damaged_checkpoint_that_is_asked_for_is_refused(tmp_path, saved, fault):
    FAULTS[fault](saved)
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(UserError, match="no undamaged checkpoint"):
        checkpoint.restore_params(tmp_path, 4)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["copied", "renamed", "of another tool"])
def test_a_run_that_resumes_saves_on_beside_a_folder_of_another_step(tmp_path, saved, fault):
    FAULTS[fault](saved)
    files = sorted(path.name for path in (saved / "4").rglob("*"))
    with checkpoint.open_manager(tmp_path, keep=9) as manager:
        with pytest.warns(UserWarning, match="4 in .* was renamed to 4.damaged"):
            assert int(checkpoint.restore(manager, make_state(0, ema=True)).step) == 2
        for step in (3, 4, 5):
            checkpoint.save(manager, make_state(step, step, ema=True))
        checkpoint.finish_saving(manager)
    assert same(restore(tmp_path, make_state(0, ema=True)), make_state(5, 5, ema=True))
    assert checkpoint.restore_params(tmp_path, 4)[2] == 4
    assert sorted(path.name for path in (saved / "4.damaged").rglob("*")) == files, "nothing of it is lost"


@pytest.mark.slow
@pytest.mark.parametrize("fault", [copy_to_4, empty_folder, lambda folder: (folder / "4").write_text("mine")])
def test_a_name_that_is_taken_during_the_run_is_freed(tmp_path, fault):
    with checkpoint.open_manager(tmp_path, keep=9) as manager:
        checkpoint.save(manager, make_state(2, 2))
        checkpoint.finish_saving(manager)
        fault(tmp_path / "checkpoints")
        with pytest.warns(UserWarning, match="4 in .* was renamed to 4.damaged"):
            checkpoint.save(manager, make_state(4, 4))
        checkpoint.finish_saving(manager)
    assert same(restore(tmp_path, make_state(0)), make_state(4, 4))


@pytest.mark.slow
@pytest.mark.parametrize("name", tiers(["²", "٣", "007", "-5", "1e3", "100 (copy)", "best", "6.damaged"], 3))
def test_a_folder_whose_name_is_no_step_is_ignored(tmp_path, saved, name):
    shutil.copytree(saved / "2", saved / name)
    assert checkpoint.restore_params(tmp_path)[2] == 2
    assert same(restore(tmp_path, make_state(0, ema=True)), make_state(2, 2, ema=True))
    for asked in ("²", "9" * 5000):
        with pytest.raises(UserError, match="no checkpoint"):
            checkpoint.restore_params(tmp_path, asked)


def test_a_copy_of_the_best_checkpoint_is_not_the_best(tmp_path):
    metrics = [{"val_ssim": value} for value in (0.9, 0.1)]
    save_all(tmp_path, [make_state(step, step) for step in (1, 2)], metrics)
    shutil.copytree(tmp_path / "checkpoints" / "1", tmp_path / "checkpoints" / "4")
    with pytest.warns(UserWarning, match=r"checkpoint 4 .*it holds step 1"):
        assert checkpoint.restore_params(tmp_path, "best")[2] == 1


@pytest.mark.slow
def test_checkpoints_of_older_versions_are_whole(tmp_path, saved):
    for step in "12":
        forget_step(saved / step)
    assert checkpoint.restore_params(tmp_path)[2] == 2
    assert same(restore(tmp_path, make_state(0, ema=True)), make_state(2, 2, ema=True))
