"""Discriminators: parameters, shapes, receptive fields and values, against the PyTorch original's layer tables."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.networks import (
    CONTRACT,
    KEY,
    TALL,
    WIDE,
    layers_with,
    names_and_shapes,
    output_of,
    patchgan_by_table,
    pictures,
    pixelgan_by_table,
    shapes_of,
    values_of,
)

from p2p_jax import discriminators, layers, ops
from p2p_jax.config import Discriminator
from p2p_jax.errors import UserError
from p2p_jax.network import count_parameters, network
from p2p_jax.pix2pix import build_discriminator

PATCHGANS = {1: 139_585, 2: 666_433, 3: 2_768_705, 4: 6_964_033, 5: 11_159_361}
TINY = {"widths": (4, 8, 8)}


@pytest.mark.parametrize(
    ("count", "fn", "config"),
    [
        (9_024, discriminators.pixelgan, {}),
        *((PATCHGANS[n], discriminators.patchgan, {"widths": discriminators.patchgan_widths(n)}) for n in PATCHGANS),
        (2_768_705, discriminators.patchgan, {}),
    ],
)
def test_parameter_count_equals_the_pytorch_originals(count, fn, config):
    assert count_parameters(shapes_of(fn, pictures(256, 6), **config)[0]) == count


def patchgan_count(n):
    """Derived from the description of the PyTorch original's layers, for the table above."""
    widths = [64 * min(2**i, 8) for i in range(n + 1)]
    inner = sum(16 * a * b + 2 * b for a, b in pairwise(widths))
    return 16 * 6 * 64 + 64 + inner + 16 * widths[-1] + 1


def test_patchgan_counts_of_the_table_follow_from_the_description():
    assert {n: patchgan_count(n) for n in PATCHGANS} == PATCHGANS


@pytest.mark.parametrize(("name", "fn"), [("patchgan_70", discriminators.patchgan), ("pixelgan", discriminators.pixelgan)])
def test_names_and_shapes_are_those_of_all_earlier_checkpoints(name, fn):
    """If this fails, checkpoints written before the change cannot be read after it."""
    assert names_and_shapes(fn, 6) == CONTRACT[name]


@pytest.mark.parametrize("norm", [layers.batch_norm, layers.instance_norm])
def test_discriminators_have_norms_and_biases_where_the_pytorch_original_has_them(norm):
    instance = norm is layers.instance_norm
    params, _ = shapes_of(discriminators.patchgan, pictures(64, 6), norm=norm)
    assert layers_with(params, "scale") == ([] if instance else ["conv1_norm", "conv2_norm", "conv3_norm"])
    biased = [n for n in layers_with(params, "bias") if "norm" not in n]
    assert biased == ([f"conv{i}" for i in range(5)] if instance else ["conv0", "conv4"])
    params, _ = shapes_of(discriminators.pixelgan, pictures(64, 6), norm=norm)
    assert layers_with(params, "scale") == ([] if instance else ["conv1_norm"])
    assert [n for n in layers_with(params, "bias") if "norm" not in n] == (
        ["conv0", "conv1", "conv2"] if instance else ["conv0"]
    )


@pytest.mark.parametrize(
    ("fn", "x", "shape", "config"),
    [
        (discriminators.patchgan, pictures(256, 6), (1, 30, 30, 1), {}),
        (discriminators.patchgan, pictures(24, 4, 2, width=32), (2, 4, 6, 1), TINY),
        (discriminators.pixelgan, pictures(9, 6, 2, width=7), (2, 9, 7, 1), {}),
    ],
)
@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
def test_output_has_the_documented_shape_and_is_float32_in_any_compute_dtype(fn, x, shape, config, dtype):
    y = output_of(fn, x, dtype=dtype, **config)
    assert y.shape == shape
    assert y.dtype == jnp.float32


def test_a_compute_dtype_applies_to_the_layers_but_not_to_the_parameters(monkeypatch):
    seen, conv2d = [], ops.conv2d
    monkeypatch.setattr(ops, "conv2d", lambda x, *args, **options: (seen.append(x.dtype), conv2d(x, *args, **options))[1])
    params, _ = shapes_of(discriminators.patchgan, pictures(32), dtype=jnp.bfloat16, **TINY)
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(UserError, match="16 x 16 pixels, but with 3 layers it needs at least 24"):
        shapes_of(discriminators.patchgan, pictures(16, 6))


@pytest.mark.parametrize(
    ("fn", "table", "x", "config"),
    [
        (discriminators.patchgan, patchgan_by_table, WIDE, {"widths": (2, 3, 4)}),
        (discriminators.pixelgan, pixelgan_by_table, TALL, {"width": 3}),
    ],
)
def test_discriminator_computes_the_pytorch_originals_layers_in_order(fn, table, x, config):
    params, y = values_of(fn, x, **config)
    np.testing.assert_allclose(y, table(params, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("num_layers", "field"), tiers([(3, 70), (1, 16), (2, 34), (4, 142), (5, 286)], several=True))
def test_one_logit_of_the_patchgan_depends_on_exactly_its_receptive_field(num_layers, field):
    size = 2 * field + 2**num_layers
    widths = discriminators.patchgan_widths(num_layers)
    net = network(discriminators.patchgan, widths=(1,) * len(widths), norm=layers.no_norm)
    params, state = jax.eval_shape(net.init, KEY, pictures(96, 1))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), params)  # all positive, so that no two paths cancel

    def logit(x):
        y = net.apply(params, state, x, train=False)[0]
        return y[0, y.shape[1] // 2, y.shape[2] // 2, 0]

    support = np.asarray(jax.jit(jax.grad(logit))(jnp.ones((1, size, size // 2 + field, 1))))[0, :, :, 0] != 0
    rows, columns = np.flatnonzero(support.any(1)), np.flatnonzero(support.any(0))
    assert support.sum() == field**2
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (field, field)
    assert rows[0] > 0 < columns[0], "the edge crops nothing"


def test_a_logit_of_the_pixelgan_depends_on_one_pixel():
    norm = layers.no_norm
    x = TALL.copy()
    _, y = values_of(discriminators.pixelgan, TALL, width=2, norm=norm)
    x[1, 5, 3] += 1
    _, z = values_of(discriminators.pixelgan, x, width=2, norm=norm)
    assert np.argwhere(y != z).tolist() == [[1, 5, 3, 0]]


@pytest.mark.parametrize("layers_", [1, 2, 3])
def test_an_anti_aliased_patchgan_has_the_same_names_and_almost_the_same_map(layers_):
    x, shapes = pictures(64, 6), []
    for antialias in (False, True):
        net = build_discriminator(Discriminator(num_layers=layers_, width=2, antialias=antialias), "float32")
        params, state = jax.eval_shape(net.init, KEY, x)
        y = jax.eval_shape(partial(net.apply, train=False), params, state, x)[0]
        shapes.append((jax.tree.map(lambda leaf: leaf.shape, params), y.shape))
    assert shapes[0] == shapes[1]


def test_a_pixelgan_cannot_be_anti_aliased():
    with pytest.raises(UserError, match=r"discriminator\.antialias was given, but the pixelgan changes no size"):
        build_discriminator(Discriminator("pixelgan", antialias=True), "float32")
