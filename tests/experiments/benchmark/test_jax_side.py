"""The work of the networks, and all requests that p2p_jax answers in a worker."""

from dataclasses import replace

import pytest
from helpers.benchmark import TINY, answers_of

from experiments.benchmark import jax_side
from experiments.benchmark.data_speed import write_facades
from experiments.benchmark.options import Case, Contestant, make_config
from p2p_jax.config import Discriminator, Generator


def formula(size, width, levels):
    """FLOPs of the U-Net's forward pass: 4 x 4 kernels at each position of the smaller picture of a level."""
    widths = [3] + [width * min(2**i, 8) for i in range(levels)]
    flops = 0
    for level in range(levels):
        pixels = (size >> (level + 1)) ** 2
        above, here = widths[level], widths[level + 1]
        flops += 2 * 16 * pixels * above * here * (2 if level == levels - 1 else 3)  # down, and up with the skip
    return flops


@pytest.mark.slow
def test_the_work_of_the_generator_is_that_of_its_convolutions():
    counted = jax_side.count_work(Case(32, 2, 4))
    # At the innermost level, from 2 x 2 to 1 x 1 and back, three quarters of the kernel see only padding.
    innermost = 2 * (2 * 16 * 32 * 32)
    assert counted["forward"] == 2 * (formula(32, 4, 5) - innermost * 3 // 4)


@pytest.mark.slow
def test_the_work_of_a_step_at_256_pixels_is_that_counted_by_pytorch():
    counted = jax_side.count_work(Case(256, 1, 64))
    assert counted["forward"] / 1e9 == pytest.approx(12.1, abs=0.05)
    # PyTorch's own counter counts 86.94 in its step, including the padding at the innermost level.
    assert counted["step"] / 1e9 == pytest.approx(86.94, abs=0.05)


def make_shallow_config(*args, **data):
    networks = {"generator": Generator(widths=(4, 8)), "discriminator": Discriminator(widths=(4, 8))}
    return replace(make_config(*args, **data), **networks)


@pytest.mark.exhaustive
def test_a_contestant_answers_all_requests(monkeypatch, tmp_path):
    monkeypatch.setattr(jax_side, "make_config", make_shallow_config)
    write_facades(tmp_path, 4, size=24)
    from_disk = {"count": 2, "folder": str(tmp_path), "workers": 1}
    contestant = Contestant("p2p_jax float32", "jax")
    about, *measured = answers_of(
        {"do": "prepare", "case": TINY, "contestant": contestant},
        {"do": "step", "count": 2},
        {"do": "forward", "count": 2},
        {"do": "data", **from_disk},
        {"do": "data", **from_disk},
        {"do": "memory"},
        {"do": "layers", "count": 1},
    )
    assert about["answer"]["platform"] == "cpu"
    assert about["answer"]["program_flops"] > 0
    assert all(one["answer"] > 0 for one in measured[:4])
    assert measured[4]["answer"] >= 0
    layers = {row["layer"] for row in measured[5]["answer"]}
    assert {"down0", "up0", "conv0", "optimizer"} <= layers
