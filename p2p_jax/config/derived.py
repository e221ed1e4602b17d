"""Values that follow from a config: sizes, channels, length in steps."""

import dataclasses
from typing import Any

from p2p_jax.config.data_schema import Side, Size
from p2p_jax.config.numbers import LARGEST_INT
from p2p_jax.config.schema import Config
from p2p_jax.config.tree import differences
from p2p_jax.errors import UserError


def changed_settings(config: Config) -> dict[str, Any]:
    """Returns the settings that differ from the defaults: {dotted name: value}."""
    return {name: new for name, (_, new, _) in differences(Config(), config).items()}


def replace_default_epochs(config: Config) -> Config:
    """Returns the config without the default epochs if its length was given in steps; a stored config is unchanged."""
    if config.steps is not None and config.steps_per_epoch is None and config.epochs == Config().epochs:
        return dataclasses.replace(config, epochs=None)
    return config


def resolve_length(config: Config, num_pairs: int) -> Config:
    """Fills in `steps` and `steps_per_epoch`, which the learning-rate schedule needs.

    Args:
        config: with either `epochs` or `steps`.
        num_pairs: number of pairs in the training split.

    Raises:
        UserError: neither epochs nor steps are given, or both are but disagree, or the batch is larger than the training
            set.
    """
    if config.epochs is None and config.steps is None:
        raise UserError("no length was given: give epochs or steps.")
    per_epoch = num_pairs // config.batch_size
    if per_epoch == 0:
        raise UserError(
            f"the batch size {config.batch_size} is larger than the {num_pairs} training pairs: make it smaller."
        )
    steps = config.steps if config.epochs is None else config.epochs * per_epoch
    if steps is not None and steps > LARGEST_INT:
        raise UserError(f"the training would have {steps} steps, more than the largest possible number {LARGEST_INT}.")
    if config.steps not in (None, steps):
        raise UserError(f"both epochs {config.epochs} and steps {config.steps} were given: give one of the two.")
    return dataclasses.replace(config, steps=steps, steps_per_epoch=per_epoch)


def resolve_group_sizes(config: Config, devices: int) -> Config:
    """Fills in the sizes of groups that share statistics: the number of pictures that a device processes at a time.

    The sizes are stored with the run, so that its results stay the same on another number of devices.

    Args:
        config: of the run.
        devices: number of devices; every batch is divided equally among them.
    """
    size = config.batch_size // config.accumulate // devices
    resolved = {
        name: dataclasses.replace(network, group_size=size)
        for name, network in (("generator", config.generator), ("discriminator", config.discriminator))
        if network.statistics == "group" and network.group_size is None
    }
    return dataclasses.replace(config, **resolved)


def steps_per_unit(config: Config) -> int:
    """Steps between two changes of the learning rate: an epoch if the length was given in epochs, else one step."""
    return 1 if config.epochs is None else config.steps_per_epoch or 1


def as_size(size: Size) -> tuple[int, int]:
    """(height, width) of a size that may be given as one number."""
    return (size, size) if isinstance(size, int) else size


def load_size(config: Config) -> tuple[int, int]:
    """(height, width) before the random crop; by default in the paper's ratio of 286 to 256."""
    height, width = as_size(config.image_size)
    given = config.data.load_size
    return (round(height * 286 / 256), round(width * 286 / 256)) if given is None else as_size(given)


def named_classes(side: Side) -> int | None:
    """Classes of a one-hot side without the class of the ignored pixels, or None for any other side."""
    return len(side.palette) if side.palette else side.classes


def ignored_class(side: Side) -> int | None:
    """The class of the ignored pixels of a one-hot side: one of its own after the others, or the one that is named."""
    named = named_classes(side)
    if not named or side.ignore is None:
        return None
    return int(side.ignore) if 0 <= side.ignore < named else named


def count_classes(side: Side) -> int | None:
    """Classes of a one-hot side, with that of the ignored pixels, or None for any other side."""
    named = named_classes(side)
    return named + 1 if named and ignored_class(side) == named else named


def count_channels(side: Side) -> int:
    """Channels of a side as the networks see it."""
    return count_classes(side) or sum(side.channels)
