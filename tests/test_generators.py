"""Generators: parameters, shapes, dropout and values, against the PyTorch original's layer tables."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.networks import (
    CONTRACT,
    TALL,
    WIDE,
    encoder_decoder_by_table,
    layers_with,
    names_and_shapes,
    output_of,
    pictures,
    resnet_by_table,
    shapes_of,
    unet_by_table,
    values_of,
)

from p2p_jax import generators, layers, ops
from p2p_jax.config import Config, Generator
from p2p_jax.errors import UserError
from p2p_jax.network import count_parameters, network
from p2p_jax.pix2pix import build_generator

TINY = {"widths": (4, 8, 8)}


# --------------------------------------------------------------------------------------------------------------------
# Parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "fn", "config"),
    [
        (54_413_955, generators.unet, {}),
        (54_409_603, generators.unet, {"norm": layers.instance_norm}),
        (41_828_995, generators.unet, {"widths": generators.UNET_128}),
        (11_383_427, generators.resnet, {}),
        (7_841_411, generators.resnet, {"num_blocks": 6}),
    ],
)
def test_parameter_count_equals_the_pytorch_originals(count, fn, config):
    assert count_parameters(shapes_of(fn, pictures(256), **config)[0]) == count


@pytest.mark.parametrize(("name", "fn"), [("unet_256", generators.unet), ("resnet_9", generators.resnet)])
def test_names_and_shapes_are_those_of_all_earlier_checkpoints(name, fn):
    """If this fails, checkpoints written before the change cannot be read after it."""
    assert names_and_shapes(fn, 3) == CONTRACT[name]


@pytest.mark.parametrize("norm", [layers.batch_norm, layers.instance_norm, layers.no_norm])
def test_unet_has_norms_and_biases_where_the_pytorch_original_has_them(norm):
    params, _ = shapes_of(generators.unet, norm=norm)
    normed = [f"down{i}_norm" for i in range(1, 7)] + [f"up{i}_norm" for i in range(1, 8)]
    assert layers_with(params, "scale") == (normed if norm is layers.batch_norm else [])
    convolutions = [f"down{i}" for i in range(8)] + [f"up{i}" for i in range(8)]
    assert layers_with(params, "kernel") == convolutions
    biased = [n for n in layers_with(params, "bias") if n in convolutions]
    assert biased == (convolutions if norm is layers.instance_norm else ["up0"])


def test_resnet_has_a_bias_only_in_its_head_unless_instance_norm_follows():
    params, _ = shapes_of(generators.resnet, pictures(32), num_blocks=1)
    assert [n for n in layers_with(params, "bias") if "norm" not in n] == ["head"]
    params, _ = shapes_of(generators.resnet, pictures(32), num_blocks=1, norm=layers.instance_norm)
    assert layers_with(params, "bias") == layers_with(params, "kernel")


def test_use_bias_overrides_the_default():
    params, _ = shapes_of(generators.unet, use_bias=True)
    assert set(layers_with(params, "kernel")) <= set(layers_with(params, "bias"))


def test_unet_widths_depend_on_the_size_of_the_pictures():
    assert generators.unet_widths(256) == generators.UNET_256
    assert generators.unet_widths(128) == generators.UNET_128
    assert generators.unet_widths(64) == generators.UNET_64
    assert generators.unet_widths(1024) == generators.UNET_256
    assert generators.unet_widths(96, 8) == (8, 16, 32, 64, 64, 64)
    assert generators.unet_widths(200) == generators.UNET_128
    with pytest.raises(UserError, match="3 pixels, which cannot be halved twice"):
        generators.unet_widths(3)


@pytest.mark.parametrize(("merge", "skip"), [(layers.concat, 8), (layers.add, 0), (layers.gated, 8), (layers.no_skip, 0)])
def test_a_merge_determines_the_input_channels_of_the_next_layer(merge, skip):
    params, _ = shapes_of(generators.unet, pictures(16), widths=(8, 8, 8), merge=merge)
    assert [params[f"up{i}"]["kernel"].shape[0] for i in range(3)] == [8 + skip, 8 + skip, 8]
    assert ("merge0" in params, "merge1" in params) == ((merge is layers.gated),) * 2


# --------------------------------------------------------------------------------------------------------------------
# Shapes, sizes, dtypes


@pytest.mark.parametrize(
    ("fn", "x", "shape", "config"),
    [
        (generators.unet, pictures(256), (1, 256, 256, 3), {}),
        (generators.unet, pictures(16, 1, 2, width=40), (2, 16, 40, 5), {**TINY, "out_channels": 5}),
        (generators.unet, pictures(16, 4), (1, 16, 16, 3), {**TINY, "upsample": layers.resize_conv}),
        (generators.encoder_decoder, pictures(16), (1, 16, 16, 3), TINY),
        (generators.resnet, pictures(20, 2, 2, width=28), (2, 20, 28, 4), {"width": 4, "out_channels": 4}),
    ],
)
@pytest.mark.parametrize("dtype", tiers([jnp.bfloat16, None], slow=1))
def test_output_has_the_documented_shape_and_is_float32_in_any_compute_dtype(fn, x, shape, config, dtype):
    y = output_of(fn, x, dtype=dtype, **config)
    assert y.shape == shape
    assert y.dtype == jnp.float32


@pytest.mark.parametrize(("fn", "config"), [(generators.unet, TINY), (generators.resnet, {"width": 4})])
def test_a_compute_dtype_applies_to_the_layers_but_not_to_the_parameters(fn, config, monkeypatch):
    seen, conv2d = [], ops.conv2d
    monkeypatch.setattr(ops, "conv2d", lambda x, *args, **options: (seen.append(x.dtype), conv2d(x, *args, **options))[1])
    params, _ = shapes_of(fn, pictures(32), dtype=jnp.bfloat16, **config)
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("fn", [generators.unet, generators.encoder_decoder, generators.resnet])
@pytest.mark.parametrize("size", tiers([(20, 17), (16, 16), (25, 41)], slow=2))
def test_generators_accept_pictures_of_any_size(fn, size):
    config = {"width": 2, "num_blocks": 1} if fn is generators.resnet else TINY
    y = output_of(fn, pictures(size[0], width=size[1], count=2), out_channels=4, **config)
    assert y.shape == (2, *size, 4)


@pytest.mark.slow
@pytest.mark.parametrize("antialias", ["down", "up", "both"])
@pytest.mark.parametrize("size", [(16, 16), (20, 17), (25, 41)])
def test_an_anti_aliased_resnet_keeps_sizes_and_names(antialias, size):
    options = Generator("resnet", width=2, num_blocks=1)
    x = pictures(size[0], width=size[1], count=2)
    net, plain = (build_generator(Config(generator=replace(options, antialias=each))) for each in (antialias, "none"))
    params, state = jax.eval_shape(net.init, jax.random.key(0), x)
    y = jax.eval_shape(partial(net.apply, train=False), params, state, x)[0]
    assert y.shape == (2, *size, 3)
    assert jax.tree.structure(params) == jax.tree.structure(jax.eval_shape(plain.init, jax.random.key(0), x)[0])
    assert params["up1"]["kernel"].shape == ((8, 3, 3, 4) if antialias == "down" else (3, 3, 8, 4))


@pytest.mark.parametrize("antialias", tiers(["both", "down", "up"], slow=2))
@pytest.mark.parametrize("architecture", ["unet", "encoder_decoder"])
@pytest.mark.parametrize("size", [(16, 16), (17, 13)])
def test_an_anti_aliased_unet_keeps_sizes_and_names(architecture, antialias, size):
    options, x = Generator(architecture, widths=(2, 4, 4, 4)), pictures(size[0], width=size[1], count=2)
    config = lambda each: Config(image_size=16, generator=replace(options, antialias=each))
    net, plain = (build_generator(config(each)) for each in (antialias, "none"))
    params, state = jax.eval_shape(net.init, jax.random.key(0), x)
    y = jax.eval_shape(partial(net.apply, train=False), params, state, x)[0]
    assert y.shape == (2, *size, 3)
    assert jax.tree.structure(params) == jax.tree.structure(jax.eval_shape(plain.init, jax.random.key(0), x)[0])
    assert params["down1"]["kernel"].shape == ((4, 4, 2, 4) if antialias == "up" else (3, 3, 2, 4))
    joined = 8 if architecture == "unet" else 4
    assert params["up1"]["kernel"].shape == ((joined, 4, 4, 2) if antialias == "down" else (3, 3, joined, 2))


@pytest.mark.slow
def test_an_anti_aliased_unet_moves_its_output_with_the_input():
    """A shift of the input by one pixel moves the output more exactly than without anti-aliasing."""
    moved = {}
    for antialias in ("none", "both"):
        generator = Generator(widths=(8, 8), antialias=antialias, norm="none")
        net = build_generator(Config(image_size=32, generator=generator))
        x = jax.random.normal(jax.random.key(0), (1, 32, 32, 3))
        params, state = net.init(jax.random.key(1), x)
        params = jax.tree.map(lambda leaf: 10 * leaf, params)
        run = lambda x, net=net, params=params, state=state: net.apply(params, state, x, train=False)[0]
        inner = lambda y: y[:, 8:-8, 8:-8]
        expected, found = jnp.roll(run(x), 1, 2), run(jnp.roll(x, 1, 2))
        moved[antialias] = float(jnp.square(inner(found - expected)).mean() / jnp.var(inner(expected)))
    assert moved["both"] < 0.5 * moved["none"], moved


def test_resizing_replaces_the_transposed_convolutions_of_both_networks():
    for name, options in {"unet": {"widths": (4, 8)}, "resnet": {"width": 2, "num_blocks": 1}}.items():
        made = build_generator(Config(image_size=16, generator=Generator(name, upsample="resize", **options)))
        params, _ = jax.eval_shape(made.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
        assert params["up0"]["kernel"].shape == (3, 3, *params["up0"]["kernel"].shape[2:])


def test_two_options_that_replace_the_doubling_are_refused():
    with pytest.raises(UserError, match=r"antialias was given up with --generator\.upsample resize: both replace"):
        build_generator(Config(generator=Generator(antialias="up", upsample="resize")))


def test_an_odd_side_is_padded_by_a_row_of_zeros_that_is_cropped_later():
    net = network(generators.unet, widths=(4,))
    x = jax.random.normal(jax.random.key(1), (1, 7, 5, 3))
    params, state = net.init(jax.random.key(0), x)
    padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    y = ops.conv2d(padded, params["down0"]["kernel"], params["down0"].get("bias"), stride=2, padding=1)
    expected = ops.tanh(ops.conv2d_transpose(ops.relu(y), params["up0"]["kernel"], params["up0"]["bias"]))[:, :7, :5]
    np.testing.assert_allclose(net.apply(params, state, x, train=False)[0], expected, atol=1e-6)


# --------------------------------------------------------------------------------------------------------------------
# Dropout


def dropouts(monkeypatch, fn, x, *, key=True, **config):
    """Returns (shape, rate) of every dropout that a network computes, in running order."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(ops, "dropout", lambda key, x, rate: (seen.append((x.shape, rate)), x)[1])
        output_of(fn, x, key=key or None, **config)
    return seen


