"""What a training step is made of: networks, optimizers and losses."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import optax
from jax import Array

from p2p_jax import losses
from p2p_jax.network import Network, State

Batch = dict[str, Array]
"""{"input": (n, h, w, c), "target": (n, h, w, c')}, float in [-1, 1], and optionally "weight", (n, h, w, 1) in [0, 1], and
"known", (n, h, w, 1), 0 where the target is not known and 1 elsewhere."""

Metrics = dict[str, Array]
"""Scalars by name."""

# Each use of randomness folds its own constant into the step's key, so that a new use changes no other random numbers.
AUGMENTATION, DROPOUT, PENALTY, MICRO_BATCH, DISCRIMINATOR = range(5)


class Pix2Pix(NamedTuple):
    """Networks, optimizers and losses of a training step.

    Attributes:
        generator: from input (n, h, w, c) to a fake (n, h, w, c') in [-1, 1].
        discriminator: from input and picture stacked as channels (n, h, w, c + c') to logits, or to `losses.Judged`. Each
            of its passes in training has a key.
        generator_optimizer, discriminator_optimizer: any optax transformation.
        adversarial: the losses of the GAN.
        reconstruction: `(fake, target) -> scalar`.
        reconstruction_weight: factor of the reconstruction loss; 100 in the paper.
        discriminator_weight: factor of the discriminator's total loss; 0.5 slows it relative to the generator.
        penalty: `(discriminate, key, input, real, fake) -> scalar`, added to the discriminator's loss, or None.
        penalty_every: steps between two computations of the penalty, which then counts as often more, so that its mean over
            the steps is the same. Source: Karras et al., StyleGAN2, 2020, section 3.1 (lazy regularization).
        matching: `(features of the fake, features of the target) -> scalar`, added to the generator's loss, or None. The
            discriminator has to return features: see `losses.Judged`.
        perceptual: `(fake, target) -> scalar`, added to the generator's loss, or None. Where the batch's "weight" is below
            1, the fake that it is given is moved towards the target, see `losses.weigh`.
        adapt: `(state of the discriminator, logits of the real pictures) -> (state, metrics)` after the discriminator's two
            passes, or None. It changes values that the discriminator reads from its state, such as the strength of an
            augmentation.
        discriminator_keys: "own": each pass of the discriminator has its own key; "same": all passes of a step have one
            key, and so the same noise for fake and real.
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
    penalty_every: int = 1
    matching: Callable[..., Array] | None = None
    adapt: Callable[[State, losses.Logits], tuple[State, Metrics]] | None = None
    discriminator_keys: Literal["own", "same"] = "own"
    perceptual: Callable[[Array, Array], Array] | None = None
