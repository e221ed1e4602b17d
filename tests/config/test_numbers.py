"""Numbers that no option can have: not finite, or too large for their type."""

import math
from dataclasses import dataclass

import pytest
from helpers.configs import all_fields, change

from p2p_jax.config import Config, Optimizer, resolve_length
from p2p_jax.config.checks import check_config
from p2p_jax.config.numbers import LARGEST_INT, LARGEST_SEED, check_numbers
from p2p_jax.errors import UserError

OF_INTS = [name for name, value in all_fields(Config()) if isinstance(value, int) and not isinstance(value, bool)]
OF_FLOATS = [name for name, value in all_fields(Config()) if isinstance(value, float)]


@pytest.mark.parametrize("name", [*OF_INTS, "steps", "generator.group_size", "data.load_size"])
def test_integers_of_many_digits_are_refused_under_their_option(name):
    with pytest.raises(UserError, match=f"^--{name.replace('_', '-')} was given 1000000000000000000000000000000: it must"):
        check_config(change(Config(), name, 10**30))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
@pytest.mark.parametrize("name", [*OF_FLOATS, "ema_decay", "optimizer.clip", "loss.gradient_penalty"])
def test_floats_that_are_not_finite_are_refused_under_their_option(name, value):
    with pytest.raises(UserError, match=f"^--{name.replace('_', '-')} was given"):
        check_config(change(Config(), name, value))


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("data.threads", 100_000, "at most 1024"),
        ("data.processes", 2000, "at most 1024"),
        ("image_size", 30_000, "at most 134217728 pixels"),
        ("image_size", (20_000, 30_000), "at most 134217728 pixels"),
        ("data.load_size", 40_000, "at most 134217728 pixels"),
        ("generator.width", 10**6, "at most 65536"),
        ("generator.widths", (64, 10**8), "at most 65536"),
        ("data.input.channels", (3, 10**9), "at most 65536"),
        ("generator.num_blocks", 10**6, "at most 1000"),
        ("steps_per_call", 10**9, "at most 100000"),
        ("loss.discriminator_weight", -1.0, "at least 0"),
    ],
)
def test_numbers_that_no_machine_can_use_are_refused(name, value, limit):
    with pytest.raises(UserError, match=f"^--{name.replace('_', '-')} was given .*{limit}"):
        check_config(change(Config(), name, value))


def test_large_numbers_that_are_possible_pass():
    config = change(change(Config(seed=LARGEST_SEED), "data.threads", 256), "image_size", (16, 30_000))
    check_config(change(config, "optimizer", Optimizer(learning_rate=1e30)))


def test_more_steps_than_the_device_can_count_are_refused():
    with pytest.raises(UserError, match=f"more than the largest possible number {LARGEST_INT}"):
        resolve_length(Config(epochs=10**9), 100)


def test_only_numbers_are_checked():
    @dataclass(frozen=True)
    class Options:
        on: bool = True
        size: int | tuple[int, int] | None = None
        text: str = "inf"

    check_numbers(Options())
    with pytest.raises(UserError, match=r"^--data\.size was given"):
        check_numbers(Options(size=(3, 10**12)), "data.")
