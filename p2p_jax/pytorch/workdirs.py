"""Imports checkpoint files of the PyTorch original into workdirs, and exports workdirs to such files."""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax import experiment
from p2p_jax.config import Config, Data, Discriminator, Generator, Side, as_size, count_channels
from p2p_jax.errors import UserError
from p2p_jax.files.outputs import as_path, check_outputs
from p2p_jax.pytorch import convert
from p2p_jax.pytorch.convert import Converted
from p2p_jax.weight_files.state_dict import read_state_dict, write_state_dict
from p2p_jax.workdir import checkpoint, lock
from p2p_jax.workdir.bucket.paths import display_name
from p2p_jax.workdir.cleaning import CLEARED, clear_workdir, list_parts, move_files, restore_cleared
from p2p_jax.workdir.init_from import IMPORTED, read_imported
from p2p_jax.workdir.own_files import RUN_FILES, RUN_FOLDERS, find_contents, refuse_other_things
from p2p_jax.workdir.record import RECORD, load_experiment, save_record

EXPERIMENT = "pix2pix"
"""The experiment of an imported run."""

FILES = {"generator": "latest_net_G.pth", "discriminator": "latest_net_D.pth"}
"""The file of each network in the PyTorch original."""

UNFINISHED = ".importing"
"""The folder in a workdir in which an import writes its files before it moves them up."""


def import_torch(
    files: str | Path | Sequence[str | Path],
    workdir: str | Path,
    *,
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    image_size: int | None = None,
    dropout: float = 0.5,
    overwrite: bool = False,
) -> str:
    """Makes a workdir whose checkpoint 0 holds the networks of the files.

    Args:
        files: the state_dict of a generator and, if there is one, that of its discriminator, in any order.
        workdir: the folder to make.
        direction: of the data that the networks were trained on.
        image_size: height and width of the training pictures, in pixels; by default 256, but 128 for a unet of 7 levels and
            2 ** levels for one of more than 8.
        dropout: rate of the generator's dropout, at least 0 and below 1; ignored if its layers have no dropout.
        overwrite: remove a run that is in the workdir.

    Returns:
        a line that describes the imported networks.

    Raises:
        UserError: a file cannot be read or holds no known network, the files do not belong together, the workdir holds a
            run or other things, or another process writes there.

    Example:
        >>> import p2p_jax
        >>> print(p2p_jax.import_torch("latest_net_G.pth", "runs/imported"))
        resnet of 1 blocks, width 2, batch norm, 3 to 3 channels. Written to runs/imported, ...
    """
    paths = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    workdir = as_path(workdir, "--workdir")
    if not paths:
        raise UserError("no files were named: give the generator's file, such as latest_net_G.pth.")
    if not 0 <= dropout < 1:
        raise UserError(f"--dropout was given {dropout}: give a rate of at least 0 and below 1.")
    _refuse_workdir(workdir, overwrite=overwrite)
    networks = _read_networks(paths, dropout)
    config = _config_of(networks, direction, image_size)
    with lock.hold(workdir):
        _refuse_workdir(workdir, overwrite=overwrite)  # again, because another process may have written meanwhile
        _write_workdir(workdir, paths, networks, config)
    _warn_if_not_finite(networks)
    return (
        f"{'; '.join(map(_describe, networks.values()))}. Written to {display_name(workdir)}, for pictures of "
        f"{config.image_size} x {config.image_size} pixels (--image-size) and dropout "
        f"{config.generator.dropout} in training (--dropout)."
    )


def _refuse_workdir(workdir: Path, *, overwrite: bool) -> None:
    """Refuses a folder that holds a run which may not be removed, or anything else but the rest of a killed import."""
    if (workdir / UNFINISHED).is_symlink():
        raise UserError(f"{workdir / UNFINISHED} is a link: remove it, or give another --workdir.")
    if not os.path.lexists(workdir / RECORD):
        refuse_other_things(workdir, _left_by_killed_import(workdir))
    elif not overwrite:
        raise UserError(f"{workdir} already holds a run: give another --workdir, or --overwrite to remove it.")
    else:
        find_contents(workdir)


