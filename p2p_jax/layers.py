"""Layers: functions `(scope, x, ...) -> y` that ask the scope for their parameters.

A scope (`flax.core.Scope`, Flax's functional core) holds a layer's parameters: `scope.param("kernel", init, shape)` returns
the array of that name and creates it with `init` the first time; `scope.variable("batch_stats", ...)` holds values that the
forward pass changes; `scope.child(layer, "name")(x)` calls another layer, whose parameters are stored under that name.

Pictures are float arrays (n, h, w, c); a layer computes in the dtype of its input, and parameters are float32.

Inside a scope function, use `remat`, `scan` and `cond` from here: JAX's own ignore the scope and would leak tracers.
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
"""Initial values: `(key, shape, dtype=float32) -> array`."""

Norm = Callable[..., Array]
"""A normalisation: `(scope, x, *, train) -> y`, of the same shape."""

Block = Callable[..., Array]
"""A block: `(scope, x, *, train) -> y`."""

Merge = Callable[..., Array]
"""Merges a skip connection with the decoder: `(scope, skip, x) -> y`, with the same height and width."""

remat, scan, cond = lift.remat, lift.scan, lift.cond


def normal(stddev: float = 0.02, mean: float = 0.0) -> Init:
    """Returns initial values from the normal distribution N(mean, stddev squared).

    Source: Isola et al. 2017, appendix 6.2 (0.02).
    """
    return lambda key, shape, dtype=jnp.float32: mean + stddev * jax.random.normal(key, shape, dtype)


def zeros(_key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """Returns initial values of zero."""
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
    """Convolves with learned weights.

    Args:
        scope: holds `kernel` (kernel, kernel, c, features) and `bias` (features,).
        x: (n, h, w, c).
        features: number of output channels.
        kernel: height and width of the kernel, in pixels.
        stride, padding: as in `ops.conv2d`, in pixels.
        use_bias: whether a bias is added.
        init: initial values of the kernel; the bias starts at zero.

    Returns:
        (n, h', w', features), with the size of `ops.conv2d`.
    """
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
    """Applies a transposed convolution with learned weights. The other arguments are those of `conv`.

    Args:
        scope: holds `kernel` (c, kernel, kernel, features) and `bias` (features,).
        x: (n, h, w, c).
        features: number of output channels.
        stride, padding, output_padding: as in `ops.conv2d_transpose`, in pixels.

    Returns:
        (n, h', w', features), with the size of `ops.conv2d_transpose`; by default (n, 2 h, 2 w, features).
    """
    weights = scope.param("kernel", init, (x.shape[-1], kernel, kernel, features))
    bias = scope.param("bias", zeros, (features,)) if use_bias else None
    return ops.conv2d_transpose(x, weights, bias, stride=stride, padding=padding, output_padding=output_padding)


def resize_conv(
    scope: Scope,
    x: Array,
    features: int,
    *,
    resize: Callable[[Array], Array] = ops.upsample_nearest,
    use_bias: bool = True,
    init: Init = normal(0.02),
) -> Array:
    """Doubles (n, h, w, c) to (n, 2 h, 2 w, features): repeats pixels, or applies `resize`, then a 3 x 3 `conv`.

    Unlike in a transposed convolution, every output pixel is covered equally often.

    Source: Odena et al., Deconvolution and Checkerboard Artifacts, Distill 2016.
    """
    return conv(scope, resize(x), features, kernel=3, stride=1, padding=1, use_bias=use_bias, init=init)


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
    """Normalises each channel to mean 0 and variance 1, then applies a learned scale and bias.

    Args:
        scope: holds `scale` and `bias` (c,) and, in the collection `batch_stats`, the running `mean` and `var` (c,).
        x: (n, h, w, c).
        train: whether the running statistics are updated. It does not select the statistics that normalise.
        statistics: which statistics normalise: those of the whole batch, of each group of pictures, of each picture, or the
            running ones (which are then never updated).
        group_size: consecutive pictures in a group, for statistics "group"; a batch with fewer pictures is one group. It
            must divide n. If it also divides the pictures on each device, devices exchange no statistics.
        momentum: fraction of the old running value that is kept per update (PyTorch's momentum is 1 minus this).
        eps: added to the variance.
        scale_init: initial values of `scale`; `bias` starts at zero.

    Returns:
        the shape and dtype of `x`.

    Raises:
        UserError: the group size is missing or does not divide n.

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
    """Stacks the pictures of each group vertically into one: (n, h, w, c) to (n / size, size h, w, c)."""
    n, h, w, c = x.shape
    size = min(group_size or 0, n)
    if size < 1 or n % size:
        raise UserError(
            f"batch norm was given {n} pictures and group_size {group_size}: give a group size that divides the number of "
            "pictures."
        )
    return x.reshape(n // size, size * h, w, c)


def instance_norm(scope: Scope, x: Array, *, train: bool, eps: float = 1e-5, affine: bool = False) -> Array:
    """Normalises each channel of each picture (n, h, w, c) to mean 0 and variance 1, without running statistics.

    With `affine`, a learned `scale` (c,) and `bias` (c,) follow, which start at 1 and 0; the PyTorch original has neither.

    Source: Ulyanov et al., Instance Normalization, 2016.
    """
    del train
    names = {"scale": normal(0.0, mean=1.0), "bias": zeros} if affine else {}
    params = {name: scope.param(name, init, (x.shape[-1],)) for name, init in names.items()}
    return ops.standardize(x, (1, 2), **params, eps=eps)[0]


def no_norm(_scope: Scope, x: Array, *, train: bool) -> Array:
    """Returns `x` unchanged: a norm for networks without one."""
    del train
    return x


def needs_bias(norm: Norm) -> bool:
    """Whether convolutions before this norm have a bias; in the PyTorch original only those before instance norm do."""
    while isinstance(norm, partial):
        norm = norm.func
    return norm is instance_norm


def dropout(scope: Scope, x: Array, rate: float) -> Array:
    """Applies `ops.dropout`, but only if `apply` was given a key.

    Args:
        scope: supplies the random key.
        x: any shape.
        rate: probability of setting a value to zero, in [0, 1).

    Returns:
        the shape and dtype of `x`.

    Raises:
        UserError: `rate` is not in [0, 1).
    """
    if rate == 0 or not scope.has_rng("dropout"):
        return x
    return ops.dropout(scope.make_rng("dropout"), x, rate)


def self_attention(scope: Scope, x: Array, *, train: bool) -> Array:
    """Adds to `x` its self-attention over all positions, times a learned gain that starts at zero.

    Memory grows with (h w) squared, so use it with at most 32 x 32 positions.

    Args:
        scope: holds the 1 x 1 convolutions `query`, `key`, `value`, `output` and the scalar `gain`.
        x: (n, h, w, c); the result has its shape and dtype.
        train: ignored; every block has this argument.

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


# --------------------------------------------------------------------------------------------------------------------
# Merges of a skip connection (n, h, w, c) with the decoder (n, h, w, c')


def concat(_scope: Scope, skip: Array, x: Array) -> Array:
    """Stacks the channels of encoder and decoder, encoder first, to (n, h, w, c + c'): the U-Net's merge, the default."""
    return ops.concat_channels(skip, x)


def concat_decoder_first(_scope: Scope, skip: Array, x: Array) -> Array:
    """Stacks the channels of decoder and encoder, decoder first, to (n, h, w, c' + c), as in Torch and TensorFlow."""
    return ops.concat_channels(x, skip)


def add(_scope: Scope, skip: Array, x: Array) -> Array:
    """Adds encoder and decoder, which need equal channels, as in a residual network; this halves the next layer's input."""
    return skip + x


def gated(scope: Scope, skip: Array, x: Array) -> Array:
    """Multiplies the skip connection by a gate in (0, 1) computed from the decoder, then applies `concat`.

    Args:
        scope: holds the 1 x 1 convolution `gate`.
        skip: (n, h, w, c), from the encoder.
        x: (n, h, w, c'), from the decoder.

    Returns:
        (n, h, w, c + c').
    """
    gate = scope.child(conv, "gate")(x, skip.shape[-1], kernel=1, stride=1, padding=0)
    return concat(scope, ops.sigmoid(gate) * skip, x)


def no_skip(_scope: Scope, _skip: Array, x: Array) -> Array:
    """Returns the decoder alone (n, h, w, c'), so that all its information comes through the bottleneck."""
    return x
