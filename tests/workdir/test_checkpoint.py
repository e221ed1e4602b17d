"""Checkpoints: restored bit for bit; damage is noticed; the right ones are kept and found."""

import shutil
import warnings

import jax
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.checkpoints import damage, make_state, plain, restore, same, save_all
from helpers.runs import finished_run

from p2p_jax.devices.sharding import make_mesh, replicate
from p2p_jax.errors import UserError
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.checksums import checksums


@pytest.mark.parametrize("ema", [False, True])
def test_a_state_is_restored_bit_for_bit(tmp_path, ema):
    state = make_state(3, ema=ema)
    save_all(tmp_path, [state])
    found = restore(tmp_path, make_state(1, ema=ema))
    assert same(found, state)
    assert not same(found, make_state(1, ema=ema))
    assert jax.tree.structure(plain(found)) == jax.tree.structure(plain(state))
    assert (found.ema is not None) == ema
    assert jax.random.bits(found.key) == jax.random.bits(state.key)


def test_there_is_nothing_to_restore_before_the_first_save(tmp_path):
    assert restore(tmp_path, make_state(0)) is None


def test_the_newest_is_restored(tmp_path):
    save_all(tmp_path, [make_state(step, step) for step in (1, 2, 10)])
    assert int(restore(tmp_path, make_state(0)).step) == 10


@pytest.mark.parametrize("item", tiers(["generator", "discriminator", "training", "meta"], slow=3))
def test_a_flipped_byte_is_noticed_and_the_checkpoint_before_it_used(tmp_path, item):
    states = [make_state(step, step) for step in (1, 2)]
    save_all(tmp_path, states)
    damage(tmp_path / "checkpoints" / "2" / item)
    with pytest.warns(UserWarning, match=r"checkpoint 2 in .* is damaged"):
        found = restore(tmp_path, make_state(0))
    assert same(found, states[0])


def test_a_flipped_byte_of_the_average_is_noticed(tmp_path):
    states = [make_state(step, step, ema=True) for step in (1, 2)]
    save_all(tmp_path, states)
    damage(tmp_path / "checkpoints" / "2" / "ema")
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoint.restore_params(tmp_path)[2] == 1


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["generator", "training", "meta"])
def test_a_missing_item_is_noticed(tmp_path, missing):
    states = [make_state(step, step) for step in (1, 2)]
    save_all(tmp_path, states)
    shutil.rmtree(tmp_path / "checkpoints" / "2" / missing)
    with pytest.warns(UserWarning, match="damaged"):
        assert same(restore(tmp_path, make_state(0)), states[0])


def test_readable_arrays_of_another_checkpoint_are_noticed(tmp_path):
    """Checksums notice what no file format can: arrays of another state."""
    save_all(tmp_path, [make_state(1, 1), make_state(2, 2)])
    for item in ("generator", "training"):
        shutil.rmtree(tmp_path / "checkpoints" / "2" / item)
        shutil.copytree(tmp_path / "checkpoints" / "1" / item, tmp_path / "checkpoints" / "2" / item)
    with pytest.warns(UserWarning, match=r"damaged \(generator, training\)"):
        assert int(restore(tmp_path, make_state(0)).step) == 1


def test_damage_to_every_checkpoint_is_reported(tmp_path):
    save_all(tmp_path, [make_state(1, 1), make_state(2, 2)])
    for step in "12":
        damage(tmp_path / "checkpoints" / step / "generator")
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(UserError, match=r"every checkpoint in .* is damaged"):
        restore(tmp_path, make_state(0))
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(UserError, match="no undamaged checkpoint was found"):
        checkpoint.restore_params(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("saved", "restored"), [(2, 1), (1, 2)])
def test_the_number_of_devices_may_change(tmp_path, saved, restored):
    state = make_state(0)
    save_all(tmp_path, [replicate(make_mesh(saved), state)])
    found = restore(tmp_path, replicate(make_mesh(restored), make_state(1)))
    assert same(found, state)
    assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(plain(found))} == {restored}
    params, *_ = checkpoint.restore_params(tmp_path)
    assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(params)} == {1}


