"""The state of a run before its first step: its shapes, its random networks, or those of another run."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from rich.console import Console

from p2p_jax.config import Config, as_size, count_channels
from p2p_jax.console import waiting
from p2p_jax.devices.memory import compile_and_release
from p2p_jax.devices.sharding import is_sharded, state_shardings
from p2p_jax.signals import interruptible
from p2p_jax.state import TrainState
from p2p_jax.step import Pix2Pix, init_train_state
from p2p_jax.workdir.init_from import start_from


def describe_state(config: Config, model: Pix2Pix, mesh: Mesh) -> TrainState:
    """Returns shapes, dtypes and shardings of the run's state."""
    shapes = jax.eval_shape(_make_init(config, model), jax.random.key(config.seed))
    shardings = state_shardings(mesh, shapes, sharded=is_sharded(mesh, shapes, config.sharding))
    place = lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return jax.tree.map(place, shapes, shardings)


def fresh_state(config: Config, model: Pix2Pix, like: TrainState, init_from: Path | None, console: Console) -> TrainState:
    """Makes the state before the first step, with the networks of another run if one is given."""
    # The program runs once: on a CPU, optimizing it would take four times as long as everything else.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
    init = jax.jit(_make_init(config, model), compiler_options=options, out_shardings=shardings)
    key = jax.random.key(config.seed)
    with waiting(console, "initializing the networks"):
        fresh = interruptible(lambda: compile_and_release(init, key)(key))
    return fresh if init_from is None else start_from(init_from, fresh)


def _make_init(config: Config, model: Pix2Pix) -> Callable[[jax.Array], TrainState]:
    side = (config.batch_size, *as_size(config.image_size))
    batch = {name: jnp.zeros((*side, count_channels(getattr(config.data, name)))) for name in ("input", "target")}
    return lambda key: init_train_state(key, model, batch)
