"""Layers: functions `(scope, x, ...) -> y` that ask the scope for their parameters.

A scope (Flax's functional core, `flax.core.Scope`) is where a layer finds what it learned: `scope.param("kernel", init,
shape)` returns the array of that name and makes it with `init` the first time; `scope.variable("batch_stats", ...)`
holds what the forward pass changes; `scope.child(layer, "name")(x)` calls another layer under a name of its own.
Anything else is a plain function, so a new layer is a new function of this form.

Inside a scope function use `remat`, `scan` and `cond` from here: JAX's own do not know the scope and would leak tracers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax.core import Scope, lift
from jax import Array

from p2p_jax import ops
from p2p_jax.errors import UserError

Init = Callable[..., Array]
Norm = Callable[..., Array]
Block = Callable[..., Array]
Merge = Callable[..., Array]

remat, scan, cond = lift.remat, lift.scan, lift.cond


def normal(stddev: float = 0.02, mean: float = 0.0) -> Init:
    """Initial values from N(mean, stddev squared).

    Source: Isola et al. 2017, appendix 6.2 (0.02).
    """
    return lambda key, shape, dtype=jnp.float32: mean + stddev * jax.random.normal(key, shape, dtype)


def zeros(_key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Initial values of zero."""
    return jnp.zeros(shape, dtype)


def conv(
    scope: Scope,
    x: Array,
    features: int,
    *,
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
    use_bias: bool = True,
    init: Init = normal(0.02),
) -> Array:
    """A convolution with learned weights: (n, h, w, c) to (n, h', w', features), sized as `ops.conv2d`."""
    weights = scope.param("kernel", init, (kernel, kernel, x.shape[-1], features))
    bias = scope.param("bias", zeros, (features,)) if use_bias else None
    return ops.conv2d(x, weights, bias, stride=stride, padding=padding)


def conv_transpose(
    scope: Scope,
    x: Array,
    features: int,
    *,
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 0,
    use_bias: bool = True,
    init: Init = normal(0.02),
) -> Array:
    """A transposed convolution with learned weights: doubles (n, h, w, c) to (n, 2 h, 2 w, features) by default."""
    weights = scope.param("kernel", init, (x.shape[-1], kernel, kernel, features))
    bias = scope.param("bias", zeros, (features,)) if use_bias else None
    return ops.conv2d_transpose(x, weights, bias, stride=stride, padding=padding, output_padding=output_padding)


def resize_conv(scope: Scope, x: Array, features: int, *, use_bias: bool = True, init: Init = normal(0.02)) -> Array:
    """Doubles a picture by repeating pixels, then convolves (3 x 3): every output pixel is covered equally often.

    Source: Odena et al., Deconvolution and Checkerboard Artifacts, Distill 2016.
    """
    x = ops.upsample_nearest(x, 2)
    return conv(scope, x, features, kernel=3, stride=1, padding=1, use_bias=use_bias, init=init)


def batch_norm(
    scope: Scope,
    x: Array,
    *,
    train: bool,
    statistics: Literal["batch", "group", "picture", "running"] = "batch",
    group_size: int | None = None,
    momentum: float = 0.9,
    eps: float = 1e-5,
    scale_init: Init = normal(0.02, mean=1.0),
) -> Array:
    """Brings each channel to mean 0 and variance 1, then scales and shifts it by learned amounts.

    Args:
        scope: holds `scale` and `bias` (c,), and the running `mean` and `var` (c,) in the collection `batch_stats`.
        x: (n, h, w, c).
        train: whether the running statistics are updated; it does not choose which statistics are used.
        statistics: normalise with those of the whole batch, of each group of pictures, of each picture by itself, or with
            the running ones (which are then never updated).
        group_size: consecutive pictures that make a group, with statistics "group"; where there are fewer, all are one. It
            must divide n; where it divides the pictures of each device as well, none needs the others' statistics.
        momentum: share of the old running value that is kept (PyTorch's momentum is 1 minus this).
        eps: added to the variance.
        scale_init: initial values of `scale`.

    Raises:
        UserError: the group size is missing, or does not divide n.

    Source: Ioffe and Szegedy, Batch Normalization, 2015; running variance unbiased as in PyTorch. Groups: Hoffer et al.,
    Train longer, generalize better, 2017, section 4 ("ghost batch normalization").
    """
    channels = (x.shape[-1],)
    scale = scope.param("scale", scale_init, channels)
    bias = scope.param("bias", zeros, channels)
    running_mean = scope.variable("batch_stats", "mean", jnp.zeros, channels)
    running_var = scope.variable("batch_stats", "var", jnp.ones, channels)
    if statistics == "running":
        return ops.normalize(x, running_mean.value, running_var.value, scale, bias, eps=eps)
    y = _stack_groups(x, group_size) if statistics == "group" else x
    y, mean, var = ops.standardize(y, (0, 1, 2) if statistics == "batch" else (1, 2), scale, bias, eps=eps)
    if train:
        count = x.size // mean.size
        unbiased = var * (count / max(count - 1, 1))
        for running, new in ((running_mean, mean), (running_var, unbiased)):
            new = new.mean((0, 1, 2)).astype(running.value.dtype)
            running.value = momentum * running.value + (1 - momentum) * new
    return y.reshape(x.shape)