@pytest.mark.slow
def test_unet_has_dropout_where_the_pytorch_original_has_it_and_only_with_a_key(monkeypatch):
    inner = [((1, n, n, 512), 0.5) for n in (4, 8, 16)]
    assert dropouts(monkeypatch, generators.unet, pictures(256)) == inner
    assert dropouts(monkeypatch, generators.unet, pictures(128), widths=generators.UNET_128) == inner[:2]
    assert dropouts(monkeypatch, generators.unet, pictures(256), key=None) == []
    rates = generators.unet_dropout_rates((1, 2, 3, 4, 5, 6), 0.25)
    assert rates == (0, 0, 0, 0, 0.25, 0)
    chosen = dropouts(monkeypatch, generators.unet, pictures(16), widths=(4, 8, 9), dropout_rates=(0.9, 0.1, 0.2))
    assert chosen == [((1, 4, 4, 8), 0.2), ((1, 8, 8, 4), 0.1)]  # never on the output picture


def test_resnet_has_dropout_once_in_every_block(monkeypatch):
    seen = dropouts(monkeypatch, generators.resnet, pictures(32), width=4, num_blocks=3, dropout_rate=0.3)
    assert seen == [((1, 8, 8, 16), 0.3)] * 3


# --------------------------------------------------------------------------------------------------------------------
# Values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "table", "x", "config"),
    [
        (generators.unet, unet_by_table, TALL, {"widths": (2, 3, 4)}),
        (generators.encoder_decoder, encoder_decoder_by_table, TALL, {"widths": (2, 3, 4)}),
        (generators.resnet, resnet_by_table, WIDE, {"width": 2, "num_blocks": 2}),
    ],
)
def test_generator_computes_the_pytorch_originals_layers_in_order(fn, table, x, config):
    params, y = values_of(fn, x, **config)
    np.testing.assert_allclose(y, table(params, x), rtol=1e-9, atol=1e-9)


