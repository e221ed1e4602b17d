"""The config of a run: which length wins, and what is refused."""

import pytest

from p2p_jax.config import Config, Data, replace_default_epochs
from p2p_jax.errors import UserError
from p2p_jax.training.resolve_config import replace_length, resolve_config, resolve_files


def test_steps_of_a_new_config_replace_the_default_epochs():
    config = resolve_config(replace_default_epochs(Config(steps=7)), pairs=10, devices=1)
    assert (config.epochs, config.steps, config.steps_per_epoch) == (None, 7, 10)


def test_steps_and_other_epochs_contradict_each_other():
    with pytest.raises(UserError, match="both epochs 100 and steps 7"):
        resolve_config(replace_default_epochs(Config(epochs=100, steps=7)), pairs=10, devices=1)


def test_a_stored_config_keeps_its_epochs():
    stored = resolve_config(Config(), pairs=10, devices=1)
    assert replace_default_epochs(stored) == stored


def test_a_typed_length_replaces_the_other_unit():
    assert replace_length(Config(steps=7, epochs=3), steps=None, epochs=3).steps is None
    assert replace_length(Config(steps=7), steps=7, epochs=None).epochs is None


def test_a_length_in_both_units_is_refused():
    with pytest.raises(UserError, match="give one of them"):
        replace_length(Config(), steps=1, epochs=1)
    with pytest.raises(UserError, match="no length was given"):
        replace_length(Config(epochs=None), steps=None, epochs=None)


@pytest.mark.parametrize("typed", ["pictures", "./pictures", "~/pictures"])
def test_the_place_of_the_data_is_stored_whole(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = resolve_files(Config(data=Data(path=typed, tfds_dir=typed)))
    assert (config.data.path, config.data.tfds_dir) == (str(tmp_path / "pictures"), str(tmp_path / "pictures"))
