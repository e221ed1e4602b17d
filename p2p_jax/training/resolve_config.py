"""From the config that was asked for to the config of the run."""

from dataclasses import replace
from pathlib import Path

import jax

from p2p_jax import config as configs
from p2p_jax.config import Config
from p2p_jax.config.checks import varies
from p2p_jax.data.palettes import read_palette


def resolve_palettes(config: Config) -> Config:
    """The config with palettes as the colours themselves, so that nothing outside it is needed later.

    Raises:
        ValueError: a palette cannot be read.
    """
    sides = {name: getattr(config.data, name) for name in ("input", "target")}
    settled = {
        name: replace(side, palette=tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in read_palette(side.palette).tolist()))
        for name, side in sides.items()
        if side.palette
    }
    return replace(config, data=replace(config.data, **settled))


STEPS_PER_CALL = 10  # divides the usual numbers of steps between rows, samples and checkpoints


def resolve_steps_per_call(config: Config) -> Config:
    """The same config with `steps_per_call` filled in.

    One step on CPUs, where XLA is slow in loops, and where pictures differ in size.
    """
    if config.steps_per_call is not None:
        return config
    single = jax.default_backend() == "cpu" or varies(config)
    return replace(config, steps_per_call=1 if single else STEPS_PER_CALL)


def resolve_paths(config: configs.Config) -> configs.Config:
    """The same config with data paths that hold in every current folder."""
    paths = {name: getattr(config.data, name) for name in ("path", "tfds_dir")}
    absolute = {name: str(Path(path).absolute()) for name, path in paths.items() if path is not None}
    return replace(config, data=replace(config.data, **absolute))
