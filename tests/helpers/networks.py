"""Shapes and values of networks, and their forward passes written in NumPy from the PyTorch original's layer tables."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from helpers.naive import naive_conv2d, naive_conv2d_transpose
from p2p_jax.network import network

KEY = jax.eval_shape(lambda: jax.random.key(0))
WIDE = np.random.default_rng(9).uniform(-1, 1, (2, 12, 16, 3))
TALL = np.random.default_rng(9).uniform(-1, 1, (2, 16, 8, 3))
CONTRACT = json.loads((Path(__file__).parents[1] / "parameter_names.json").read_text())
"""Names and shapes of every network's params and state in all checkpoints so far."""


def pictures(size, channels=3, count=1, width=None, dtype=jnp.float32):
    return jax.ShapeDtypeStruct((count, size, width or size, channels), dtype)


def shapes_of(fn, x=None, **config):
    """Returns the shapes of a network's params and state without computing anything."""
    return jax.eval_shape(network(fn, **config).init, KEY, pictures(256) if x is None else x)


def output_of(fn, x, *, key=None, **config):
    """Returns the shape and dtype of a network's output without computing anything."""
    net = network(fn, **config)

    def run(key_, x):
        params, state = net.init(key_, x)
        return net.apply(params, state, x, train=False, key=None if key is None else key_)[0]

    return jax.eval_shape(run, KEY, x)


def names_and_shapes(fn, channels, **config):
    """Returns {name: shape} of params and state, for pictures of 256 pixels."""
    params, state = shapes_of(fn, pictures(256, channels), **config)
    leaves = jax.tree.leaves_with_path({"params": params, **state})
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): list(leaf.shape) for path, leaf in leaves}
    return dict(sorted(named.items()))


def layers_with(params, part):
    """Returns the names of the layers that have a parameter of this name."""
    return sorted(name for name, value in params.items() if part in (value if isinstance(value, dict) else {}))


def values_of(fn, x, *, seed=0, **config):
    """Returns a network's params, replaced by random ones so that every layer matters, and its output, in float64."""
    net = network(fn, **config)
    with jax.enable_x64(True):
        params, state = jax.eval_shape(net.init, KEY, x)
        random = np.random.default_rng(seed)
        params = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape) * 0.5, params)
        state = jax.tree.map(lambda leaf: np.ones(leaf.shape), state)
        y = jax.jit(lambda p, s, x: net.apply(p, s, x, train=False)[0])(params, state, x)
    return params, np.asarray(y)


# --------------------------------------------------------------------------------------------------------------------
# Forward passes written from the layer tables


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def relu(x):
    return np.maximum(x, 0)


def batch_norm(p, x, axes=(0, 1, 2)):
    x = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    return x * p["scale"] + p["bias"]


def conv(p, x, stride=2, padding=1):
    return naive_conv2d(x, p["kernel"], p.get("bias", 0.0), stride=stride, padding=padding)


def up(p, x, **options):
    return naive_conv2d_transpose(x, p["kernel"], p.get("bias", 0.0), **options)


def unet_by_table(p, x, cut=()):
    """Three levels; `cut`: levels whose skip connection carries zeros."""
    d0 = conv(p["down0"], x)
    d1 = batch_norm(p["down1_norm"], conv(p["down1"], leaky(d0)))
    d2 = conv(p["down2"], leaky(d1))
    u2 = batch_norm(p["up2_norm"], up(p["up2"], relu(d2)))
    u2 = np.concatenate([d1 * (1 not in cut), u2], -1)
    u1 = batch_norm(p["up1_norm"], up(p["up1"], relu(u2)))
    u1 = np.concatenate([d0 * (0 not in cut), u1], -1)
    return np.tanh(up(p["up0"], relu(u1)))


def encoder_decoder_by_table(p, x):
    x = conv(p["down0"], x)
    x = batch_norm(p["down1_norm"], conv(p["down1"], leaky(x)))
    x = conv(p["down2"], leaky(x))
    x = batch_norm(p["up2_norm"], up(p["up2"], relu(x)))
    x = batch_norm(p["up1_norm"], up(p["up1"], relu(x)))
    return np.tanh(up(p["up0"], relu(x)))


def resnet_by_table(p, x):
    mirror = lambda x, n: np.pad(x, ((0, 0), (n, n), (n, n), (0, 0)), mode="reflect")
    norm = lambda name, x: batch_norm(p[f"{name}_norm"], x)
    x = relu(norm("stem", conv(p["stem"], mirror(x, 3), 1, 0)))
    x = relu(norm("down0", conv(p["down0"], x)))
    x = relu(norm("down1", conv(p["down1"], x)))
    for i in range(2):
        y = relu(norm(f"block{i}_conv0", conv(p[f"block{i}_conv0"], mirror(x, 1), 1, 0)))
        x = x + norm(f"block{i}_conv1", conv(p[f"block{i}_conv1"], mirror(y, 1), 1, 0))
    x = relu(norm("up1", up(p["up1"], x, output_padding=1)))
    x = relu(norm("up0", up(p["up0"], x, output_padding=1)))
    return np.tanh(conv(p["head"], mirror(x, 3), 1, 0))


def patchgan_by_table(p, x):
    x = leaky(conv(p["conv0"], x))
    x = leaky(batch_norm(p["conv1_norm"], conv(p["conv1"], x)))
    x = leaky(batch_norm(p["conv2_norm"], conv(p["conv2"], x, stride=1)))
    return conv(p["conv3"], x, stride=1)


def pixelgan_by_table(p, x):
    x = leaky(conv(p["conv0"], x, 1, 0))
    x = leaky(batch_norm(p["conv1_norm"], conv(p["conv1"], x, 1, 0)))
    return conv(p["conv2"], x, 1, 0)