def _left_by_killed_import(workdir: Path) -> frozenset[str]:
    """The names of what an import that was killed has left in a folder without a record."""
    unfinished = workdir / UNFINISHED
    if not unfinished.is_dir():
        return frozenset({CLEARED})
    inside = {path.name for path in unfinished.iterdir()}
    if not inside <= {*RUN_FOLDERS, *RUN_FILES}:
        return frozenset({CLEARED})
    # The record is complete before the first file is moved, and is moved last.
    moved = {"checkpoints", IMPORTED} - inside if RECORD in inside else set()
    return frozenset({CLEARED, UNFINISHED, *moved})


def _write_workdir(workdir: Path, files: list[Path], networks: dict[str, Converted], config: Config) -> None:
    """Writes all files into a folder inside the workdir first, then removes the old run and moves the files up."""
    unfinished = workdir / UNFINISHED
    restore_cleared(workdir)
    if unfinished.is_dir():
        if (unfinished / RECORD).is_file() and not (workdir / RECORD).exists():  # killed between two moves
            move_files(list_parts(unfinished), unfinished, workdir)
            clear_workdir(workdir)
        shutil.rmtree(unfinished)
    trees = {name: {"params": converted.params, "state": converted.state} for name, converted in networks.items()}
    try:
        checkpoint.save_networks(unfinished, trees)
        counts = {name: converted.counts for name, converted in networks.items()}
        text = json.dumps({"files": [str(path.absolute()) for path in files], "counts": counts}, indent=2)
        (unfinished / IMPORTED).write_text(text + "\n", encoding="utf-8")
        save_record(unfinished, experiment.find(EXPERIMENT)._replace(config=config), None)
        clear_workdir(workdir)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    move_files(list_parts(unfinished), unfinished, workdir)
    shutil.rmtree(unfinished)


def export_torch(
    workdir: str | Path,
    output: str | Path,
    *,
    checkpoint_step: int | str = "latest",
    trust: bool = False,
    overwrite: bool = False,
    build: Callable[[Any], Any] | None = None,
) -> list[Path]:
    """Writes the networks of a run as files of the PyTorch original; the generator's moving average if there is one.

    Args:
        workdir: of the run.
        output: folder for `latest_net_G.pth` and `latest_net_D.pth`.
        checkpoint_step: "latest", "best" or a step number.
        trust: run the experiment file in the workdir even though it was put there by somebody else.
        overwrite: replace files of these names.
        build: `(config) -> Pix2Pix` of a run that was trained from Python with its own `build`.

    Returns:
        the paths of the written files.

    Raises:
        UserError: there is no such checkpoint, the PyTorch original has no such network, a file exists already, or the
            output lies among the checkpoints.

    Example:
        >>> import p2p_jax
        >>> sorted(path.name for path in p2p_jax.export_torch("runs/tiny", "exported"))
        ['latest_net_D.pth', 'latest_net_G.pth']
    """
    workdir, output = Path(workdir), as_path(output, "--output")
    results = {output / name: () for name in FILES.values()}
    check_outputs(output, results, inputs=[workdir / "checkpoints"], existing="replace" if overwrite else "refuse")
    found = load_experiment(workdir, trust=trust, build=build)
    config = found.config
    items, step = checkpoint.restore_items(workdir, (*FILES, "ema"), checkpoint_step, best_metric=config.best_metric)
    items["generator"]["params"] = items.pop("ema", items["generator"]["params"])
    if (foreign := _foreign_part(config.discriminator)) is not None:
        warnings.warn(f"the discriminator is not exported: the PyTorch original has no {foreign}.", stacklevel=2)
        del items["discriminator"]
    counts = read_imported(workdir)
    # In a step the generator processes one batch. The discriminator processes a fake and a real one, and with sequential
    # updates the fake one again for the generator's loss.
    batches = {"generator": step, "discriminator": (3 if config.optimizer.update == "sequential" else 2) * step}
    arrays = {}
    for name, item in items.items():
        options = getattr(config, name)
        seen = {key: count + batches[name] for key, count in counts.get(name, {}).items()}
        arrays[name] = convert.to_torch(options, item["params"], item["state"], counts=seen or batches[name])
    if found.build is not experiment.build_paper:
        model = found.build(config)
        for name in arrays:
            _check_outputs(name, getattr(model, name), items[name], arrays[name], config)
    output.mkdir(parents=True, exist_ok=True)
    for name, state_dict in arrays.items():
        write_state_dict(output / FILES[name], state_dict)
    return [output / FILES[name] for name in arrays]


