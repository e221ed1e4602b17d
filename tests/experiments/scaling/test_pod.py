"""The arithmetic of the plan for a pod."""

import pytest

from experiments.scaling import pod

WORK = {"flops": 1e11, "parameters": 10**8, "reduced": 2 * 10**8, "collectives": 0}
MACHINE = pod.Machine(flops=1e14, memory=16e9, memory_speed=1e12, link=1e11, island=8, network=1e10, cpus=10)


def test_doubling_the_bandwidth_halves_the_time_of_links():
    slow, fast = (pod.plan(MACHINE._replace(link=link), 8, 1, 0.4, **WORK)["links"] for link in (1e11, 2e11))
    assert slow == 2 * fast == 2 * 7 / 8 * 2e8 / 1e11


def test_between_islands_each_chip_sends_its_shard():
    assert pod.link_seconds(MACHINE, 8, 8e8) == pytest.approx(2 * 7 / 8 * 8e8 / 1e11)
    assert pod.link_seconds(MACHINE, 32, 8e8) == pytest.approx(2 * 7 / 8 * 8e8 / 1e11 + 2 * 3 / 4 * 1e8 / 1e10)


@pytest.mark.parametrize("chips", [8, 64])
@pytest.mark.parametrize("pictures", [1, 16])
def test_the_longest_part_bounds_a_step(chips, pictures):
    row = pod.plan(MACHINE, chips, pictures, 0.4, **WORK)
    parts = [row[name] for name in ("compute", "update", "links", "reading")]
    assert row[row["bound"]] == max(parts)
    assert row["overlapping"] == pytest.approx(chips * pictures / max(parts))
    assert row["in_turn"] == pytest.approx(chips * pictures / sum(parts))
    assert row["compute"] == pytest.approx(pictures * 1e11 / 4e13)
