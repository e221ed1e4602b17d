"""What the experiment on scaling counts in compiled programs, and the arithmetic of its plan."""

import math

import jax
import pytest

from experiments.scaling import pod
from experiments.scaling.__main__ import count, hold, weigh
from experiments.scaling.links import count_collectives, expected, sent
from p2p_jax.config import Config, Data, Discriminator, Generator
from p2p_jax.devices.sharding import SMALLEST_SHARDED
from p2p_jax.training.skipped_batches import MOST_SKIPPED

CONFIG = Config(
    image_size=16,
    generator=Generator(widths=(16, 32, 32)),
    discriminator=Discriminator(width=16, num_layers=1),
    data=Data(load_size=18),
)
WORK = {"flops": 1e11, "parameters": 10**8, "reduced": 2 * 10**8, "collectives": 0}
MACHINE = pod.Machine(flops=1e14, memory=16e9, memory_speed=1e12, link=1e11, island=8, network=1e10, cpus=10)


@pytest.fixture(scope="module")
def rows():
    """What is counted for a replicated and a sharded state on two devices."""
    states = ("replicated", "sharded")
    return {state: {"state": state} | count(CONFIG, 2, state) for state in states}


def held(devices, state):
    """Bytes of the state on one of so many devices, and those of them in arrays that are large enough to be split."""
    shapes = hold(CONFIG, devices, state)
    return weigh(shapes), weigh([leaf for leaf in jax.tree.leaves(shapes) if math.prod(leaf.shape) >= SMALLEST_SHARDED])


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_large_arrays_of_a_sharded_state_shrink_with_the_number_of_devices(devices):
    assert held(devices, "replicated") == held(1, "replicated")
    whole, large = held(1, "sharded")
    assert held(devices, "sharded") == (whole - large + large // devices, large // devices)


def test_the_program_holds_the_state_that_was_described(rows):
    for state, row in rows.items():
        assert row["state_bytes"] == held(2, state)[0]
        batch = 2 * 18 * 18 * 3 + 4 * MOST_SKIPPED
        assert row["argument_bytes"] == pytest.approx(row["state_bytes"] + batch, abs=64)
        assert row["alias_bytes"] == pytest.approx(row["state_bytes"], abs=64), "all memory is given back"


def test_a_replicated_step_reduces_every_gradient_and_gathers_nothing(rows):
    row = rows["replicated"]
    # The discriminator's is reduced twice, for fakes and for targets, before the two are added.
    theory = expected(row, 4)["reduced"] + 4 * row["discriminator"]
    assert sent(row, ("all-reduce",)) == pytest.approx(theory, rel=0.1)
    assert sent(row, ("all-gather", "all-to-all", "collective-permute")) == 0


def test_a_sharded_step_gathers_its_parameters(rows):
    assert sent(rows["sharded"], ("all-gather",)) > 0.5 * expected(rows["sharded"], 4)["gathered"]


PROGRAM = """
%all-reduce-scatter.6 (input_0: bf16[4,4,32,64]) -> bf16[4,4,32,16] {
  %all-reduce.8 = (bf16[4,4,32,64]{2,3,1,0:T(8,128)(2,1)}) all-reduce(%input_0), channel_id=1, to_apply=%add.1
}
%async_collective_fusion.1 (p: bf16[8,4,4,8]) -> bf16[32,4,4,8] {
  %all-gather.5 = bf16[32,4,4,8]{3,2,1,0} all-gather(%p), channel_id=19, dimensions={0}
}
%async_collective_fusion.2 (p: bf16[8,4,4,8]) -> bf16[32,4,4,8] {
  %all-gather.6 = bf16[32,4,4,8]{3,2,1,0:S(1)} all-gather(%p), channel_id=19, dimensions={0}
}
ENTRY %main.1 (p: f32[16]) -> f32[16] {
  %all-reduce.1 = f32[16]{0} all-reduce(%p), channel_id=2, to_apply=%add
  %all-gather-start = (f32[2,4]{1,0}, f32[8,4]{1,0}) all-gather-start(%q), channel_id=3, dimensions={0}
  %all-gather-done = f32[8,4]{1,0} all-gather-done(%all-gather-start)
  %reduce-scatter.1 = f32[4,4,3,5]{3,2,1,0} reduce-scatter(%r), channel_id=4, dimensions={0}
}
"""


def test_collectives_are_read_from_a_program():
    found = count_collectives(PROGRAM, 4, {4 * 4 * 32 * 64, 32 * 4 * 4 * 8})
    assert [tuple(one.values()) for one in found] == [
        ("all-gather", "bf16", "parameters", 1, 2 * 32 * 4 * 4 * 8),
        ("all-gather", "f32", "statistics", 1, 4 * 8 * 4),
        ("all-reduce", "f32", "statistics", 1, 4 * 16),
        ("reduce-scatter", "bf16", "parameters", 1, 2 * 4 * 4 * 32 * 64),
        ("reduce-scatter", "f32", "activations", 1, 4 * 4 * 4 * 4 * 3 * 5),
    ]


def test_twice_the_bandwidth_halves_the_time_of_links():
    slow, fast = (pod.plan(MACHINE._replace(link=link), 8, 1, 0.4, **WORK)["links"] for link in (1e11, 2e11))
    assert slow == 2 * fast == 2 * 7 / 8 * 2e8 / 1e11


def test_between_islands_each_chip_sends_its_share():
    assert pod.link_seconds(MACHINE, 8, 8e8) == pytest.approx(2 * 7 / 8 * 8e8 / 1e11)
    assert pod.link_seconds(MACHINE, 32, 8e8) == pytest.approx(2 * 7 / 8 * 8e8 / 1e11 + 2 * 3 / 4 * 1e8 / 1e10)


@pytest.mark.parametrize("chips", [8, 64])
@pytest.mark.parametrize("pictures", [1, 16])
def test_what_bounds_a_step_is_its_longest_part(chips, pictures):
    row = pod.plan(MACHINE, chips, pictures, 0.4, **WORK)
    parts = [row[name] for name in ("compute", "update", "links", "reading")]
    assert row[row["bound"]] == max(parts)
    assert row["overlapping"] == pytest.approx(chips * pictures / max(parts))
    assert row["in_turn"] == pytest.approx(chips * pictures / sum(parts))
    assert row["compute"] == pytest.approx(pictures * 1e11 / 4e13)
