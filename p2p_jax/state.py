"""The state of training: everything that changes from step to step."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import Array


@flax.struct.dataclass
class NetworkState:
    """The state of one network in training.

    Attributes:
        params: the learned values, a tree of float32 arrays.
        state: the values that the forward pass changes, such as running statistics.
        opt_state: the state of its optimizer.
    """

    params: Any
    state: Any
    opt_state: Any


Model = NetworkState
"""The name in older versions, which stored experiment files may import."""


@flax.struct.dataclass
class TrainState:
    """Everything that a step reads and writes; training resumes from a checkpoint of it bit for bit.

    Attributes:
        step: number of completed updates, int32 scalar.
        batch_index: number of batches taken from the data, int32 scalar; larger than `step` if a run skipped batches.
        key: the run's random key, from which every step derives its own.
        generator, discriminator: the two networks.
        ema: exponential moving average of the generator's params, or None.
    """

    step: Array
    batch_index: Array
    key: Array
    generator: NetworkState
    discriminator: NetworkState
    ema: Any = None


def moving_average(decay: float | None, state: TrainState, params: Any) -> Any:
    """Computes the moving average of the generator's params after a step.

    Args:
        decay: fraction of the old average that is kept, or None for no average.
        state: before the step.
        params: of the generator, after the step.

    Returns:
        a tree like `params`, or None if `decay` is None.
    """
    if decay is None:
        return None
    # A smaller decay at first, so that the average forgets the initial values within a few steps.
    kept = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda old, new: (kept * old + (1 - kept) * new).astype(old.dtype), state.ema, params)


@jax.jit
def all_finite(state: TrainState) -> Array:
    """Whether all values of the networks are finite: params, running statistics and the moving average; a bool scalar."""
    networks = [(model.params, model.state) for model in (state.generator, state.discriminator)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((networks, state.ema))]).all()


def to_items(state: TrainState) -> dict[str, Any]:
    """Converts a train state to the plain trees of arrays that a checkpoint holds."""
    generator, discriminator = state.generator, state.discriminator
    items = {
        "generator": {"params": generator.params, "state": generator.state},
        "discriminator": {"params": discriminator.params, "state": discriminator.state},
        "training": {
            "step": state.step,
            "batch_index": state.batch_index,
            "key": jax.random.key_data(state.key),
            "opt_state": [generator.opt_state, discriminator.opt_state],
        },
    }
    return items if state.ema is None else items | {"ema": state.ema}


def from_items(items: dict[str, Any]) -> TrainState:
    """Converts the result of `to_items` back to a train state."""
    training = items["training"]
    models = [
        NetworkState(items[name]["params"], items[name]["state"], opt_state)
        for name, opt_state in zip(("generator", "discriminator"), training["opt_state"], strict=True)
    ]
    return TrainState(
        step=training["step"],
        batch_index=training["batch_index"],
        key=jax.random.wrap_key_data(training["key"]),
        generator=models[0],
        discriminator=models[1],
        ema=items.get("ema"),
    )