def _foreign_part(options: Discriminator) -> str | None:
    """What a discriminator has that none of the PyTorch original's has."""
    if options.architecture == "segmentation":
        return "segmentation discriminator"
    if options.spectral_norm:
        return "spectral norm"
    if options.projected:
        return "discriminator of trained features"
    return "discriminator at several scales" if options.scales > 1 else None


def _read_networks(files: list[Path], dropout: float) -> dict[str, Converted]:
    """Reads the generator and, if it is among the files, the discriminator."""
    networks: dict[str, Converted] = {}
    for path in files:
        arrays = read_state_dict(path)
        try:
            converted = convert.from_torch(arrays, dropout=dropout)
        except UserError as error:
            raise UserError(f"{path} cannot be imported: {error}") from None
        name = "generator" if isinstance(converted.options, Generator) else "discriminator"
        if name in networks:
            raise UserError(f"{path} is a second {name}: give one generator and at most one discriminator.")
        networks[name] = converted
    if "generator" not in networks:
        raise UserError(f"{files[0]} is a discriminator: give the generator's file too, such as latest_net_G.pth.")
    generator, discriminator = networks["generator"], networks.get("discriminator")
    both = generator.in_channels + generator.out_channels
    if discriminator is not None and discriminator.in_channels != both:
        raise UserError(
            f"the discriminator's input has {discriminator.in_channels} channels, but the generator's input and output "
            f"together have {both}: give files of one run."
        )
    return {name: networks[name] for name in FILES if name in networks}


def _config_of(networks: dict[str, Converted], direction: Literal["AtoB", "BtoA"], image_size: int | None) -> Config:
    generator = networks["generator"]
    options = generator.options
    assert isinstance(options, Generator)
    discriminator = networks["discriminator"].options if "discriminator" in networks else Discriminator(norm=options.norm)
    assert isinstance(discriminator, Discriminator)
    multiple = 2 ** len(options.widths) if options.widths else 4
    size = (128 if multiple == 128 else max(256, multiple)) if image_size is None else image_size
    smallest = max(16, multiple // 2 + 1)
    if size < smallest:
        raise UserError(f"--image-size was given {size}: this network needs at least {smallest}.")
    data = Data(
        direction=direction,
        input=Side(channels=(generator.in_channels,)),
        target=Side(channels=(generator.out_channels,)),
    )
    return Config(image_size=size, generator=options, discriminator=discriminator, data=data, native=True)


def _warn_if_not_finite(networks: dict[str, Converted]) -> None:
    for name, converted in networks.items():
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((converted.params, converted.state))):
            warnings.warn(
                f"the {name} holds values that are not finite, so its outputs will not be finite either.", stacklevel=2
            )


def _describe(converted: Converted) -> str:
    options = converted.options
    if isinstance(options, Generator):
        amount = f"{len(options.widths)} levels" if options.widths else f"{options.num_blocks} blocks"
    else:
        amount = f"{options.num_layers} layers" if options.architecture == "patchgan" else "3 layers"
    channels = f"{converted.in_channels} to {converted.out_channels} channels"
    return f"{options.architecture} of {amount}, width {options.width}, {options.norm} norm, {channels}"


def _check_outputs(name: str, network: Any, item: Any, arrays: dict[str, np.ndarray], config: Config) -> None:
    """Refuses an experiment's own network if its names and shapes fit but its function differs.

    Raises:
        UserError: its outputs for random pictures differ from those of the converted network.
    """
    channels = count_channels(config.data.input) + (0 if name == "generator" else count_channels(config.data.target))
    pictures = jax.random.uniform(jax.random.key(0), (1, *as_size(config.image_size), channels), minval=-1.0)
    converted = convert.from_torch(arrays)
    results = [
        jax.jit(lambda params, state, x, apply=apply: apply(params, state, x, train=False)[0])(params, state, pictures)
        for apply, params, state in (
            (network.apply, item["params"], item["state"]),
            (converted.network.apply, converted.params, converted.state),
        )
    ]
    if results[0].shape != results[1].shape or not jnp.allclose(*results, atol=1e-2):
        raise UserError(f"the {name} does not compute the same as the PyTorch original's: it cannot be converted.")
