"""Starting a run from the networks of another run, or from imported networks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from p2p_jax.config.derived import as_size
from p2p_jax.devices.sharding import place
from p2p_jax.errors import UserError
from p2p_jax.state import TrainState
from p2p_jax.workdir.checkpoint import restore_items
from p2p_jax.workdir.record import RECORD, load_experiment, read_record


def start_from(workdir: Path, fresh: TrainState) -> TrainState:
    """A fresh state with the networks of another run, its moving average if it has one; the optimizers start anew.

    A discriminator that the other run has not, since it was imported without one, starts anew too.

    Raises:
        UserError: there is no checkpoint, or its networks have other layers than the fresh state's.
    """
    items, _ = restore_items(workdir, ("generator", "discriminator", "ema"))
    models = []
    for name, model in (("generator", fresh.generator), ("discriminator", fresh.discriminator)):
        if name not in items:
            models.append(model)
            continue
        params, state = items[name]["params"], items[name]["state"]
        params = items.get("ema", params) if name == "generator" else params
        if jax.tree.map(jnp.shape, (params, state)) != jax.tree.map(jnp.shape, (model.params, model.state)):
            raise UserError(
                f"the {name} in {workdir} has other layers than this run's: give the options that it was trained with."
            )
        params, state = (
            place(tree, jax.tree.map(lambda leaf: leaf.sharding, old))
            for tree, old in ((params, model.params), (state, model.state))
        )
        models.append(replace(model, params=params, state=state))
    ema = None if fresh.ema is None else jax.tree.map(jnp.copy, models[0].params)
    return replace(fresh, generator=models[0], discriminator=models[1], ema=ema)


IMPORTED = "imported.json"
"""What an import leaves beside the record: {"files": [...], "counts": {network: {batch norm: batches seen}}}. Until there
is a checkpoint of training, everything but the imported networks may still change."""


def read_imported(workdir: Path) -> dict[str, dict[str, int]]:
    """Of each imported network, the batches that its batch norms have seen; {} for a run that imported none.

    Raises:
        UserError: what the import left is damaged.
    """
    path = workdir / IMPORTED
    try:
        return json.loads(path.read_text())["counts"] if path.is_file() else {}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: import the networks again, into another folder.") from None


def refuse_to_remove_imported(workdir: Path) -> None:
    """Refuses to train anew in a workdir that holds imported networks.

    Raises:
        UserError: it does.
    """
    if read_imported(workdir):
        raise UserError(
            f"--overwrite would remove the imported networks in {workdir}: leave it out to train them on, or give another "
            f"--workdir, with --init-from {workdir}."
        )


def refuse_other_networks(workdir: Path, imported: Any, different: dict[str, tuple[Any, Any, bool]]) -> None:
    """Of networks that were imported and not trained here yet, what they compute is fixed, and nothing else."""
    free = ("dropout", "statistics", "group_size", "norm_momentum", "norm_stddev", "remat")
    for name, (old, new, _) in different.items():
        part, _, field = name.partition(".")
        shape = field.removeprefix("input.").removeprefix("target.") in ("channels", "classes", "palette")
        if (part in imported and field not in free) or (part == "data" and shape):
            raise UserError(f"the {part} in {workdir} was imported with {name} {old}, not {new}: leave that option out.")


def recorded_source(workdir: Path) -> Path | None:
    """The workdir that the run in this one started from, or None."""
    if not (workdir / RECORD).is_file():
        return None
    source = read_record(workdir)["init_from"]
    return None if source is None else Path(source)


def has_checkpoint(workdir: Path) -> bool:
    """Whether a checkpoint of training was written whole; one that is half written has a longer name than its step."""
    return any(path.name.isdigit() and path.name != "0" for path in (workdir / "checkpoints").glob("*"))


def imported_source(workdir: Path) -> Path | None:
    """This workdir, if it holds imported networks to start from."""
    return workdir if read_imported(workdir) else None


def networks_of(config: Any, init_from: Path, *, trust: bool) -> Any:
    """A config with the networks, channels and picture size of the run that it is to start from.

    Raises:
        UserError: the folder is no workdir, or holds code that is not trusted.
    """
    other = load_experiment(init_from, trust=trust).config
    generator = other.generator
    if generator.widths is None and generator.architecture != "resnet":
        from p2p_jax.generators import unet_widths

        generator = replace(generator, widths=unet_widths(min(as_size(other.image_size)), generator.width))
    # A group belongs to the batch that it was chosen for, and so below does a load size to the picture size.
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
