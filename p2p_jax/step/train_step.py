"""One training step of pix2pix: the discriminator learns to detect fakes, then the generator learns to fool it."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import Array

from p2p_jax.accumulation import mean_over_micro_batches
from p2p_jax.network import Params, State
from p2p_jax.state import NetworkState, TrainState, moving_average
from p2p_jax.step.gradients import discriminator_gradients, generate, generator_gradients, stack
from p2p_jax.step.model import MICRO_BATCH, Batch, Metrics, Pix2Pix


def init_train_state(key: Array, model: Pix2Pix, batch: Batch) -> TrainState:
    """Creates the state before the first step.

    Args:
        key: a `jax.random.key`, the source of the networks' initial values and of all later randomness.
        model: networks, optimizers and losses.
        batch: only its shapes and dtypes matter.

    Example: see `make_train_step`.
    """
    generator_key, discriminator_key, run_key = jax.random.split(key, 3)
    params, state = model.generator.init(generator_key, batch["input"])
    generator = NetworkState(params, state, model.generator_optimizer.init(params))
    pair = stack(batch["input"], batch["target"])
    d_params, d_state = model.discriminator.init(discriminator_key, pair)
    discriminator = NetworkState(d_params, d_state, model.discriminator_optimizer.init(d_params))
    # A copy, because the step donates the buffers of its arguments, and no buffer may be donated twice.
    ema = None if model.ema_decay is None else jax.tree.map(jnp.copy, params)
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, zero.copy(), run_key, generator, discriminator, ema)


def make_train_step(model: Pix2Pix, *, accumulate: int = 1) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Returns the pure function of one step, to be jitted.

    It returns the new state and the scalars `generator_loss`, `generator_gan`, `generator_l1`, `discriminator_loss`,
    `discriminator_real_accuracy` and `discriminator_fake_accuracy` (the fraction of correctly classified logits), with
    `model.matching` also `generator_matching`, with `model.perceptual` also `generator_perceptual`, and with `model.adapt`
    its metrics.

    By default the order is that of the PyTorch original; for others see `Pix2Pix.update`. The generator makes one fake. The
    discriminator sees (input, fake), then (input, target), each in a pass with its own statistics; its loss is halved, and
    it is updated. Then the generator is updated with gradients through the updated discriminator.

    The batch's optional "weight" scales each pixel's difference in the reconstruction loss and in `generator_l1`: it
    multiplies L1 and cross-entropy, and its square multiplies L2. The means are still over all pixels. The perceptual loss
    sees the fake moved towards the target, all the way where the weight is 0.

    Where the batch's optional "known" is 0, the fake is replaced by the target in all losses. Such pixels give neither
    network a gradient.

    Args:
        model: networks, optimizers and losses.
        accumulate: number of micro-batches that run in turn to save memory; it must divide n. Gradients and metrics are
            means over the micro-batches, and each has its own batch statistics.

    Raises:
        UserError: the step raises it if `accumulate` does not divide n.

    Source: Isola et al. 2017, section 3.3.

    Example:
        >>> import jax
        >>> import p2p_jax
        >>> networks = {"generator": p2p_jax.Generator(widths=(2, 2)), "discriminator": p2p_jax.Discriminator("pixelgan")}
        >>> model = p2p_jax.build(p2p_jax.Config(image_size=16, **networks))
        >>> batch = {side: jax.numpy.zeros((1, 16, 16, 3)) for side in ("input", "target")}
        >>> state = p2p_jax.init_train_state(jax.random.key(0), model, batch)
        >>> state, metrics = jax.jit(p2p_jax.make_train_step(model))(state, batch)
        >>> int(state.step)
        1
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        generator, discriminator = state.generator, state.discriminator
        fake = generate(model, generator, batch["input"], key)
        grads, d_state, d_metrics = discriminator_gradients(model, discriminator, batch, fake.picture, key, state.step)
        updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)
        grads, d_state, g_metrics = generator_gradients(model, discriminator, updated, batch, fake, key)
        generator = _update(model.generator_optimizer, generator, grads, fake.state)
        return _next_state(model, state, generator, updated, d_state), g_metrics | d_metrics

    return train_step if accumulate == 1 else partial(_accumulated_step, model, accumulate)


def _accumulated_step(model: Pix2Pix, accumulate: int, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    """The step with gradients, states and metrics averaged over micro-batches.

    Memory holds the activations of one micro-batch at a time. Fakes are not kept: after the discriminator's update the
    generator makes them again, with the same dropout.
    """
    key = jax.random.fold_in(state.key, state.step)
    generator, discriminator = state.generator, state.discriminator
    mean = partial(mean_over_micro_batches, batch=batch, key=jax.random.fold_in(key, MICRO_BATCH), count=accumulate)

    def train_discriminator(micro_batch: Batch, key: Array) -> tuple[State, tuple[Params, State, Metrics]]:
        fake = generate(model, generator, micro_batch["input"], key)
        return fake.state, discriminator_gradients(model, discriminator, micro_batch, fake.picture, key, state.step)

    g_state, (grads, d_state, d_metrics) = mean(train_discriminator)
    updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)

    def train_generator(micro_batch: Batch, key: Array) -> tuple[Params, State, Metrics]:
        fake = generate(model, generator, micro_batch["input"], key)
        return generator_gradients(model, discriminator, updated, micro_batch, fake, key)

    grads, d_state, g_metrics = mean(train_generator)
    generator = _update(model.generator_optimizer, generator, grads, g_state)
    return _next_state(model, state, generator, updated, d_state), g_metrics | d_metrics


def _update(optimizer: optax.GradientTransformation, network: NetworkState, grads: Params, state: State) -> NetworkState:
    updates, opt_state = optimizer.update(grads, network.opt_state, network.params)
    return NetworkState(optax.apply_updates(network.params, updates), state, opt_state)


def _next_state(
    model: Pix2Pix, state: TrainState, generator: NetworkState, discriminator: NetworkState, d_state: State
) -> TrainState:
    return TrainState(
        step=state.step + 1,
        batch_index=state.batch_index + 1,
        key=state.key,
        generator=generator,
        discriminator=NetworkState(discriminator.params, d_state, discriminator.opt_state),
        ema=moving_average(model.ema_decay, state, generator.params),
    )
