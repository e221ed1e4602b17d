"""One training step of pix2pix: the discriminator learns to tell fakes, then the generator learns to fool it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from p2p_jax import losses
from p2p_jax.network import Network, Params, State
from p2p_jax.stale import apply_stale
from p2p_jax.state import Model, TrainState

Batch = dict[str, Array]
Metrics = dict[str, Array]

# Every consumer of randomness folds a fixed number into the step's key, so that a new one shifts none of the others.
AUGMENTATION, DROPOUT, PENALTY = range(3)


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
    generator = Model(params, state, model.generator_optimizer.init(params))
    pair = _stack(batch["input"], batch["target"])
    d_params, d_state = model.discriminator.init(discriminator_key, pair)
    discriminator = Model(d_params, d_state, model.discriminator_optimizer.init(d_params))
    # A copy: the step gives its arguments' memory back, and no buffer may be given back twice.
    ema = None if model.ema_decay is None else jax.tree.map(jnp.copy, params)
    zero = jnp.zeros((), jnp.int32)
    return TrainState(zero, zero.copy(), run_key, generator, discriminator, ema)


def make_train_step(model: Pix2Pix) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Makes the pure function of one step, to be jitted.

    The step takes pictures as float in [-1, 1], {"input": (n, h, w, c), "target": (n, h, w, c')}, and returns the new
    state and scalars: `generator_loss`, `generator_gan`, `generator_l1`, `discriminator_loss`,
    `discriminator_real_accuracy` and `discriminator_fake_accuracy` (the share of logits on the right side).

    Order, as in the reference: one fake; the discriminator on (input, fake) and on (input, target), each a pass with
    statistics of its own, its loss halved, its update; then the generator through the updated discriminator.

    A batch may hold "weight", (n, h, w, 1) in [0, 1]: how much each pixel counts in the reconstruction loss and in
    `generator_l1`, whose means stay those over all pixels. L1 is weighed in proportion, L2 by the weight's square.

    Source: Isola et al. 2017, section 3.3.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        input, target = batch["input"], batch["target"]
        generator, discriminator = state.generator, state.discriminator

        def generate(params: Params) -> tuple[Array, State]:
            dropout_key = jax.random.fold_in(key, DROPOUT)
            return model.generator.apply(params, generator.state, input, train=True, key=dropout_key)

        fake, backpropagate, g_state = jax.vjp(generate, generator.params, has_aux=True)

        def discriminate(params: Params, d_state: State, picture: Array) -> tuple[Any, State]:
            return model.discriminator.apply(params, d_state, _stack(input, picture), train=True)

        def discriminator_loss(params: Params) -> tuple[Array, tuple[State, Any, Any]]:
            on_fake, d_state = discriminate(params, discriminator.state, fake)
            on_real, d_state = discriminate(params, d_state, target)
            loss = model.adversarial.discriminator(on_fake, False) + model.adversarial.discriminator(on_real, True)
            if model.penalty is not None:

                def frozen(input: Array, picture: Array) -> Any:
                    pair = _stack(input, picture)
                    return model.discriminator.apply(params, discriminator.state, pair, train=False)[0]

                loss += model.penalty(frozen, jax.random.fold_in(key, PENALTY), input, target, fake)
            return model.discriminator_weight * loss, (d_state, on_real, on_fake)

        def judge(fake: Array, updated: Params, d_state: State) -> tuple[Any, State]:
            if model.update == "sequential":
                return discriminate(updated, d_state, fake)

            # The same pass as the discriminator's own on its fake: its statistics are counted already.
            def first_pass(params: Params, fake: Array) -> Any:
                return discriminate(params, discriminator.state, fake)[0]

            if model.update == "stale":
                return apply_stale(first_pass, discriminator.params, updated, fake), d_state
            return first_pass(discriminator.params, fake), d_state

        def generator_loss(fake: Array, updated: Params, d_state: State) -> tuple[Array, tuple[State, Metrics]]:
            logits, d_state = judge(fake, updated, d_state)
            gan = model.adversarial.generator(logits)
            weighed = _weigh(fake, target, batch.get("weight"))
            loss = gan + model.reconstruction_weight * model.reconstruction(weighed, target)
            return loss, (d_state, {"generator_gan": gan, "generator_l1": losses.l1(weighed, target)})

        (d_loss, (d_state, on_real, on_fake)), d_grads = jax.value_and_grad(discriminator_loss, has_aux=True)(
            discriminator.params
        )
        d_params, d_opt_state = _update(model.discriminator_optimizer, d_grads, discriminator)
        # First the slope by the fake's pixels, then, from there, by the generator's params.
        (g_loss, (d_state, metrics)), slope = jax.value_and_grad(generator_loss, has_aux=True)(fake, d_params, d_state)
        (g_grads,) = backpropagate(slope)
        g_params, g_opt_state = _update(model.generator_optimizer, g_grads, generator)

        threshold = model.adversarial.threshold
        metrics |= {
            "generator_loss": g_loss,
            "discriminator_loss": d_loss,
            "discriminator_real_accuracy": _share(on_real, lambda logits: logits > threshold),
            "discriminator_fake_accuracy": _share(on_fake, lambda logits: logits <= threshold),
        }
        return TrainState(
            step=state.step + 1,
            batch_index=state.batch_index + 1,
            key=state.key,
            generator=Model(g_params, g_state, g_opt_state),
            discriminator=Model(d_params, d_state, d_opt_state),
            ema=_average(model.ema_decay, state, g_params),
        ), metrics

    return train_step


def _weigh(fake: Array, target: Array, weight: Array | None) -> Array:
    """The fake, moved towards the target where it should count less: so any loss of the two is weighed."""
    return fake if weight is None else target + weight * (fake - target)


def _stack(input: Array, picture: Array) -> Array:
    return jnp.concatenate([input, picture.astype(input.dtype)], axis=-1)


def _update(optimizer: optax.GradientTransformation, grads: Params, model: Model) -> tuple[Params, Any]:
    updates, opt_state = optimizer.update(grads, model.opt_state, model.params)
    return optax.apply_updates(model.params, updates), opt_state


def _average(decay: float | None, state: TrainState, params: Params) -> Params | None:
    if decay is None:
        return None
    # Short at first, so that the average forgets the initial values within a few steps.
    kept = jnp.minimum(decay, (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda old, new: (kept * old + (1 - kept) * new).astype(old.dtype), state.ema, params)


def _share(logits: Any, right: Callable[[Array], Array]) -> Array:
    return jnp.stack([right(leaf).mean() for leaf in jax.tree.leaves(logits)]).mean()
