"""Values that follow from a config: the length in steps, the sizes of groups."""

from dataclasses import replace

import pytest
from helpers.configs import change

from p2p_jax import config as configs
from p2p_jax.config import Config, Discriminator, Generator, resolve_length


def test_epochs_become_steps_by_whole_batches():
    config = resolve_length(Config(epochs=3, batch_size=4), 10)
    assert (config.steps, config.steps_per_epoch) == (6, 2)
    assert configs.steps_per_unit(config) == 2


def test_a_length_in_steps_stays_and_changes_the_rate_at_every_step():
    config = resolve_length(Config(epochs=None, steps=7), 10)
    assert (config.steps, config.steps_per_epoch) == (7, 10)
    assert configs.steps_per_unit(config) == 1


def test_resolving_twice_changes_nothing():
    config = resolve_length(Config(epochs=3), 10)
    assert resolve_length(config, 10) == config


def test_no_length_is_refused():
    with pytest.raises(ValueError, match="epochs or steps"):
        resolve_length(Config(epochs=None), 10)


def test_two_lengths_are_refused():
    with pytest.raises(ValueError, match="one of the two"):
        resolve_length(Config(epochs=3, steps=7), 10)


def test_a_batch_larger_than_the_training_set_is_refused():
    assert resolve_length(Config(batch_size=10), 10).steps == 200
    with pytest.raises(ValueError, match=r"batch size 11 .* 10 training pairs"):
        resolve_length(Config(batch_size=11), 10)


def groups(config):
    return config.generator.group_size, config.discriminator.group_size


def test_the_default_group_is_the_pictures_that_a_device_processes_at_a_time():
    by_group = Config(
        batch_size=16, generator=Generator(statistics="group"), discriminator=Discriminator(statistics="group")
    )
    assert groups(configs.resolve_group_sizes(by_group, 2)) == (8, 8)
    assert groups(configs.resolve_group_sizes(replace(by_group, accumulate=4), 2)) == (2, 2)
    resolved = configs.resolve_group_sizes(change(by_group, "generator.group_size", 4), 2)
    assert groups(resolved) == (4, 8)
    assert configs.resolve_group_sizes(resolved, 1) == resolved, "on other devices it stays"
    assert groups(configs.resolve_group_sizes(change(by_group, "discriminator.statistics", "batch"), 4)) == (4, None)
