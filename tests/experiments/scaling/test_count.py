"""The counts in compiled programs: the state on one device, and the traffic of a step."""

import math

import jax
import pytest

from experiments.scaling.count import bytes_per_device, count_call, state_shapes
from experiments.scaling.links import bytes_sent, expected_bytes
from p2p_jax.config import Config, Data, Discriminator, Generator
from p2p_jax.devices.sharding import SMALLEST_SHARDED
from p2p_jax.training.skipped_batches import MAX_SKIPPED

CONFIG = Config(
    image_size=16,
    generator=Generator(widths=(16, 32, 32)),
    discriminator=Discriminator(width=16, num_layers=1),
    data=Data(load_size=18),
)


@pytest.fixture(scope="module")
def rows():
    """The counts for a replicated and a sharded state on two devices."""
    states = ("replicated", "sharded")
    return {state: {"state": state} | count_call(CONFIG, 2, state) for state in states}


def held_bytes(devices, state):
    """Bytes of the state on one device, and those in arrays that are large enough to be sharded."""
    shapes = state_shapes(CONFIG, devices, state)
    large = [leaf for leaf in jax.tree.leaves(shapes) if math.prod(leaf.shape) >= SMALLEST_SHARDED]
    return bytes_per_device(shapes), bytes_per_device(large)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4, 8])
def test_large_arrays_of_a_sharded_state_shrink_with_the_number_of_devices(devices):
    assert held_bytes(devices, "replicated") == held_bytes(1, "replicated")
    total, large = held_bytes(1, "sharded")
    assert held_bytes(devices, "sharded") == (total - large + large // devices, large // devices)


@pytest.mark.exhaustive
def test_the_program_has_the_described_state_as_its_argument(rows):
    for state, row in rows.items():
        assert row["state_bytes"] == held_bytes(2, state)[0]
        batch = 2 * 18 * 18 * 3 + 4 * MAX_SKIPPED
        assert row["argument_bytes"] == pytest.approx(row["state_bytes"] + batch, abs=64)
        assert row["alias_bytes"] == pytest.approx(row["state_bytes"], abs=64), "all of the state's memory is donated"


@pytest.mark.exhaustive
def test_a_replicated_step_reduces_every_gradient_and_gathers_nothing(rows):
    row = rows["replicated"]
    # The discriminator's gradient is reduced twice, for fakes and for targets, before the two are added.
    theory = expected_bytes(row, 4)["reduced"] + 4 * row["discriminator"]
    assert bytes_sent(row, ("all-reduce",)) == pytest.approx(theory, rel=0.1)
    assert bytes_sent(row, ("all-gather", "all-to-all", "collective-permute")) == 0


@pytest.mark.exhaustive
def test_a_sharded_step_gathers_its_parameters(rows):
    assert bytes_sent(rows["sharded"], ("all-gather",)) > 0.5 * expected_bytes(rows["sharded"], 4)["gathered"]
