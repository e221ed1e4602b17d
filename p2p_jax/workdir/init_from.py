"""Starts a run from the networks of another run, or from imported networks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from p2p_jax.config.derived import as_size
from p2p_jax.devices.sharding import place
from p2p_jax.errors import UserError
from p2p_jax.files.decode import Mismatch, decode_fields, parse_json
from p2p_jax.state import TrainState
from p2p_jax.workdir.checkpoint import restore_items
from p2p_jax.workdir.record import RECORD, load_experiment, read_record

IMPORTED = "imported.json"
"""The file that an import writes beside the record: {"files": [...], "counts": {network: {batch norm: batches seen}}}.

Until training has written a checkpoint, all options but those of the imported networks may still change.
"""

FIELDS = {"counts": dict[str, dict[str, int]]}
"""The fields of that file which are read."""

CHANGEABLE = ("dropout", "statistics", "group_size", "norm_momentum", "norm_stddev", "remat")
"""Fields of an imported network that may change, because they do not change what its weights mean."""


def start_from(workdir: Path, fresh: TrainState) -> TrainState:
    """Returns a fresh state with the networks of another run. The optimizers start from the beginning.

    Args:
        workdir: of the other run. The generator's moving average is used if there is one. If the networks were imported
            without a discriminator, the fresh state's discriminator is kept.
        fresh: the state at the start of the new run.

    Raises:
        UserError: there is no checkpoint, or its networks have other layers than those of the fresh state.
    """
    items, _ = restore_items(workdir, ("generator", "discriminator", "ema"))
    networks = []
    for name, network in (("generator", fresh.generator), ("discriminator", fresh.discriminator)):
        if name not in items:
            networks.append(network)
            continue
        params, state = items[name]["params"], items[name]["state"]
        params = items.get("ema", params) if name == "generator" else params
        if jax.tree.map(jnp.shape, (params, state)) != jax.tree.map(jnp.shape, (network.params, network.state)):
            raise UserError(
                f"the {name} in {workdir} has other layers than this run's: give the options that it was trained with."
            )
        params, state = (
            place(tree, jax.tree.map(lambda leaf: leaf.sharding, old))
            for tree, old in ((params, network.params), (state, network.state))
        )
        networks.append(replace(network, params=params, state=state))
    ema = None if fresh.ema is None else jax.tree.map(jnp.copy, networks[0].params)
    return replace(fresh, generator=networks[0], discriminator=networks[1], ema=ema)


def read_imported(workdir: Path) -> dict[str, dict[str, int]]:
    """Returns, for each imported network, how many batches each of its batch norms has seen; {} if none was imported.

    Raises:
        UserError: the file that the import wrote is damaged.
    """
    path = workdir / IMPORTED
    try:
        return decode_fields(FIELDS, parse_json(path.read_bytes()))["counts"] if path.is_file() else {}
    except Mismatch:
        raise UserError(f"{path} is damaged: import the networks again, into another folder.") from None


def refuse_to_remove_imported(workdir: Path) -> None:
    """Refuses `--overwrite` in a workdir that holds imported networks.

    Raises:
        UserError: the workdir holds imported networks.
    """
    if read_imported(workdir):
        raise UserError(
            f"--overwrite would remove the imported networks in {workdir}: omit it to train them further, or "
            f"give another --workdir, with --init-from {workdir}."
        )


def refuse_other_networks(workdir: Path, imported: Any, different: dict[str, tuple[Any, Any, bool]]) -> None:
    """Refuses options that change what imported networks compute, as long as these have not been trained here.

    Args:
        workdir: holds the networks.
        imported: from `read_imported`.
        different: {field: (stored value, requested value, whether it is a runtime option)}.

    Raises:
        UserError: such an option differs.
    """
    for name, (old, new, _) in different.items():
        part, _, field = name.partition(".")
        is_shape = field.removeprefix("input.").removeprefix("target.") in ("channels", "classes", "palette")
        if (part in imported and field not in CHANGEABLE) or (part == "data" and is_shape):
            raise UserError(f"the {part} in {workdir} was imported with {name} {old}, not {new}: omit that option.")


def recorded_source(workdir: Path) -> Path | None:
    """Returns the workdir from whose networks a run started, or None."""
    if not (workdir / RECORD).is_file():
        return None
    source = read_record(workdir)["init_from"]
    return None if source is None else Path(source)


def has_checkpoint(workdir: Path) -> bool:
    """Whether there is a complete checkpoint of training. The folder of an incomplete one has a suffix after its step."""
    return any(path.name.isdecimal() and path.name != "0" for path in (workdir / "checkpoints").glob("*"))


def imported_source(workdir: Path) -> Path | None:
    """Returns the workdir itself if it holds imported networks to start from, otherwise None."""
    return workdir if read_imported(workdir) else None


def networks_of(config: Any, init_from: Path, *, trust: bool) -> Any:
    """Returns the config of a new run with the networks, channels and picture size of the run that it starts from.

    Args:
        config: of the new run.
        init_from: workdir of the other run.
        trust: run the experiment file in that workdir even though it was put there by somebody else.

    Raises:
        UserError: the folder is not a workdir, or holds code that is not trusted.
    """
    other = load_experiment(init_from, trust=trust).config
    generator = other.generator
    if generator.widths is None and generator.architecture != "resnet":
        from p2p_jax.generators import unet_widths

        generator = replace(generator, widths=unet_widths(min(as_size(other.image_size)), generator.width))
    # The group size depends on the batch size of the new run, and the load size on the picture size.
    generator = replace(generator, group_size=config.generator.group_size)
    discriminator = replace(other.discriminator, group_size=config.discriminator.group_size)
    sides = {name: getattr(other.data, name) for name in ("input", "target")}
    load_size = config.data.load_size if config.image_size == other.image_size else None
    return replace(
        config,
        image_size=other.image_size,
        generator=generator,
        discriminator=discriminator,
        data=replace(config.data, load_size=load_size, **sides),
    )