def _stack_groups(x: Array, group_size: int | None) -> Array:
    """The pictures of each group, one below the other, as one picture: (n, h, w, c) to (n / size, size h, w, c)."""
    n, h, w, c = x.shape
    size = min(group_size or 0, n)
    if size < 1 or n % size:
        raise UserError(f"batch norm was given {n} pictures and group_size {group_size}: give a size that divides them.")
    return x.reshape(n // size, size * h, w, c)


def instance_norm(_scope: Scope, x: Array, *, train: bool, eps: float = 1e-5) -> Array:
    """Brings each channel of each picture to mean 0 and variance 1; learns nothing, keeps nothing.

    Source: Ulyanov et al., Instance Normalization, 2016; without affine parameters, as the reference uses it.
    """
    del train
    return ops.standardize(x, (1, 2), eps=eps)[0]


def no_norm(_scope: Scope, x: Array, *, train: bool) -> Array:
    """Leaves x as it is."""
    del train
    return x


def needs_bias(norm: Norm) -> bool:
    """Whether convolutions before this norm carry a bias: the reference gives one only before instance norm."""
    while isinstance(norm, partial):
        norm = norm.func
    return norm is instance_norm


def dropout(scope: Scope, x: Array, rate: float) -> Array:
    """Sets values to zero with probability `rate`; acts only when `apply` was given a key."""
    if rate == 0 or not scope.has_rng("dropout"):
        return x
    return ops.dropout(scope.make_rng("dropout"), x, rate)


def self_attention(scope: Scope, x: Array, *, train: bool) -> Array:
    """Every position looks at every other one: x plus a learned, at first zero, share of the attended features.

    Memory grows with (h w) squared, so use it at 32 x 32 positions or fewer.

    Args:
        scope: holds the 1 x 1 convolutions `query`, `key`, `value`, `output` and the scalar `gain`.
        x: (n, h, w, c).
        train: ignored; part of the form of a block, `(scope, x, *, train) -> y`.

    Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019, section 3.
    """
    del train
    n, h, w, channels = x.shape
    inner = max(channels // 8, 1)

    def project(name: str, y: Array, features: int) -> Array:
        return scope.child(conv, name)(y, features, kernel=1, stride=1, padding=0, use_bias=False)

    query, key = (project(name, x, inner).reshape(n, h * w, inner) for name in ("query", "key"))
    value = project("value", x, max(channels // 2, 1)).reshape(n, h * w, -1)
    scores = jnp.einsum("nqc,nkc->nqk", query, key, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    attended = jnp.einsum("nqk,nkc->nqc", jax.nn.softmax(scores).astype(x.dtype), value)
    gain = scope.param("gain", zeros, ()).astype(x.dtype)
    return x + gain * project("output", attended.reshape(n, h, w, -1), channels)


# Ways to merge a skip connection: (scope, skip, x) -> y, both (n, h, w, c).


def concat(_scope: Scope, skip: Array, x: Array) -> Array:
    """Stacks the channels of the encoder and the decoder, encoder first: the U-Net's way and the default."""
    return ops.concat_channels(skip, x)


def concat_decoder_first(_scope: Scope, skip: Array, x: Array) -> Array:
    """Stacks the channels of the decoder and the encoder, decoder first, as the Torch and TensorFlow originals do."""
    return ops.concat_channels(x, skip)


def add(_scope: Scope, skip: Array, x: Array) -> Array:
    """Adds encoder and decoder, as a residual network does; halves the input of the next layer."""
    return skip + x


def gated(scope: Scope, skip: Array, x: Array) -> Array:
    """Lets the decoder choose, value by value, how much of the skip passes, then stacks both."""
    gate = scope.child(conv, "gate")(x, skip.shape[-1], kernel=1, stride=1, padding=0)
    return concat(scope, ops.sigmoid(gate) * skip, x)


def no_skip(_scope: Scope, _skip: Array, x: Array) -> Array:
    """Cuts the skip connection: the decoder sees only what came through the bottleneck."""
    return x
