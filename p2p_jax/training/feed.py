"""Batches for the steps: prefetched on the host, or selected from pictures that are already on the device.

One device call (a call of the compiled program) runs `steps_per_call` steps. If these are more than one, their batches are
stacked along a new first axis.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from p2p_jax.config import Config
from p2p_jax.data.augment import augment
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Reader, batches
from p2p_jax.data.pairs import stack
from p2p_jax.devices import processes
from p2p_jax.devices.sharding import batch_sharding, replicate, split_batch
from p2p_jax.state import TrainState, all_finite
from p2p_jax.step import AUGMENTATION, Metrics, Pix2Pix, make_train_step
from p2p_jax.training.skipped_batches import as_array, drop_skipped, next_index

NETWORKS_FINITE = "networks_finite"
"""The metric of a step that says whether the networks hold only finite numbers after it."""


Store = dict[str, jax.Array] | None
"""All training pairs on the device, {"input": (pairs, h, w, c), …}; None if each batch comes from the host."""


def open_store(reader: Reader, config: Config, mesh: Mesh) -> Store:
    """Puts all training pairs on every device, if they are cached in memory and have one size.

    `cache` "auto" does so only on accelerators, because the memory of a CPU is the host's, and only for a single process,
    because several processes each read only their part of the pairs.

    Args:
        reader: of the training pairs.
        config: of the run.
        mesh: the devices.
    """
    auto = config.data.cache == "auto" and jax.default_backend() != "cpu" and processes.count() == 1
    wanted = config.data.cache == "device" or auto
    if not wanted or reader.cache is None or reader.fit.crops or not reader.fit.fixed:
        return None
    if len(reader.cache) < reader.pairs.count():  # a set from a bucket is still arriving
        return None
    return replicate(mesh, stack([reader.cache[index] for index in range(reader.pairs.count())]))


def _steps_per_call(config: Config) -> int:
    return config.steps_per_call or 1  # None in an unresolved config, such as outside of training


def plan_calls(config: Config, done: int) -> Iterator[int]:
    """Yields the number of steps of each call, from step `done` to the end of the run.

    Calls begin at multiples of `steps_per_call`, so that a resumed run makes the same calls. The last call runs the
    remaining steps.
    """
    full, end = _steps_per_call(config), config.steps or 0
    while done < end:
        count = min(full - done % full, end - done)
        yield count
        done += count


def open_stream(
    reader: Reader,
    config: Config,
    mesh: Mesh,
    *,
    start: int,
    counts: Iterable[int],
    indices_only: bool,
    skipped: Iterable[int] = (),
) -> Iterator[Any]:
    """Yields the input of each call: batches that are split over the devices. Every process reads its own part of a batch.

    Args:
        reader: of the training pairs.
        config: of the run.
        mesh: the devices.
        start: index of the first batch.
        counts: batches per call, from `plan_calls`; they are stacked along a new first axis if `steps_per_call` is more
            than 1.
        indices_only: yield only the indices of the pairs in a batch, for use with a store.
        skipped: indices of the batches to skip.
    """
    data = config.data
    stream = batches(
        reader,
        seed=config.seed,
        batch_size=config.batch_size,
        start=start,
        shard=(jax.process_index(), processes.count()),
        threads=data.threads,
        processes=0 if reader.cache is not None else data.processes,
        read=not indices_only,
    )
    stream = drop_skipped(stream, start, skipped)
    for count in counts:
        if _steps_per_call(config) == 1:
            yield split_batch(mesh, next(stream))
        else:
            taken = list(islice(stream, count))
            yield split_batch(mesh, {name: np.stack([batch[name] for batch in taken]) for name in taken[0]}, axis=1)


def describe_call(reader: Reader, config: Config, mesh: Mesh, *, indices_only: bool) -> Any:
    """Returns shapes, dtypes and shardings of the input of a call of `steps_per_call` steps, for pictures of one size.

    Args:
        reader: of the training pairs; one of them is read.
        config: of the run.
        mesh: the devices.
        indices_only: as for `open_stream`.
    """
    count = _steps_per_call(config)
    several = () if count == 1 else (count,)
    split = batch_sharding(mesh, axis=len(several))
    example = {"index": np.zeros((), np.int32)} if indices_only else reader.read(0)
    return {
        name: jax.ShapeDtypeStruct((*several, config.batch_size, *values.shape), values.dtype, sharding=split)
        for name, values in example.items()
    }


def make_vote(mesh: Mesh) -> Callable[[bool], jax.Array | bool]:
    """Returns a function of a bool whose result is true if any process passed True.

    Calling it does not block; reading its result does. The devices exchange the values after all earlier calls.
    """
    if processes.count() == 1:
        return lambda said: said
    own = len(mesh.local_devices) // mesh.shape["model"]
    either = jax.jit(jax.numpy.any, out_shardings=NamedSharding(mesh, jax.P()))
    return lambda said: either(split_batch(mesh, np.full(own, said)))


def make_update(
    model: Pix2Pix, config: Config, mesh: Mesh, store: Store = None, shardings: Any = None
) -> partial[tuple[TrainState, Metrics]]:
    """Returns the jitted function of one call: augmentation and training steps in one program.

    Args:
        model: networks, optimizers and losses.
        config: of the run.
        mesh: the devices.
        store: from `open_store`.
        shardings: of the state, a tree of the same structure; None for a replicated state.

    Returns:
        `update(state, batch)`, for an input that `open_stream` yields. Its optional argument `skipped`, from `as_array`,
        lists the batches that are skipped. Its metrics are scalars, or arrays with one value per step if `steps_per_call`
        is more than 1. If batches may be skipped, the metrics include NETWORKS_FINITE: 1 or 0.
    """
    step, fit = make_train_step(model, accumulate=config.accumulate), fit_of_evaluation(config)
    augment_batch = partial(
        augment,
        size=fit.size if fit.fixed else None,
        options=config.augment,
        input=config.data.input,
        target=config.data.target,
    )

    def update(state: TrainState, batch: Any, store: Store, skipped: Any) -> tuple[TrainState, Metrics]:
        state = replace(state, batch_index=next_index(state.batch_index, skipped))
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.batch_index), AUGMENTATION)
        if store is not None:
            batch = {name: pictures[batch["index"]] for name, pictures in store.items()}
        state, metrics = step(state, augment_batch(key, batch))
        if config.on_nan == "skip":
            # The barrier keeps XLA from fusing this check into the step.
            metrics |= {NETWORKS_FINITE: all_finite(jax.lax.optimization_barrier(state)).astype("float32")}
        return state, metrics

    def update_in_turn(state: TrainState, batches: Any, store: Store, skipped: Any) -> tuple[TrainState, Metrics]:
        return jax.lax.scan(lambda state, batch: update(state, batch, store, skipped), state, batches)

    call = update if _steps_per_call(config) == 1 else update_in_turn
    replicated = NamedSharding(mesh, jax.P())
    compiled = jax.jit(call, donate_argnums=0, out_shardings=(shardings or replicated, replicated))
    return partial(compiled, store=store, skipped=as_array(()))
