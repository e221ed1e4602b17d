"""A small config, and the networks of the original implementations written out, for the tests of the presets."""

import zlib
from dataclasses import replace
from functools import cache

import jax
import numpy as np

from helpers.naive import naive_conv2d, naive_conv2d_transpose
from p2p_jax import pix2pix
from p2p_jax.config import Config, Discriminator, Generator

jit = jax.jit


KEY = jax.random.key(0)
SMALL = Config(
    image_size=16,
    epochs=None,
    steps=10,
    dtype="float64",
    generator=Generator(widths=(2, 3, 4)),
    discriminator=Discriminator(widths=(2, 3, 4)),
)
PICTURES = np.random.default_rng(9).uniform(-1, 1, (2, 16, 8, 3))
PAIRS = np.random.default_rng(8).uniform(-1, 1, (2, 16, 16, 6))


def changed(config, **fields):
    """A config with some fields changed: their names have two underscores for the dot."""
    for name, value in fields.items():
        part, field = name.split("__")
        config = replace(config, **{part: replace(getattr(config, part), **{field: value})})
    return config


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def normalize(p, x, eps=1e-5):
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) / np.sqrt(var + eps) * p["scale"] + p["bias"]


def conv(p, x, stride=2):
    return naive_conv2d(x, p["kernel"], p.get("bias", 0.0), stride=stride, padding=1)


def up(p, x):
    return naive_conv2d_transpose(x, p["kernel"], p.get("bias", 0.0))


def relu(x):
    return np.maximum(x, 0)


def unet_by_hand(p, x, *, slope=0.2, eps=1e-5, bottleneck_norm=False, post=False, decoder_first=False):
    """Three levels; without dropout. `p` may lack biases."""
    norm = lambda name, x: normalize(p[f"{name}_norm"], x, eps)
    join = lambda skip, x: np.concatenate([x, skip] if decoder_first else [skip, x], -1)
    innermost = (lambda x: norm("down2", x)) if bottleneck_norm else (lambda x: x)
    if post:
        d0 = leaky(conv(p["down0"], x), slope)
        d1 = leaky(norm("down1", conv(p["down1"], d0)), slope)
        d2 = leaky(innermost(conv(p["down2"], d1)), slope)
        u2 = join(d1, relu(norm("up2", up(p["up2"], d2))))
        u1 = join(d0, relu(norm("up1", up(p["up1"], u2))))
        return np.tanh(up(p["up0"], u1))
    d0 = conv(p["down0"], x)
    d1 = norm("down1", conv(p["down1"], leaky(d0, slope)))
    d2 = innermost(conv(p["down2"], leaky(d1, slope)))
    u2 = join(d1, norm("up2", up(p["up2"], relu(d2))))
    u1 = join(d0, norm("up1", up(p["up1"], relu(u2))))
    return np.tanh(up(p["up0"], relu(u1)))


def patchgan_by_hand(p, x, *, slope=0.2, eps=1e-5):
    norm = lambda name, x: normalize(p[f"{name}_norm"], x, eps)
    x = leaky(conv(p["conv0"], x), slope)
    x = leaky(norm("conv1", conv(p["conv1"], x)), slope)
    x = leaky(norm("conv2", conv(p["conv2"], x, stride=1)), slope)
    return conv(p["conv3"], x, stride=1)


def values_for(shapes):
    """Params drawn from their names: networks that share a name share its values."""

    def draw(path, leaf):
        name = jax.tree_util.keystr(path)
        return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(leaf.shape) * 0.5

    return jax.tree_util.tree_map_with_path(draw, shapes)


def build_network(config, which):
    if which == "generator":
        return pix2pix.build_generator(config)
    return pix2pix.build_discriminator(config.discriminator, config.dtype)


@cache
def computed(which, config):
    """(apply, params, state, output, next state) of a small network in float64, without dropout."""
    net = build_network(config, which)
    with jax.enable_x64(True):
        x = PICTURES if which == "generator" else PAIRS
        params, state = jax.eval_shape(net.init, KEY, x)
        params, state = values_for(params), jax.tree.map(lambda leaf: np.ones(leaf.shape), state)
        compiled = jit(lambda params, state, x: net.apply(params, state, x, train=True))
        apply = lambda *arguments: jax.device_get(compiled(*arguments))
        return apply, params, state, *apply(params, state, x)


def shapes_of(which, config, x):
    with jax.enable_x64(True):
        return jax.eval_shape(build_network(config, which).init, KEY, x)[0]


BY_HAND = {"generator": (unet_by_hand, PICTURES), "discriminator": (patchgan_by_hand, PAIRS)}