def test_the_newest_are_kept(tmp_path):
    save_all(tmp_path, [make_state(step, step) for step in range(1, 6)], keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("[0-9]*")) == ["4", "5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val_ssim", (0.2, 0.9, 0.1, 0.3), 2),
        ("val_l1", (0.2, 0.9, 0.1, 0.3), 3),
        ("val_sharpness", (0.2, 0.9, 1.2, 3.0), 2),
    ],
)
def test_the_best_is_kept_too_and_found(tmp_path, metric, values, best):
    metrics = [{metric: value} for value in values]
    save_all(tmp_path, [make_state(step, step) for step in range(1, 5)], metrics, keep=1, best_metric=metric)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("[0-9]*")) == sorted({str(best), "4"})
    params, _, step = checkpoint.restore_params(tmp_path, "best", best_metric=metric)
    assert step == best
    assert checksums(params) == checksums(make_state(best).generator.params)


def test_the_generator_is_found_by_number_and_latest(tmp_path):
    save_all(tmp_path, [make_state(step, step) for step in (1, 2, 10)])
    for asked, step in (("latest", 10), (2, 2), ("1", 1)):
        params, state, found = checkpoint.restore_params(tmp_path, asked)
        assert found == step
        assert checksums((params, state)) == checksums(
            (make_state(step).generator.params, make_state(step).generator.state)
        )


def test_the_moving_average_is_used_if_there_is_one(tmp_path):
    state = make_state(0, ema=True)
    save_all(tmp_path, [state])
    assert checksums(checkpoint.restore_params(tmp_path)[0]) == checksums(state.ema)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [7, "7", "newest", "-1"])
def test_a_missing_checkpoint_is_refused_with_a_list_of_the_others(tmp_path, asked):
    save_all(tmp_path, [make_state(1, 1), make_state(2, 2)])
    with pytest.raises(UserError, match=f"no checkpoint {asked}: it has 2, 1"):
        checkpoint.restore_params(tmp_path, asked)


def test_no_best_without_validation(tmp_path):
    save_all(tmp_path, [make_state(1, 1)])
    with pytest.raises(UserError, match="no best checkpoint"):
        checkpoint.restore_params(tmp_path, "best")


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no checkpoints"):
        checkpoint.restore_params(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="no checkpoint yet"):
        checkpoint.restore_params(tmp_path)


def test_an_interrupted_save_is_no_checkpoint_and_is_removed(tmp_path):
    save_all(tmp_path, [make_state(1, 1)])
    left_over = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints" / "1", left_over)
    (left_over / "commit_success.txt").unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert checkpoint.restore_params(tmp_path)[2] == 1
        assert int(restore(tmp_path, make_state(0)).step) == 1
    assert not left_over.exists()


@pytest.mark.slow
def test_the_checkpoints_of_a_run_hold_different_states():
    sums = {str(checksums(checkpoint.restore_items(finished_run(), ("training",), step)[0])) for step in (3, 6, 8)}
    assert len(sums) == 3


@pytest.mark.parametrize("moment", ["first", "last"])
def test_a_checkpoint_that_cannot_be_read_back_is_reported(tmp_path, monkeypatch, moment):
    """The disk is faulty: the checkpoint 2 is unreadable as soon as it is written."""
    real = checkpoint.Manager.wait_until_finished

    def wait(manager):
        real(manager)
        shutil.rmtree(manager.folder / "2" / "training", ignore_errors=True)

    monkeypatch.setattr(checkpoint.Manager, "wait_until_finished", wait)
    said = r"checkpoint 2 was written to .* but what was read back is not what was saved \(training missing\): "
    with pytest.raises(UserError, match=said):
        save_all(tmp_path, [make_state(step, step) for step in ((2,) if moment == "first" else (1, 2))], finish=True)


def test_imported_networks_that_cannot_be_read_back_are_reported(tmp_path, monkeypatch):
    real = checkpoint.Manager.wait_until_finished

    def wait(manager):
        real(manager)
        for path in manager.folder.glob("0/generator"):
            shutil.rmtree(path)

    monkeypatch.setattr(checkpoint.Manager, "wait_until_finished", wait)
    with pytest.raises(UserError, match=r"checkpoint 0 .*read back.*generator missing"):
        checkpoint.save_networks(tmp_path, {"generator": {"params": {"a": np.ones(3)}, "state": {}}})
