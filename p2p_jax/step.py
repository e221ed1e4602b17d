"""One training step of pix2pix: the discriminator learns to tell fakes, then the generator learns to fool it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from p2p_jax import losses
from p2p_jax.accumulation import mean_over_parts
from p2p_jax.network import Network, Params, State
from p2p_jax.stale_gradients import apply_stale
from p2p_jax.state import NetworkState, TrainState

Batch = dict[str, Array]
Metrics = dict[str, Array]

# Every consumer of randomness folds a fixed number into the step's key, so that a new one shifts none of the others.
AUGMENTATION, DROPOUT, PENALTY, PART = range(4)


class Pix2Pix(NamedTuple):
    """Everything that a step closes over.

    Attributes:
        generator: from input (n, h, w, c) to a fake (n, h, w, c') in [-1, 1].
        discriminator: from input and picture stacked as channels (n, h, w, c + c') to logits.
        generator_optimizer, discriminator_optimizer: any optax transformation.
        adversarial: the GAN's loss.
        reconstruction: `(fake, target) -> scalar`.
        reconstruction_weight: its factor beside the GAN's loss; the paper's 100.
        discriminator_weight: factor of the discriminator's whole loss; 0.5 slows it beside the generator.
        penalty: `(discriminate, key, input, real, fake) -> scalar` added to the discriminator's loss, or None.
        ema_decay: share of the old average kept per step, or None for no average.
        update: "sequential": the generator learns from the updated discriminator (the PyTorch original's order);
            "stale": from what the old one said, through the weights of the updated one (the Torch original's, see
            `stale.apply_stale`); "simultaneous": from the old one (the TensorFlow tutorial's).
        learning_rates: {name in the logs: schedule}; only for the logs.
    """

    generator: Network
    discriminator: Network
    generator_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    adversarial: losses.Adversarial = losses.bce
    reconstruction: Callable[[Array, Array], Array] = losses.l1
    reconstruction_weight: float = 100.0
    discriminator_weight: float = 0.5
    penalty: Callable[..., Array] | None = None
    ema_decay: float | None = None
    update: Literal["sequential", "stale", "simultaneous"] = "sequential"
    learning_rates: Mapping[str, optax.Schedule] = MappingProxyType({})


def init_train_state(key: Array, model: Pix2Pix, batch: Batch) -> TrainState:
    """Makes the state before the first step.

    Args:
        key: a `jax.random.key`; the networks' initial values and everything random later come from it.
        model: what is to be trained.
        batch: {"input": (n, h, w, c), "target": (n, h, w, c')}, float32; only shapes and dtypes matter.
    """
    generator_key, discriminator_key, run_key = jax.random.split(key, 3)
    params, state = model.generator.init(generator_key, batch["input"])
    generator = NetworkState(params, state, model.generator_optimizer.init(params))
    pair = _stack(batch["input"], batch["target"])
    d_params, d_state = model.discriminator.init(discriminator_key, pair)
    discriminator = NetworkState(d_params, d_state, model.discriminator_optimizer.init(d_params))
    # A copy: the step gives its arguments' memory back, and no buffer may be given back twice.
    ema = None if model.ema_decay is None else jax.tree.map(jnp.copy, params)
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, zero.copy(), run_key, generator, discriminator, ema)


def make_train_step(model: Pix2Pix, *, accumulate: int = 1) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Makes the pure function of one step, to be jitted.

    The step takes pictures as float in [-1, 1], {"input": (n, h, w, c), "target": (n, h, w, c')}, and returns the new
    state and scalars: `generator_loss`, `generator_gan`, `generator_l1`, `discriminator_loss`,
    `discriminator_real_accuracy` and `discriminator_fake_accuracy` (the share of logits on the right side).

    Order, as in the reference: one fake; the discriminator on (input, fake) and on (input, target), each a pass with
    statistics of its own, its loss halved, its update; then the generator through the updated discriminator.

    A batch may hold "weight", (n, h, w, 1) in [0, 1]: how much each pixel counts in the reconstruction loss and in
    `generator_l1`, whose means stay those over all pixels. L1 is weighed in proportion, L2 by the weight's square.

    Args:
        model: what is trained.
        accumulate: parts that the batch is gone through in, one after the other, for less memory; it must divide n. All
            gradients and metrics are means over the parts, and statistics of a batch those of a part.

    Source: Isola et al. 2017, section 3.3.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        generator, discriminator = state.generator, state.discriminator
        fake = generate(model, generator, batch["input"], key)
        grads, d_state, judged = discriminator_gradients(model, discriminator, batch, fake.picture, key)
        updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)
        grads, d_state, fooled = generator_gradients(model, discriminator, updated, batch, fake)
        generator = _update(model.generator_optimizer, generator, grads, fake.state)
        return _next(model, state, generator, updated, d_state), fooled | judged

    return train_step if accumulate == 1 else partial(_step_in_parts, model, accumulate)


def _step_in_parts(model: Pix2Pix, accumulate: int, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    """The same step with gradients, states and metrics that are means over the parts of a batch, one after the other.

    Only one part's activations are in memory at a time. No fake is kept: the generator makes it again, with the same
    dropout, once the discriminator has seen all parts and is updated.
    """
    key = jax.random.fold_in(state.key, state.step)
    generator, discriminator = state.generator, state.discriminator
    mean = partial(mean_over_parts, batch=batch, key=jax.random.fold_in(key, PART), count=accumulate)

    def judge(part: Batch, key: Array) -> tuple[State, tuple[Params, State, Metrics]]:
        fake = generate(model, generator, part["input"], key)
        return fake.state, discriminator_gradients(model, discriminator, part, fake.picture, key)

    g_state, (grads, d_state, judged) = mean(judge)
    updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)

    def fool(part: Batch, key: Array) -> tuple[Params, State, Metrics]:
        fake = generate(model, generator, part["input"], key)
        return generator_gradients(model, discriminator, updated, part, fake)

    grads, d_state, fooled = mean(fool)
    generator = _update(model.generator_optimizer, generator, grads, g_state)
    return _next(model, state, generator, updated, d_state), fooled | judged


class Fake(NamedTuple):
    """What the generator made of an input.

    Attributes:
        picture: (n, h, w, c') in [-1, 1].
        backpropagate: from a slope by the picture to (the slope by the generator's params,).
        state: the generator's after the pass.
    """

    picture: Array
    backpropagate: Callable[[Array], tuple[Params]]
    state: State


def generate(model: Pix2Pix, generator: NetworkState, input: Array, key: Array) -> Fake:
    """One forward pass of the generator in training, with dropout, and the way back through it."""

    def forward(params: Params) -> tuple[Array, State]:
        dropout_key = jax.random.fold_in(key, DROPOUT)
        return model.generator.apply(params, generator.state, input, train=True, key=dropout_key)

    return Fake(*jax.vjp(forward, generator.params, has_aux=True))


def discriminator_gradients(
    model: Pix2Pix, discriminator: NetworkState, batch: Batch, fake: Array, key: Array
) -> tuple[Params, State, Metrics]:
    """What the discriminator learns from a fake, which counts as given, and from the real picture.

    Args:
        model: the networks and losses.
        discriminator: before its update.
        batch: as for the step.
        fake: (n, h, w, c').
        key: of this step.

    Returns:
        gradients of its params, its state after a pass on the fake and one on the real picture, metrics.
    """
    input, target = batch["input"], batch["target"]

    def loss(params: Params) -> tuple[Array, tuple[State, Any, Any]]:
        on_fake, d_state = _discriminate(model, params, discriminator.state, input, fake)
        on_real, d_state = _discriminate(model, params, d_state, input, target)
        total = model.adversarial.discriminator(on_fake, False) + model.adversarial.discriminator(on_real, True)
        if model.penalty is not None:

            def frozen(input: Array, picture: Array) -> Any:
                return model.discriminator.apply(params, discriminator.state, _stack(input, picture), train=False)[0]

            total += model.penalty(frozen, jax.random.fold_in(key, PENALTY), input, target, fake)
        return model.discriminator_weight * total, (d_state, on_real, on_fake)

    (value, (d_state, on_real, on_fake)), grads = jax.value_and_grad(loss, has_aux=True)(discriminator.params)
    threshold = model.adversarial.threshold
    metrics = {
        "discriminator_loss": value,
        "discriminator_real_accuracy": _share(on_real, lambda logits: logits > threshold),
        "discriminator_fake_accuracy": _share(on_fake, lambda logits: logits <= threshold),
    }
    return grads, d_state, metrics


def generator_gradients(
    model: Pix2Pix, before: NetworkState, updated: NetworkState, batch: Batch, fake: Fake
) -> tuple[Params, State, Metrics]:
    """What the generator learns from the discriminator's answer to its fake, and from the target.

    Args:
        model: the networks and losses.
        before: the discriminator before its update.
        updated: the discriminator after it, with the state that its own passes left.
        batch: as for the step.
        fake: what the generator made of it.

    Returns:
        gradients of the generator's params, the discriminator's state, metrics.
    """

    def loss(picture: Array) -> tuple[Array, tuple[State, Metrics]]:
        logits, d_state = _answer(model, before, updated, batch["input"], picture)
        gan = model.adversarial.generator(logits)
        weighed = _weigh(picture, batch["target"], batch.get("weight"))
        total = gan + model.reconstruction_weight * model.reconstruction(weighed, batch["target"])
        return total, (d_state, {"generator_gan": gan, "generator_l1": losses.l1(weighed, batch["target"])})

    # First the slope by the fake's pixels, then, from there, by the generator's params.
    (value, (d_state, metrics)), slope = jax.value_and_grad(loss, has_aux=True)(fake.picture)
    (grads,) = fake.backpropagate(slope)
    return grads, d_state, metrics | {"generator_loss": value}


def _answer(model: Pix2Pix, before: NetworkState, updated: NetworkState, input: Array, picture: Array) -> tuple[Any, State]:
    """The logits that the generator learns from, and the discriminator's state after them."""
    if model.update == "sequential":
        return _discriminate(model, updated.params, updated.state, input, picture)

    # The same pass as the discriminator's own on its fake: its statistics are counted already.
    def first_pass(params: Params, picture: Array) -> Any:
        return _discriminate(model, params, before.state, input, picture)[0]

    if model.update == "stale":
        return apply_stale(first_pass, before.params, updated.params, picture), updated.state
    return first_pass(before.params, picture), updated.state


def _discriminate(model: Pix2Pix, params: Params, state: State, input: Array, picture: Array) -> tuple[Any, State]:
    return model.discriminator.apply(params, state, _stack(input, picture), train=True)


def _weigh(fake: Array, target: Array, weight: Array | None) -> Array:
    """The fake, moved towards the target where it should count less: so any loss of the two is weighed."""
    return fake if weight is None else target + weight * (fake - target)


def _stack(input: Array, picture: Array) -> Array:
    return jnp.concatenate([input, picture.astype(input.dtype)], axis=-1)


def _update(optimizer: optax.GradientTransformation, network: NetworkState, grads: Params, state: State) -> NetworkState:
    updates, opt_state = optimizer.update(grads, network.opt_state, network.params)
    return NetworkState(optax.apply_updates(network.params, updates), state, opt_state)


def _next(
    model: Pix2Pix, state: TrainState, generator: NetworkState, discriminator: NetworkState, d_state: State
) -> TrainState:
    return TrainState(
        step=state.step + 1,
        batch_index=state.batch_index + 1,
        key=state.key,
        generator=generator,
        discriminator=NetworkState(discriminator.params, d_state, discriminator.opt_state),
        ema=_average(model.ema_decay, state, generator.params),
    )


def _average(decay: float | None, state: TrainState, params: Params) -> Params | None:
    if decay is None:
        return None
    # Short at first, so that the average forgets the initial values within a few steps.
    kept = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda old, new: (kept * old + (1 - kept) * new).astype(old.dtype), state.ema, params)


def _share(logits: Any, right: Callable[[Array], Array]) -> Array:
    return jnp.stack([right(leaf).mean() for leaf in jax.tree.leaves(logits)]).mean()
