"""The engine of a run: the devices, the data on them, and the compiled programs of the steps."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from p2p_jax.config import Config
from p2p_jax.config.checks import varies
from p2p_jax.data.loading import Reader
from p2p_jax.devices.memory import compile_and_release
from p2p_jax.devices.sharding import with_gathered_params
from p2p_jax.signals import interruptible
from p2p_jax.state import TrainState
from p2p_jax.step import Metrics, Pix2Pix
from p2p_jax.training.feed import Store, describe_call, make_update, open_store
from p2p_jax.training.stopwatch import Interval, waiting_for


class Engine(NamedTuple):
    """Objects that stay the same for all steps.

    Attributes:
        mesh: the devices.
        reader: of the training pairs.
        store: the training pairs, if they are on the devices.
        update: from `feed.make_update`.
        programs: compiled programs of `update`, by the shapes and dtypes of their batches.
    """

    mesh: Mesh
    reader: Reader
    store: Store
    update: partial[tuple[TrainState, Metrics]]
    programs: dict[Any, Callable[..., tuple[TrainState, Metrics]]]


def open_engine(model: Pix2Pix, config: Config, mesh: Mesh, reader: Reader, like: TrainState) -> Engine:
    """Opens the engine for states of the shapes, dtypes and shardings of `like`. It compiles nothing yet."""
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
    store = open_store(reader, config, mesh)
    update = make_update(with_gathered_params(model, mesh, shardings), config, mesh, store, shardings)
    return Engine(mesh, reader, store, update, {})


def compile_ahead(engine: Engine, config: Config, like: TrainState, done: int, interval: Interval) -> None:
    """Compiles the program of most calls of a run before the state is made, so that both do not need memory at once.

    Nothing is compiled if pictures have different sizes, or if fewer steps than one full call remain after step `done`.
    """
    if varies(config) or done + (config.steps_per_call or 1) > (config.steps or 0):
        return
    batch = describe_call(engine.reader, config, engine.mesh, indices_only=engine.store is not None)
    find_program(engine, like, batch, interval)


def find_program(
    engine: Engine, state: TrainState, batch: Any, interval: Interval
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Returns the program for a batch's shapes and dtypes, compiled at first use; `jax.ShapeDtypeStruct`s are enough."""
    kind = tuple((name, values.shape, values.dtype) for name, values in sorted(batch.items()))
    if kind not in engine.programs:
        with waiting_for(interval, "compilation"):
            engine.programs[kind] = interruptible(
                lambda: compile_and_release(engine.update.func, state, batch, **engine.update.keywords)
            )
    return engine.programs[kind]
