"""Two small networks, a batch and a state, for tests of one training step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from p2p_jax import layers, ops
from p2p_jax.network import network
from p2p_jax.step import Pix2Pix, init_train_state

pixelwise = partial(layers.conv, kernel=1, stride=1, padding=0, init=layers.normal(1.0))


def make_picture(scope, x, *, train, norm=layers.batch_norm):
    """A generator of two layers with running statistics and dropout."""
    x = scope.child(norm, "norm")(scope.child(pixelwise, "conv0")(x, 4), train=train)
    x = scope.child(layers.dropout, "dropout")(ops.relu(x), 0.5)
    return ops.tanh(scope.child(pixelwise, "conv1")(x, 2))


def discriminate(scope, x, *, train, norm=layers.batch_norm):
    """A discriminator of two layers with running statistics."""
    x = scope.child(norm, "norm")(scope.child(pixelwise, "conv0")(x, 4), train=train)
    return scope.child(pixelwise, "conv1")(ops.leaky_relu(x), 1)


def build(norm=layers.batch_norm, **options):
    # A norm cancels the bias before it, whose gradient is only rounding error: this epsilon is far above it.
    adam = lambda rate: optax.adam(rate, b1=0.5, eps=1e-5)
    return Pix2Pix(network(make_picture, norm=norm), network(discriminate, norm=norm), adam(0.01), adam(0.03), **options)


def batch_of(n=2, size=5, channels=(3, 2)):
    random = np.random.default_rng(4)
    shapes = [(n, size, size, c) for c in channels]
    return {k: jnp.asarray(random.uniform(-1, 1, s)) for k, s in zip(("input", "target"), shapes, strict=True)}


def initial(model, batch, dtype=np.float32):
    """Returns the state before the first step with its floats in another dtype; jitted, for speed."""
    state = jax.jit(lambda key, batch: init_train_state(key, model, batch))(jax.random.key(0), batch)
    wide = lambda leaf: np.asarray(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(wide, state)
