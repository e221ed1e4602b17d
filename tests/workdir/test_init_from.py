"""Starting from the networks of another run."""

import jax
import numpy as np
import pytest
from helpers.torch_runs import RESNET, imported

from p2p_jax.config import Config, Data
from p2p_jax.config.presets import apply_preset
from p2p_jax.errors import UserError
from p2p_jax.state import NetworkState, TrainState
from p2p_jax.workdir import init_from


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
