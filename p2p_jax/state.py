"""What changes from step to step."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import Array


@flax.struct.dataclass
class NetworkState:
    """One network in training.

    Attributes:
        params: what is learned (a tree of float32 arrays).
        state: what the forward pass changes, such as running statistics.
        opt_state: what its optimizer remembers.
    """

    params: Any
    state: Any
    opt_state: Any


Model = NetworkState
"""The name of older versions, which stored experiment files may import."""


@flax.struct.dataclass
class TrainState:
    """Everything that a step reads and writes, so that a checkpoint of it continues bit for bit.

    Attributes:
        step: updates done, int32 scalar.
        batch_index: batches taken from the data, int32 scalar; counted apart from `step`, for runs that leave one out.
        key: the run's random key; every step derives its own from it.
        generator, discriminator: the two networks.
        ema: exponential moving average of the generator's params, or None.
    """

    step: Array
    batch_index: Array
    key: Array
    generator: NetworkState
    discriminator: NetworkState
    ema: Any = None


@jax.jit
def all_finite(state: TrainState) -> Array:
    """Whether every number of the networks is finite: params, running statistics and the moving average."""
    networks = [(model.params, model.state) for model in (state.generator, state.discriminator)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((networks, state.ema))]).all()


def to_items(state: TrainState) -> dict[str, Any]:
    """The train state as a checkpoint holds it: plain trees of arrays."""
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
    """The train state of what `to_items` gave."""
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