def test_every_skip_connection_of_the_unet_is_used():
    params, y = values_of(generators.unet, TALL, widths=(2, 3, 4))
    for level in (0, 1):
        assert abs(unet_by_table(params, TALL, cut=(level,)) - y).max() > 0.1


def test_statistics_by_picture_make_the_pictures_of_a_batch_independent():
    norm = partial(layers.batch_norm, statistics="picture")
    params, y = values_of(generators.unet, TALL, widths=(2, 3, 4), norm=norm)
    np.testing.assert_allclose(y[:1], unet_by_table(params, TALL[:1]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(y[1:], unet_by_table(params, TALL[1:]), rtol=1e-9, atol=1e-9)


def test_remat_changes_no_value_and_no_parameter_name():
    params, y = values_of(generators.unet, TALL, widths=(2, 3, 4))
    again, z = values_of(generators.unet, TALL, widths=(2, 3, 4), remat=True)
    assert jax.tree.structure(params) == jax.tree.structure(again)
    np.testing.assert_allclose(z, y, rtol=1e-12, atol=1e-12)
    plain, again = (shapes_of(generators.resnet, pictures(32), width=2, num_blocks=2, remat=r) for r in (False, True))
    assert plain == again


def test_a_block_follows_its_level_of_the_encoder():
    seen = []

    def block(scope, x, *, train):
        seen.append((x.shape, train))
        return x * scope.param("factor", layers.normal(0.02, mean=1.0), ())

    params, _ = shapes_of(generators.unet, pictures(16), **TINY, blocks={1: block, 2: layers.self_attention})
    assert seen == [((1, 4, 4, 8), False)]
    assert params["down1_block"]["factor"].shape == ()
    assert params["down2_block"]["gain"].shape == ()
    assert "down0_block" not in params


def test_a_block_changes_both_the_encoder_and_the_skip_connection():
    negate = lambda scope, x, *, train: -x
    params, y = values_of(generators.unet, TALL, widths=(2, 3, 4), blocks={0: negate})
    flipped = {**params, "down0": jax.tree.map(np.negative, params["down0"])}
    np.testing.assert_allclose(y, unet_by_table(flipped, TALL), rtol=1e-9, atol=1e-9)
