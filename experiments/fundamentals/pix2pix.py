"""pix2pix: the pictures of L1 alone, of the GAN alone and of both, for the same label maps.

python -m experiments.fundamentals.pix2pix
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.fundamentals.facades import compare, draw_facades, jit_once, run_steps, to_pictures, to_values
from experiments.fundamentals.lesson import Claim, Numbers
from p2p_jax import layers, losses, ops, pix2pix
from p2p_jax.config import Config, Discriminator, Generator, Optimizer
from p2p_jax.discriminators import patchgan
from p2p_jax.network import count_parameters, network
from p2p_jax.state import NetworkState, TrainState
from p2p_jax.step import Pix2Pix, discriminator_gradients, generator_gradients, init_train_state, make_train_step

TITLE = "pix2pix: two networks, one game"
QUESTION = "L1 puts things in the right place but blurs them. What makes the pictures look real as well?"
HOMES = (make_train_step, discriminator_gradients, generator_gradients, pix2pix.build, losses.l1, patchgan)

CONFIG = Config(
    image_size=64,
    generator=Generator(width=16, statistics="picture"),
    discriminator=Discriminator(width=16, num_layers=2),
    optimizer=Optimizer(learning_rate=1e-3, schedule="constant"),
)
"""The paper's networks and losses with fewer features, and a larger learning rate because there are few steps."""

# The factors of L1 and of the GAN's loss in the generator's loss; the third pair is the paper's.
VARIANTS = {"L1 alone": (100.0, 0.0), "GAN alone": (0.0, 1.0), "L1 and GAN": (100.0, 1.0)}
TESTED = 24  # pictures that are not trained on
METRICS = ("generator_l1", "discriminator_real_accuracy", "discriminator_fake_accuracy")


def measure(*, size: int = 64, width: int = 16, steps: int = 700, pairs: int = 300) -> Numbers:
    """Trains the three variants from the same weights on the same pairs, and measures the patch of a logit."""
    config = replace(
        CONFIG,
        image_size=size,
        generator=replace(CONFIG.generator, width=width),
        discriminator=replace(CONFIG.discriminator, width=width),
    )
    model = pix2pix.build(config)
    labels, photos = (to_values(pictures) for pictures in draw_facades(pairs + TESTED, size=size))
    seen, test = {"input": labels[:pairs], "target": photos[:pairs]}, (labels[pairs:], photos[pairs:])
    first = {name: values[:1] for name, values in seen.items()}
    start = jit_once(lambda key: init_train_state(key, model, first))(jax.random.key(0))
    step = jax.jit(partial(_step, model, seen))
    results: Numbers = {"size": size, "steps": steps, "patch": _patch(), "tested": TESTED}
    for name, trained in (("generator", start.generator), ("discriminator", start.discriminator)):
        results[f"{name}_parameters"] = count_parameters(trained.params)
    results["labels"], results["photos"] = to_pictures(test[0][:6]), to_pictures(test[1][:6])
    make = jax.jit(lambda generator, x: model.generator.apply(generator.params, generator.state, x, train=False)[0])
    judge = _make_judge(model)
    for name, factors in VARIANTS.items():
        curves = jnp.zeros((len(METRICS), steps))
        state, curves, _ = run_steps(step, (start, curves, jnp.asarray(factors)), count=pairs, batch=1, steps=steps)
        made = make(state.generator, test[0])
        results[name] = {**compare(made, test[1]), "pictures": to_pictures(made[:6])}
        results[name]["curves"] = dict(zip(METRICS, curves, strict=True))
        shown = {"made": made, "photos": test[1]}
        results[name]["realness"] = {kind: judge(state.discriminator, test[0], shown[kind]) for kind in shown}
    return results


def _step(model: Pix2Pix, seen: dict[str, Array], carry: tuple[TrainState, Array, Array], indices: Array) -> Any:
    """One step. The factors of the generator's two losses are in `carry`, so that XLA compiles all variants at once."""
    state, curves, (of_l1, of_gan) = carry
    adversarial = losses.weigh_generator(losses.bce, of_gan)  # pyright: ignore[reportArgumentType]
    variant = model._replace(reconstruction_weight=of_l1, adversarial=adversarial)
    after, metrics = make_train_step(variant)(state, {name: pictures[indices] for name, pictures in seen.items()})
    curves = curves.at[:, state.step].set(jnp.stack([metrics[name] for name in METRICS]))
    return after, curves, carry[2]


def _make_judge(model: Pix2Pix) -> Callable[[NetworkState, Array, Array], Array]:
    """Returns a function that computes how real a discriminator judges pictures: the mean probability over all patches."""

    @jit_once
    def judge(discriminator: NetworkState, labels: Array, pictures: Array) -> Array:
        stacked = jnp.concatenate([labels, pictures], axis=-1)
        logits, _ = model.discriminator.apply(discriminator.params, discriminator.state, stacked, train=False)
        return ops.sigmoid(logits).mean()

    return judge


def _patch() -> int:
    """The side, in pixels, of the patch where the gradient of one logit of the paper's discriminator is not zero."""
    judge = network(patchgan, widths=(1, 1, 1, 1), norm=layers.no_norm)  # the paper's geometry, one feature each
    picture = jnp.ones((1, 256, 256, 1))

    @jit_once
    def slope(key: Array) -> Array:
        params, state = judge.init(key, picture)
        params = jax.tree.map(jnp.ones_like, params)  # so that no terms cancel
        return jax.grad(lambda x: judge.apply(params, state, x, train=False)[0][0, 15, 15, 0])(picture)

    return int((np.asarray(slope(jax.random.key(0))) != 0).any(axis=(0, 1, 3)).sum())


def claims(numbers: Numbers) -> list[Claim]:
    """The claims of the text, with their numbers."""
    l1, gan, both = (numbers[name] for name in VARIANTS)
    caught = {name: _caught(numbers[name]) for name in VARIANTS}
    believed = l1["realness"]["made"] / gan["realness"]["made"]
    return [
        Claim("A logit of the paper's discriminator depends on a patch of 70 × 70 pixels.", numbers["patch"], "=", 70),
        Claim("L1 alone is blurred: it has less than 0.9 of the photos' sharpness.", l1["sharpness"], "<", 0.9),
        Claim("Both together are sharper than L1 alone.", both["sharpness"], ">", l1["sharpness"]),
        Claim("The GAN alone is sharper than the photos themselves.", gan["sharpness"], ">", 1),
        Claim("The L1 of the GAN alone is larger by a quarter or more.", gan["l1"] / l1["l1"], ">", 1.25),
        Claim("The L1 of both together is larger by a seventh at most.", both["l1"] / l1["l1"], "<", 1.15),
        Claim("By SSIM, too, L1 alone is better than the GAN alone.", l1["ssim"], ">", gan["ssim"]),
        Claim("The discriminator believes fakes of L1 alone less than those of the GAN alone.", believed, "<", 0.75),
        Claim("It catches them more often than fakes of both together.", caught["L1 alone"], ">", caught["L1 and GAN"]),
    ]


def _caught(variant: Numbers) -> float:
    """The fraction of fakes that the discriminator recognises, in the second half of training."""
    accuracy = variant["curves"]["discriminator_fake_accuracy"]
    return float(np.mean(accuracy[len(accuracy) // 2 :]))


if __name__ == "__main__":
    from experiments.fundamentals.course import run_lesson

    run_lesson(__file__)
