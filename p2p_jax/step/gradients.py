"""The gradients of a training step: of the discriminator from a fake and the real picture, of the generator from both."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax import losses
from p2p_jax.network import Params, State
from p2p_jax.stale_gradients import apply_stale
from p2p_jax.state import NetworkState
from p2p_jax.step.model import DISCRIMINATOR, DROPOUT, PENALTY, Batch, Metrics, Pix2Pix

# The passes of the discriminator in a step.
FAKE, REAL, FAKE_FOR_GENERATOR, REAL_FOR_GENERATOR = range(4)


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
    model: Pix2Pix, discriminator: NetworkState, batch: Batch, fake: Array, key: Array, step: Array | int = 0
) -> tuple[Params, State, Metrics]:
    """Computes the discriminator's gradients from a fake, which counts as a constant, and the real picture.

    Args:
        model: networks, optimizers and losses.
        discriminator: its state before the update.
        batch: as for the step.
        fake: (n, h, w, c') in [-1, 1].
        key: of the step; the discriminator and the penalty fold their constants into it.
        step: number of completed updates, which decides whether a penalty that is not due at every step is due.

    Returns:
        the gradients of the discriminator's params, its state after a pass on the fake and one on the real picture, and the
        metrics `discriminator_loss`, `discriminator_real_accuracy` and `discriminator_fake_accuracy`, with those of
        `model.adapt`.
    """
    input, target = batch["input"], batch["target"]
    fake = losses.keep_known(fake, target, batch.get("known"))
    every_step = model.penalty is not None and model.penalty_every == 1

    def penalty(params: Params) -> Array:
        return _penalize(model, params, discriminator.state, input, target, fake, key)

    def loss(params: Params) -> tuple[Array, tuple[State, Any, Any]]:
        on_fake, d_state = _judge(model, params, discriminator.state, input, fake, _pass_key(model, key, FAKE))
        on_real, d_state = _judge(model, params, d_state, input, target, _pass_key(model, key, REAL))
        on_fake, on_real = losses.compare(model.adversarial, on_fake.logits, on_real.logits)
        total = model.adversarial.discriminator(on_fake, False) + model.adversarial.discriminator(on_real, True)
        if every_step:
            total += penalty(params)
        return model.discriminator_weight * total, (d_state, on_real, on_fake)

    (value, (d_state, on_real, on_fake)), grads = jax.value_and_grad(loss, has_aux=True)(discriminator.params)
    if model.penalty is not None and not every_step:
        factor = model.discriminator_weight * model.penalty_every
        lazy = _gradients_if(step % model.penalty_every == 0, lambda params: factor * penalty(params), discriminator.params)
        value, grads = jax.tree.map(jnp.add, (value, grads), lazy)
    d_state, metrics = (d_state, {}) if model.adapt is None else model.adapt(d_state, on_real)
    accuracies = _accuracies(model.adversarial, on_real, on_fake)
    return grads, d_state, metrics | {"discriminator_loss": value} | accuracies


def _penalize(model: Pix2Pix, params: Params, state: State, input: Array, real: Array, fake: Array, key: Array) -> Array:
    """The penalty on the discriminator before its update, whose noise is that of its pass on the real picture."""
    options = {"train": False, "key": _pass_key(model, key, REAL)}

    def discriminate(input: Array, picture: Array) -> Any:
        return losses.as_judged(model.discriminator.apply(params, state, stack(input, picture), **options)[0]).logits

    assert model.penalty is not None
    return model.penalty(discriminate, jax.random.fold_in(key, PENALTY), input, real, fake)


def _gradients_if(due: Array | bool, loss: Callable[[Params], Array], params: Params) -> tuple[Array, Params]:
    """The value and the gradients of a loss, or zeros without computing it."""
    compute = jax.value_and_grad(loss)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(compute, params))
    return lax.cond(due, compute, lambda _: zeros, params)


def _accuracies(adversarial: losses.Adversarial, on_real: Any, on_fake: Any) -> Metrics:
    """The fractions of correctly classified logits."""
    threshold = adversarial.threshold
    on_real, on_fake = adversarial.score(on_real), adversarial.score(on_fake)
    return {
        "discriminator_real_accuracy": losses.mean_over_scales(lambda logits: (logits > threshold).mean(), on_real),
        "discriminator_fake_accuracy": losses.mean_over_scales(lambda logits: (logits <= threshold).mean(), on_fake),
    }


def generator_gradients(
    model: Pix2Pix, before: NetworkState, updated: NetworkState, batch: Batch, fake: Fake, key: Array | None = None
) -> tuple[Params, State, Metrics]:
    """Computes the generator's gradients from the discriminator's logits for its fake, and from the target.

    Args:
        model: networks, optimizers and losses.
        before: the discriminator before its update.
        updated: the discriminator after its update, with its state after its own two passes.
        batch: as for the step.
        fake: the generator's pass on the batch's input.
        key: of the step; without it the discriminator has no noise.

    Returns:
        the gradients of the generator's params, the discriminator's state, and the metrics `generator_loss`,
        `generator_gan` and `generator_l1`, with `model.matching` also `generator_matching`, and with `model.perceptual`
        also `generator_perceptual`.
    """
    judge = partial(_judge_for_generator, model, before, updated, batch["input"], key)
    needs_real = model.adversarial.relative or model.matching is not None
    on_real = judge(batch["target"], REAL_FOR_GENERATOR)[0] if needs_real else None

    def loss(picture: Array) -> tuple[Array, tuple[State, Metrics]]:
        picture = losses.keep_known(picture, batch["target"], batch.get("known"))
        on_fake, d_state = judge(picture, FAKE_FOR_GENERATOR)
        gan, metrics = _adversarial_loss(model, on_fake, on_real)
        target, weight = batch["target"], batch.get("weight")
        total = gan + model.reconstruction_weight * model.reconstruction(*model.weigh(picture, target, weight))
        weighed = losses.weigh(picture, target, weight)
        metrics["generator_l1"] = losses.l1(weighed, target)
        if model.perceptual is not None:
            metrics["generator_perceptual"] = model.perceptual(weighed, target)
            total += metrics["generator_perceptual"]
        return total, (d_state, metrics)

    # First the gradient of the fake's pixels, then from it the gradients of the generator's params.
    (value, (d_state, metrics)), gradient = jax.value_and_grad(loss, has_aux=True)(fake.picture)
    (grads,) = fake.backpropagate(gradient)
    return grads, d_state, metrics | {"generator_loss": value}


def _adversarial_loss(model: Pix2Pix, on_fake: losses.Judged, on_real: losses.Judged | None) -> tuple[Array, Metrics]:
    """The generator's losses that come from the discriminator, and their metrics."""
    if on_real is None:
        gan = model.adversarial.generator(on_fake.logits)
        return gan, {"generator_gan": gan}
    gan = model.adversarial.generator(losses.compare(model.adversarial, on_fake.logits, on_real.logits)[0])
    if model.matching is None:
        return gan, {"generator_gan": gan}
    matching = model.matching(on_fake.features, on_real.features)
    return gan + matching, {"generator_gan": gan, "generator_matching": matching}


def _judge_for_generator(
    model: Pix2Pix, before: NetworkState, updated: NetworkState, input: Array, key: Array | None, picture: Array, use: int
) -> tuple[losses.Judged, State]:
    """Returns what the discriminator says of a picture to the generator, and its state after that."""
    if model.update == "sequential":
        return _judge(model, updated.params, updated.state, input, picture, _pass_key(model, key, use))
    # The same pass as the discriminator's own, so its statistics are in the state already.
    own = FAKE if use == FAKE_FOR_GENERATOR else REAL

    def first_pass(params: Params, picture: Array) -> losses.Judged:
        return _judge(model, params, before.state, input, picture, _pass_key(model, key, own))[0]

    if model.update == "stale":
        return apply_stale(first_pass, before.params, updated.params, picture), updated.state
    return first_pass(before.params, picture), updated.state


def _judge(
    model: Pix2Pix, params: Params, state: State, input: Array, picture: Array, key: Array | None
) -> tuple[losses.Judged, State]:
    output, state = model.discriminator.apply(params, state, stack(input, picture), train=True, key=key)
    return losses.as_judged(output), state


def _pass_key(model: Pix2Pix, key: Array | None, use: int) -> Array | None:
    """The discriminator's key in one of its passes."""
    if key is None:
        return None
    key = jax.random.fold_in(key, DISCRIMINATOR)
    return key if model.discriminator_keys == "same" else jax.random.fold_in(key, use)


def stack(input: Array, picture: Array) -> Array:
    """Stacks input and picture as channels, as the discriminator sees them."""
    return jnp.concatenate([input, picture.astype(input.dtype)], axis=-1)
