"""Resolves the config of a run from typed and stored options. Each of these steps overrides the steps before it:

1. the experiment's `CONFIG`, or the stored config where the workdir holds a run; in a new `CONFIG`, steps replace the
   default number of epochs (`replace_default_epochs`);
2. the settings of a preset (`choose_defaults`);
3. the networks and the picture size of another run to start from (`choose_defaults`);
4. what the user typed; typed steps replace epochs, and typed epochs replace steps (`replace_length`);
5. what follows from files: palettes as colours, absolute paths; then every value is checked (`resolve_files`);
6. what follows from the data and the devices: the length in steps, the steps per call, the sizes of groups that share
   statistics (`resolve_config`).

The result is stored with the run, so that it stays the same on other devices and in other folders.
"""

from dataclasses import replace
from pathlib import Path

import jax

from p2p_jax.config import Config, resolve_group_sizes, resolve_length
from p2p_jax.config.checks import check_config, varies
from p2p_jax.config.metric_names import plain_name
from p2p_jax.config.presets import apply_preset
from p2p_jax.data.palettes import read_palette
from p2p_jax.errors import UserError
from p2p_jax.storage.urls import has_scheme
from p2p_jax.workdir.init_from import networks_of

STEPS_PER_CALL = 10  # divides the usual numbers of steps between rows, samples and checkpoints


def choose_defaults(
    config: Config, *, preset: str | None = None, init_from: Path | None = None, trust: bool = False
) -> Config:
    """Returns the config with the values of all options that are not typed.

    Args:
        config: the experiment's, or the stored one of a run that is resumed.
        preset: one of `presets.PRESETS`, or None.
        init_from: workdir of a run whose networks the new run starts from, or None.
        trust: run the experiment file in that workdir although somebody else put it there.

    Raises:
        UserError: there is no such preset, the folder is no workdir, or it holds code that is not trusted.
    """
    config = apply_preset(config, preset)
    return config if init_from is None else networks_of(config, init_from, trust=trust)


def replace_length(config: Config, *, steps: int | None, epochs: int | None) -> Config:
    """Returns the config with the typed length, and without the length in the other unit.

    Raises:
        UserError: both were typed, or there is no length at all.
    """
    if steps is not None and epochs is not None:
        raise UserError("both --steps and --epochs were given: give one of them.")
    if steps is not None:
        config = replace(config, epochs=None)
    elif epochs is not None:
        config = replace(config, steps=None)
    if config.steps is None and config.epochs is None:
        raise UserError("no length was given: give a number with --steps or --epochs.")
    return config


def resolve_files(config: Config) -> Config:
    """Returns the config with palettes as colours, absolute paths, and the metric's plain name.

    So it needs no palette files and no current folder.

    Raises:
        UserError: a palette cannot be read, or a value is not possible.
    """
    sides = {name: getattr(config.data, name) for name in ("input", "target")}
    resolved = {
        name: replace(side, palette=tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in read_palette(side.palette).tolist()))
        for name, side in sides.items()
        if side.palette
    }
    paths = {name: getattr(config.data, name) for name in ("path", "tfds_dir")}
    absolute = {
        name: str(Path(path).expanduser().absolute())
        for name, path in paths.items()
        if path is not None and not has_scheme(path)
    }
    config = replace(config, data=replace(config.data, **resolved, **absolute))
    check_config(config)
    return replace(config, best_metric=plain_name(config.best_metric))


def resolve_config(config: Config, pairs: int, devices: int) -> Config:
    """Returns the config of a run, with every value that follows from files, data and devices.

    Args:
        config: after steps 1 to 4 of the order above; values that are resolved already, as in a stored config, are kept.
        pairs: number of pairs in the training split. A resumed run keeps its steps per epoch, even if this has changed.
        devices: number of devices over which every batch is split.

    Raises:
        UserError: a value is not possible, or does not fit the data.
    """
    config = resolve_files(config)
    if config.steps_per_call is None:
        # Single steps on a CPU, where XLA's loops are slow, and for pictures of different sizes.
        single = jax.default_backend() == "cpu" or varies(config)
        config = replace(config, steps_per_call=1 if single else STEPS_PER_CALL)
    kept_pairs = (config.steps_per_epoch or 0) * config.batch_size
    config = resolve_length(config, kept_pairs or pairs)
    return resolve_group_sizes(config, devices)
