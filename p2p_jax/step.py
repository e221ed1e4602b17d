"""One training step of pix2pix: the discriminator learns to detect fakes, then the generator learns to fool it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from p2p_jax import losses
from p2p_jax.accumulation import mean_over_micro_batches
from p2p_jax.network import Network, Params, State
from p2p_jax.stale_gradients import apply_stale
from p2p_jax.state import NetworkState, TrainState, moving_average

Batch = dict[str, Array]
"""{"input": (n, h, w, c), "target": (n, h, w, c')}, float in [-1, 1], and optionally "weight", (n, h, w, 1) in [0, 1], and
"known", (n, h, w, 1), 0 where the target is not known and 1 elsewhere."""

Metrics = dict[str, Array]
"""Scalars by name."""

# Each use of randomness folds its own constant into the step's key, so that a new use changes no other random numbers.
AUGMENTATION, DROPOUT, PENALTY, MICRO_BATCH = range(4)


class Pix2Pix(NamedTuple):
    """Networks, optimizers and losses of a training step.

    Attributes:
        generator: from input (n, h, w, c) to a fake (n, h, w, c') in [-1, 1].
        discriminator: from input and picture stacked as channels (n, h, w, c + c') to logits.
        generator_optimizer, discriminator_optimizer: any optax transformation.
        adversarial: the losses of the GAN.
        reconstruction: `(fake, target) -> scalar`.
        reconstruction_weight: factor of the reconstruction loss; 100 in the paper.
        discriminator_weight: factor of the discriminator's total loss; 0.5 slows it relative to the generator.
        penalty: `(discriminate, key, input, real, fake) -> scalar`, added to the discriminator's loss, or None.
        ema_decay: fraction of the old moving average that is kept per step, or None for no average.
        update: which discriminator trains the generator. "sequential": the updated one, as in the PyTorch original;
            "stale": the old one's logits with gradients through the updated weights, as in Torch (see
            `stale_gradients.apply_stale`); "simultaneous": the old one, as in the TensorFlow tutorial.
        learning_rates: {name in the logs: schedule}; used for the logs only.
        weigh: `(fake, target, weight) -> (fake, target)`, the arguments of the reconstruction with the batch's "weight".
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
    weigh: Callable[[Array, Array, Array | None], tuple[Array, Array]] = losses.weigh_difference


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
    pair = _stack(batch["input"], batch["target"])
    d_params, d_state = model.discriminator.init(discriminator_key, pair)
    discriminator = NetworkState(d_params, d_state, model.discriminator_optimizer.init(d_params))
    # A copy, because the step donates the buffers of its arguments, and no buffer may be donated twice.
    ema = None if model.ema_decay is None else jax.tree.map(jnp.copy, params)
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, zero.copy(), run_key, generator, discriminator, ema)


def make_train_step(model: Pix2Pix, *, accumulate: int = 1) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Returns the pure function of one step, to be jitted.

    It returns the new state and the scalars `generator_loss`, `generator_gan`, `generator_l1`, `discriminator_loss`,
    `discriminator_real_accuracy` and `discriminator_fake_accuracy` (the fraction of correctly classified logits).

    By default the order is that of the PyTorch original; for others see `Pix2Pix.update`. The generator makes one fake. The
    discriminator sees (input, fake), then (input, target), each in a pass with its own statistics; its loss is halved, and
    it is updated. Then the generator is updated with gradients through the updated discriminator.

    The batch's optional "weight" scales each pixel's difference in the reconstruction loss and in `generator_l1`: it
    multiplies L1 and cross-entropy, and its square multiplies L2. The means are still over all pixels.

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
        grads, d_state, d_metrics = discriminator_gradients(model, discriminator, batch, fake.picture, key)
        updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)
        grads, d_state, g_metrics = generator_gradients(model, discriminator, updated, batch, fake)
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
        return fake.state, discriminator_gradients(model, discriminator, micro_batch, fake.picture, key)

    g_state, (grads, d_state, d_metrics) = mean(train_discriminator)
    updated = _update(model.discriminator_optimizer, discriminator, grads, d_state)

    def train_generator(micro_batch: Batch, key: Array) -> tuple[Params, State, Metrics]:
        fake = generate(model, generator, micro_batch["input"], key)
        return generator_gradients(model, discriminator, updated, micro_batch, fake)

    grads, d_state, g_metrics = mean(train_generator)
    generator = _update(model.generator_optimizer, generator, grads, g_state)
    return _next_state(model, state, generator, updated, d_state), g_metrics | d_metrics


class Fake(NamedTuple):
    """A forward pass of the generator.

    Attributes:
        picture: the output, (n, h, w, c') in [-1, 1].
        backpropagate: from the gradient of the picture to a tuple of one item, the gradients of the generator's params.
        state: the generator's state after the pass.
    """

    picture: Array
    backpropagate: Callable[[Array], tuple[Params]]
    state: State


def generate(model: Pix2Pix, generator: NetworkState, input: Array, key: Array) -> Fake:
    """Runs the generator in training mode on an input (n, h, w, c) in [-1, 1]; dropout derives its key from the step's."""

    def forward(params: Params) -> tuple[Array, State]:
        dropout_key = jax.random.fold_in(key, DROPOUT)
        return model.generator.apply(params, generator.state, input, train=True, key=dropout_key)

    return Fake(*jax.vjp(forward, generator.params, has_aux=True))


def discriminator_gradients(
    model: Pix2Pix, discriminator: NetworkState, batch: Batch, fake: Array, key: Array
) -> tuple[Params, State, Metrics]:
    """Computes the discriminator's gradients from a fake, which counts as a constant, and the real picture.

    Args:
        model: networks, optimizers and losses.
        discriminator: its state before the update.
        batch: as for the step.
        fake: (n, h, w, c') in [-1, 1].
        key: of the step; the penalty folds its constant into it.

    Returns:
        the gradients of the discriminator's params, its state after a pass on the fake and one on the real picture, and the
        metrics `discriminator_loss`, `discriminator_real_accuracy` and `discriminator_fake_accuracy`.
    """
    input, target = batch["input"], batch["target"]
    fake = losses.keep_known(fake, target, batch.get("known"))

    def loss(params: Params) -> tuple[Array, tuple[State, Any, Any]]:
        on_fake, d_state = _discriminate(model, params, discriminator.state, input, fake)
        on_real, d_state = _discriminate(model, params, d_state, input, target)
        total = model.adversarial.discriminator(on_fake, False) + model.adversarial.discriminator(on_real, True)
        if model.penalty is not None:

            def discriminate(input: Array, picture: Array) -> Any:
                return model.discriminator.apply(params, discriminator.state, _stack(input, picture), train=False)[0]

            total += model.penalty(discriminate, jax.random.fold_in(key, PENALTY), input, target, fake)
        return model.discriminator_weight * total, (d_state, on_real, on_fake)

    (value, (d_state, on_real, on_fake)), grads = jax.value_and_grad(loss, has_aux=True)(discriminator.params)
    threshold = model.adversarial.threshold
    metrics = {
        "discriminator_loss": value,
        "discriminator_real_accuracy": losses.mean_over_scales(lambda logits: (logits > threshold).mean(), on_real),
        "discriminator_fake_accuracy": losses.mean_over_scales(lambda logits: (logits <= threshold).mean(), on_fake),
    }
    return grads, d_state, metrics


def generator_gradients(
    model: Pix2Pix, before: NetworkState, updated: NetworkState, batch: Batch, fake: Fake
) -> tuple[Params, State, Metrics]:
    """Computes the generator's gradients from the discriminator's logits for its fake, and from the target.

    Args:
        model: networks, optimizers and losses.
        before: the discriminator before its update.
        updated: the discriminator after its update, with its state after its own two passes.
        batch: as for the step.
        fake: the generator's pass on the batch's input.

    Returns:
        the gradients of the generator's params, the discriminator's state, and the metrics `generator_loss`,
        `generator_gan` and `generator_l1`.
    """

    def loss(picture: Array) -> tuple[Array, tuple[State, Metrics]]:
        picture = losses.keep_known(picture, batch["target"], batch.get("known"))
        logits, d_state = _logits_for_generator(model, before, updated, batch["input"], picture)
        gan = model.adversarial.generator(logits)
        target, weight = batch["target"], batch.get("weight")
        total = gan + model.reconstruction_weight * model.reconstruction(*model.weigh(picture, target, weight))
        l1 = losses.l1(losses.weigh(picture, target, weight), target)
        return total, (d_state, {"generator_gan": gan, "generator_l1": l1})

    # First the gradient of the fake's pixels, then from it the gradients of the generator's params.
    (value, (d_state, metrics)), gradient = jax.value_and_grad(loss, has_aux=True)(fake.picture)
    (grads,) = fake.backpropagate(gradient)
    return grads, d_state, metrics | {"generator_loss": value}


def _logits_for_generator(
    model: Pix2Pix, before: NetworkState, updated: NetworkState, input: Array, picture: Array
) -> tuple[Any, State]:
    """Returns the logits that train the generator, and the discriminator's state after them."""
    if model.update == "sequential":
        return _discriminate(model, updated.params, updated.state, input, picture)

    # The same pass as the discriminator's own on the fake, so its statistics are in the state already.
    def first_pass(params: Params, picture: Array) -> Any:
        return _discriminate(model, params, before.state, input, picture)[0]

    if model.update == "stale":
        return apply_stale(first_pass, before.params, updated.params, picture), updated.state
    return first_pass(before.params, picture), updated.state


def _discriminate(model: Pix2Pix, params: Params, state: State, input: Array, picture: Array) -> tuple[Any, State]:
    return model.discriminator.apply(params, state, _stack(input, picture), train=True)


def _stack(input: Array, picture: Array) -> Array:
    return jnp.concatenate([input, picture.astype(input.dtype)], axis=-1)


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
