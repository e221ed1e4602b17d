"""Starting from the networks of another run."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers.runs import SMALL, crash, finished_run, steps_of, stop_after, train
from helpers.torch_runs import RESNET, imported

from p2p_jax.config import Config, Data
from p2p_jax.config.presets import apply_preset
from p2p_jax.errors import UserError
from p2p_jax.state import NetworkState, TrainState
from p2p_jax.training import trainer
from p2p_jax.workdir import checkpoint, init_from


def test_networks_of_another_shape_are_refused():
    other = NetworkState({"stem": {"kernel": np.ones(3)}}, {}, None)
    fresh = TrainState(np.int32(0), np.int32(0), jax.random.key(0), other, other)
    with pytest.raises(UserError, match=r"the generator in .* has other layers than this run's"):
        init_from.start_from(imported(), fresh)


def test_a_preset_does_not_change_the_networks_of_the_source():
    config = init_from.networks_of(
        apply_preset(Config(image_size=64, data=Data(load_size=64)), "tensorflow"), imported(), trust=False
    )
    assert config.generator == RESNET
    assert config.optimizer.update == "simultaneous"
    assert (config.image_size, config.data.load_size) == (16, None)


def test_an_unfinished_checkpoint_does_not_count(tmp_path):
    (tmp_path / "checkpoints" / "3.orbax-checkpoint-tmp").mkdir(parents=True)
    assert not init_from.has_checkpoint(tmp_path)
    (tmp_path / "checkpoints" / "3").mkdir()
    assert init_from.has_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"counts": []}', '{"counts": {"generator": 3}}', "[" * 100_000,
                                  '{"counts": {"generator": {"norm": "<b>"}}}', "\udcff"])  # fmt: skip
def test_damaged_notes_of_an_import_end_in_one_sentence(tmp_path, text):
    (tmp_path / "imported.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"imported\.json is damaged"):
        init_from.read_imported(tmp_path)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


def first_state(monkeypatch, *args, **options):
    """The state that the loop starts from."""
    states = []
    monkeypatch.setattr(trainer, "run_steps", lambda run, state, *_, **__: states.append(state) or state)
    assert train(*args, **options) == 0
    return states[0]


@pytest.mark.slow
def test_fine_tuning_starts_from_the_networks_of_another_run(finished, tmp_path, monkeypatch):
    options = (*SMALL, "--steps", "4", "--seed", "1", "--ema-decay", "0.9", "--init-from", str(finished))
    state = first_state(monkeypatch, tmp_path / "new", *options)
    items, _ = checkpoint.restore_items(finished, ("generator", "discriminator", "training"))
    for name in ("generator", "discriminator"):
        model = getattr(state, name)
        assert checkpoint.checksums((model.params, model.state)) == checkpoint.checksums(
            (items[name]["params"], items[name]["state"])
        )
        assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(model.opt_state)), "its optimizer starts anew"
    assert checkpoint.checksums(state.ema) == checkpoint.checksums(items["generator"]["params"])
    assert int(state.step) == int(state.batch_index) == 0
    assert not np.array_equal(jax.random.key_data(state.key), items["training"]["key"])


@pytest.mark.slow
def test_fine_tuning_that_crashed_before_its_first_checkpoint_starts_from_its_source_again(finished, tmp_path, monkeypatch):
    stop_after(monkeypatch, 0, crash)
    assert train(tmp_path / "new", *SMALL, "--steps", "4", "--init-from", str(finished)) == 70
    assert steps_of(tmp_path / "new") == []
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state = first_state(monkeypatch, tmp_path / "new", *SMALL, "--steps", "4")
    items, _ = checkpoint.restore_items(finished, ("generator",))
    assert checkpoint.checksums(state.generator.params) == checkpoint.checksums(items["generator"]["params"])


@pytest.mark.slow
def test_fine_tuning_from_other_layers_is_refused(finished, tmp_path, capsys):
    assert train(tmp_path / "new", *SMALL, "--discriminator.width", "3", "--init-from", str(finished)) == 2
    assert "the discriminator in" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_fine_tuning_into_an_existing_run_is_refused(finished, capsys):
    assert train(finished, "--init-from", str(finished)) == 2
    assert "--init-from is for a new one" in capsys.readouterr().err
