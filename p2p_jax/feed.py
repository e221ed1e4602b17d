"""How batches reach the step: read ahead on the host, or picked from pictures that lie on the device already."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding

from p2p_jax.config import Config
from p2p_jax.data.augment import augment
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Reader, batches
from p2p_jax.data.pairs import stack
from p2p_jax.sharding import replicate, split_batch
from p2p_jax.state import TrainState
from p2p_jax.step import AUGMENTATION, Metrics, Pix2Pix, make_train_step

Store = dict[str, jax.Array] | None
"""All training pairs on the device, {"input": (pairs, h, w, c), …}; None where each batch comes from the host."""


def open_store(reader: Reader, config: Config, mesh: Mesh) -> Store:
    """Puts the training pairs on every device, where they are kept in memory whole and have one size.

    With `cache` "auto" only on accelerators: a CPU's own memory is the host's.
    """
    wanted = config.data.cache == "device" or (config.data.cache == "auto" and jax.default_backend() != "cpu")
    if not wanted or reader.cache is None or reader.fit.crops or not reader.fit.fixed:
        return None
    return replicate(mesh, stack([reader.cache[index] for index in range(reader.pairs.count())]))


def open_stream(reader: Reader, config: Config, mesh: Mesh, *, start: int, picked: bool) -> Iterator[Any]:
    """Endless batches on the devices from index `start` on, split over them.

    Args:
        reader: of the training pairs.
        config: of the run.
        mesh: the devices.
        start: index of the first batch.
        picked: give only which pairs are in a batch, for a store.
    """
    data = config.data
    for batch in batches(
        reader,
        seed=config.seed,
        batch_size=config.batch_size,
        start=start,
        threads=data.threads,
        processes=0 if reader.cache is not None else data.processes,
        read=not picked,
    ):
        yield split_batch(mesh, batch)


def make_update(
    model: Pix2Pix, config: Config, mesh: Mesh, store: Store = None
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """The jitted function of one step on a batch of `open_stream`: augmentation and training step in one program."""
    step, fit = make_train_step(model), fit_of_evaluation(config)
    jitter = partial(
        augment,
        size=fit.size if fit.fixed else None,
        options=config.augment,
        input=config.data.input,
        target=config.data.target,
    )

    def update(state: TrainState, batch: Any, store: Store) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.batch_index), AUGMENTATION)
        if store is not None:
            batch = {name: pictures[batch["index"]] for name, pictures in store.items()}
        return step(state, jitter(key, batch))

    everywhere = NamedSharding(mesh, jax.P())
    compiled = jax.jit(update, donate_argnums=0, out_shardings=everywhere)
    return lambda state, batch: compiled(state, batch, store)
