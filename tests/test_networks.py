"""Generators and discriminators: their parameters, shapes and values, against the reference's layer tables."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.naive import naive_conv2d, naive_conv2d_transpose

from p2p_jax import discriminators, generators, layers, ops
from p2p_jax.network import Network, count_parameters, network
from p2p_jax.step import Pix2Pix, init_train_state, make_train_step

jit = jax.jit
KEY = jax.eval_shape(lambda: jax.random.key(0))


def pictures(size, channels=3, count=1, width=None, dtype=jnp.float32):
    return jax.ShapeDtypeStruct((count, size, width or size, channels), dtype)


def shapes_of(fn, x=None, **config):
    """The shapes of a network's params and state; nothing is computed."""
    return jax.eval_shape(network(fn, **config).init, KEY, pictures(256) if x is None else x)


def output_of(fn, x, *, key=None, **config):
    """The shape and dtype of a network's output; nothing is computed."""
    net = network(fn, **config)

    def run(key_, x):
        params, state = net.init(key_, x)
        return net.apply(params, state, x, train=False, key=None if key is None else key_)[0]

    return jax.eval_shape(run, KEY, x)


def flat(tree):
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


# --------------------------------------------------------------------------------------------------------------------
# Parameters

PATCHGANS = {1: 139_585, 2: 666_433, 3: 2_768_705, 4: 6_964_033, 5: 11_159_361}


@pytest.mark.parametrize(
    ("count", "fn", "channels", "config"),
    [
        (54_413_955, generators.unet, 3, {}),
        (54_409_603, generators.unet, 3, {"norm": layers.instance_norm}),
        (41_828_995, generators.unet, 3, {"widths": generators.UNET_128}),
        (11_383_427, generators.resnet, 3, {}),
        (7_841_411, generators.resnet, 3, {"num_blocks": 6}),
        (9_024, discriminators.pixelgan, 6, {}),
        *((PATCHGANS[n], discriminators.patchgan, 6, {"widths": discriminators.patchgan_widths(n)}) for n in PATCHGANS),
        (2_768_705, discriminators.patchgan, 6, {}),
    ],
)
def test_parameter_count_is_exactly_the_references(count, fn, channels, config):
    assert count_parameters(shapes_of(fn, pictures(256, channels), **config)[0]) == count


def patchgan_count(n):
    """Worked out from the reference's description (parity 1.2), for the table above."""
    widths = [64 * min(2**i, 8) for i in range(n + 1)]
    inner = sum(16 * a * b + 2 * b for a, b in pairwise(widths))
    return 16 * 6 * 64 + 64 + inner + 16 * widths[-1] + 1


def test_patchgan_counts_of_the_table_follow_from_the_description():
    assert {n: patchgan_count(n) for n in PATCHGANS} == PATCHGANS


CONTRACT = {
    "unet_256": (generators.unet, 3, {}),
    "patchgan_70": (discriminators.patchgan, 6, {}),
    "resnet_9": (generators.resnet, 3, {}),
    "pixelgan": (discriminators.pixelgan, 6, {}),
}


def names_and_shapes(fn, channels, config):
    params, state = shapes_of(fn, pictures(256, channels), **config)
    return {n: list(leaf.shape) for n, leaf in sorted(flat({"params": params, **state}).items())}


@pytest.mark.parametrize("name", CONTRACT)
def test_names_and_shapes_are_those_of_every_checkpoint_written_so_far(name):
    """If this fails, checkpoints written before the change cannot be read after it."""
    contract = json.loads((Path(__file__).parents[0] / "parameter_names.json").read_text())
    assert names_and_shapes(*CONTRACT[name]) == contract[name]


def test_the_contract_names_what_the_networks_here_have():
    assert set(json.loads((Path(__file__).parents[0] / "parameter_names.json").read_text())) == set(CONTRACT)


def with_part(params, part):
    return sorted(name for name, value in params.items() if part in (value if isinstance(value, dict) else {}))


@pytest.mark.parametrize("norm", [layers.batch_norm, layers.instance_norm, layers.no_norm])
def test_unet_has_norms_and_biases_where_the_reference_has_them(norm):
    params, _ = shapes_of(generators.unet, norm=norm)
    normed = [f"down{i}_norm" for i in range(1, 7)] + [f"up{i}_norm" for i in range(1, 8)]
    assert with_part(params, "scale") == (normed if norm is layers.batch_norm else [])
    convolutions = [f"down{i}" for i in range(8)] + [f"up{i}" for i in range(8)]
    assert with_part(params, "kernel") == convolutions
    biased = [n for n in with_part(params, "bias") if n in convolutions]
    assert biased == (convolutions if norm is layers.instance_norm else ["up0"])


@pytest.mark.parametrize("norm", [layers.batch_norm, layers.instance_norm])
def test_discriminators_have_norms_and_biases_where_the_reference_has_them(norm):
    instance = norm is layers.instance_norm
    params, _ = shapes_of(discriminators.patchgan, pictures(64, 6), norm=norm)
    assert with_part(params, "scale") == ([] if instance else ["conv1_norm", "conv2_norm", "conv3_norm"])
    biased = [n for n in with_part(params, "bias") if "norm" not in n]
    assert biased == ([f"conv{i}" for i in range(5)] if instance else ["conv0", "conv4"])
    params, _ = shapes_of(discriminators.pixelgan, pictures(64, 6), norm=norm)
    assert with_part(params, "scale") == ([] if instance else ["conv1_norm"])
    assert [n for n in with_part(params, "bias") if "norm" not in n] == (
        ["conv0", "conv1", "conv2"] if instance else ["conv0"]
    )


def test_resnet_has_a_bias_on_its_head_only_unless_instance_norm_follows():
    params, _ = shapes_of(generators.resnet, pictures(32), num_blocks=1)
    assert [n for n in with_part(params, "bias") if "norm" not in n] == ["head"]
    params, _ = shapes_of(generators.resnet, pictures(32), num_blocks=1, norm=layers.instance_norm)
    assert with_part(params, "bias") == with_part(params, "kernel")


def test_use_bias_overrides_the_references_choice():
    params, _ = shapes_of(generators.unet, use_bias=True)
    assert set(with_part(params, "kernel")) <= set(with_part(params, "bias"))


# --------------------------------------------------------------------------------------------------------------------
# Shapes, sizes, types

TINY = {"widths": (4, 8, 8)}


@pytest.mark.parametrize(
    ("fn", "x", "shape", "config"),
    [
        (generators.unet, pictures(256), (1, 256, 256, 3), {}),
        (generators.unet, pictures(16, 1, 2, width=40), (2, 16, 40, 5), {**TINY, "out_channels": 5}),
        (generators.unet, pictures(16, 4), (1, 16, 16, 3), {**TINY, "upsample": layers.resize_conv}),
        (generators.encoder_decoder, pictures(16), (1, 16, 16, 3), TINY),
        (generators.resnet, pictures(20, 2, 2, width=28), (2, 20, 28, 4), {"width": 4, "out_channels": 4}),
        (discriminators.patchgan, pictures(256, 6), (1, 30, 30, 1), {}),
        (discriminators.patchgan, pictures(24, 4, 2, width=32), (2, 4, 6, 1), TINY),
        (discriminators.pixelgan, pictures(9, 6, 2, width=7), (2, 9, 7, 1), {}),
    ],
)
@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
def test_output_has_the_documented_shape_and_is_float32_whatever_the_compute_dtype(fn, x, shape, config, dtype):
    y = output_of(fn, x, dtype=dtype, **config)
    assert y.shape == shape
    assert y.dtype == jnp.float32


def spied_on(fn, seen):
    return lambda x, *args, **options: (seen.append(x.dtype), fn(x, *args, **options))[1]


def test_a_compute_dtype_reaches_the_layers_but_not_the_parameters(monkeypatch):
    for fn, config in ((generators.unet, TINY), (generators.resnet, {"width": 4}), (discriminators.patchgan, TINY)):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(ops, "conv2d", spied_on(ops.conv2d, seen))
            params, _ = shapes_of(fn, pictures(32), dtype=jnp.bfloat16, **config)
        assert set(seen) == {jnp.dtype(jnp.bfloat16)}
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    ("fn", "x", "config", "message"),
    [
        (discriminators.patchgan, pictures(16, 6), {}, "16 x 16 pixels, but with 3 layers it needs at least 24"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(fn, x, config, message):
    with pytest.raises(ValueError, match=message):
        shapes_of(fn, x, **config)


@pytest.mark.parametrize("fn", [generators.unet, generators.encoder_decoder, generators.resnet])
@pytest.mark.parametrize("size", [(16, 16), (20, 17), (25, 41)])
def test_generators_take_pictures_of_any_size(fn, size):
    config = {"width": 2, "num_blocks": 1} if fn is generators.resnet else TINY
    made = output_of(fn, pictures(size[0], width=size[1], count=2), out_channels=4, **config)
    assert made.shape == (2, *size, 4)


def test_an_odd_side_gets_a_row_of_zeros_that_is_cut_off_again():
    net = network(generators.unet, widths=(4,))
    x = jax.random.normal(jax.random.key(1), (1, 7, 5, 3))
    params, state = net.init(jax.random.key(0), x)
    filled = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    y = ops.conv2d(filled, params["down0"]["kernel"], params["down0"].get("bias"), stride=2, padding=1)
    expected = ops.tanh(ops.conv2d_transpose(ops.relu(y), params["up0"]["kernel"], params["up0"]["bias"]))[:, :7, :5]
    np.testing.assert_allclose(net.apply(params, state, x, train=False)[0], expected, atol=1e-6)


def test_unet_widths_follow_the_size_of_the_pictures():
    assert generators.unet_widths(256) == generators.UNET_256
    assert generators.unet_widths(128) == generators.UNET_128
    assert generators.unet_widths(64) == generators.UNET_64
    assert generators.unet_widths(1024) == generators.UNET_256
    assert generators.unet_widths(96, 8) == (8, 16, 32, 64, 64, 64)
    assert generators.unet_widths(200) == generators.UNET_128
    with pytest.raises(ValueError, match="3 pixels, which cannot be halved twice"):
        generators.unet_widths(3)


def dropouts(monkeypatch, fn, x, *, key=True, **config):
    """(shape, rate) of every dropout that a network computes, in its order."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(ops, "dropout", lambda key, x, rate: (seen.append((x.shape, rate)), x)[1])
        output_of(fn, x, key=key or None, **config)
    return seen


def test_unet_drops_out_where_the_reference_does_and_only_with_a_key(monkeypatch):
    inner = [((1, n, n, 512), 0.5) for n in (4, 8, 16)]
    assert dropouts(monkeypatch, generators.unet, pictures(256)) == inner
    assert dropouts(monkeypatch, generators.unet, pictures(128), widths=generators.UNET_128) == inner[:2]
    assert dropouts(monkeypatch, generators.unet, pictures(256), key=None) == []
    rates = generators.unet_dropout_rates((1, 2, 3, 4, 5, 6), 0.25)
    assert rates == (0, 0, 0, 0, 0.25, 0)
    chosen = dropouts(monkeypatch, generators.unet, pictures(16), widths=(4, 8, 9), dropout_rates=(0.9, 0.1, 0.2))
    assert chosen == [((1, 4, 4, 8), 0.2), ((1, 8, 8, 4), 0.1)]  # never on the picture itself


def test_resnet_drops_out_once_in_every_block(monkeypatch):
    seen = dropouts(monkeypatch, generators.resnet, pictures(32), width=4, num_blocks=3, dropout_rate=0.3)
    assert seen == [((1, 8, 8, 16), 0.3)] * 3


# --------------------------------------------------------------------------------------------------------------------
# Values, against forward passes written from the tables of the reference


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
    """Three levels; `cut`: levels whose bridge carries zeros."""
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


def values(fn, x, *, seed=0, **config):
    """A network's params, replaced by random ones so that every layer matters, and its output: both in float64."""
    net = network(fn, **config)
    with jax.enable_x64(True):
        params, state = jax.eval_shape(net.init, KEY, x)
        random = np.random.default_rng(seed)
        params = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape) * 0.5, params)
        state = jax.tree.map(lambda leaf: np.ones(leaf.shape), state)
        y = jit(lambda p, s, x: net.apply(p, s, x, train=False)[0])(params, state, x)
    return params, np.asarray(y)


PAIR = np.random.default_rng(9).uniform(-1, 1, (2, 16, 8, 3))
SQUARE = np.random.default_rng(9).uniform(-1, 1, (2, 12, 16, 3))


@pytest.mark.parametrize(
    ("fn", "table", "x", "config"),
    [
        (generators.unet, unet_by_table, PAIR, {"widths": (2, 3, 4)}),
        (generators.encoder_decoder, encoder_decoder_by_table, PAIR, {"widths": (2, 3, 4)}),
        (generators.resnet, resnet_by_table, SQUARE, {"width": 2, "num_blocks": 2}),
        (discriminators.patchgan, patchgan_by_table, SQUARE, {"widths": (2, 3, 4)}),
        (discriminators.pixelgan, pixelgan_by_table, PAIR, {"width": 3}),
    ],
)
def test_network_computes_the_references_layers_in_their_order(fn, table, x, config):
    params, y = values(fn, x, **config)
    np.testing.assert_allclose(y, table(params, x), rtol=1e-9, atol=1e-9)


def test_every_bridge_of_the_unet_is_used():
    params, y = values(generators.unet, PAIR, widths=(2, 3, 4))
    for level in (0, 1):
        assert abs(unet_by_table(params, PAIR, cut=(level,)) - y).max() > 0.1


def test_norm_by_picture_makes_the_pictures_of_a_batch_independent():
    norm = partial(layers.batch_norm, statistics="picture")
    params, y = values(generators.unet, PAIR, widths=(2, 3, 4), norm=norm)
    np.testing.assert_allclose(y[:1], unet_by_table(params, PAIR[:1]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(y[1:], unet_by_table(params, PAIR[1:]), rtol=1e-9, atol=1e-9)


def test_remat_changes_no_value_of_a_whole_unet_and_names_stay():
    params, y = values(generators.unet, PAIR, widths=(2, 3, 4))
    again, z = values(generators.unet, PAIR, widths=(2, 3, 4), remat=True)
    assert jax.tree.structure(params) == jax.tree.structure(again)
    np.testing.assert_allclose(z, y, rtol=1e-12, atol=1e-12)
    plain, again = (shapes_of(generators.resnet, pictures(32), width=2, num_blocks=2, remat=r) for r in (False, True))
    assert plain == again


@pytest.mark.parametrize(("merge", "skip"), [(layers.concat, 8), (layers.add, 0), (layers.gated, 8), (layers.no_skip, 0)])
def test_a_merge_decides_how_many_channels_the_next_layer_sees(merge, skip):
    params, _ = shapes_of(generators.unet, pictures(16), widths=(8, 8, 8), merge=merge)
    assert [params[f"up{i}"]["kernel"].shape[0] for i in range(3)] == [8 + skip, 8 + skip, 8]
    assert ("merge0" in params, "merge1" in params) == ((merge is layers.gated),) * 2


def test_a_block_is_put_after_its_level_on_the_way_down():
    seen = []

    def block(scope, x, *, train):
        seen.append((x.shape, train))
        return x * scope.param("factor", layers.normal(0.02, mean=1.0), ())

    params, _ = shapes_of(generators.unet, pictures(16), **TINY, blocks={1: block, 2: layers.self_attention})
    assert seen == [((1, 4, 4, 8), False)]
    assert params["down1_block"]["factor"].shape == ()
    assert params["down2_block"]["gain"].shape == ()
    assert "down0_block" not in params


def test_a_block_changes_both_the_way_down_and_the_bridge():
    negate = lambda scope, x, *, train: -x
    params, y = values(generators.unet, PAIR, widths=(2, 3, 4), blocks={0: negate})
    flipped = {**params, "down0": jax.tree.map(np.negative, params["down0"])}
    np.testing.assert_allclose(y, unet_by_table(flipped, PAIR), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("num_layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_one_logit_of_the_patchgan_sees_exactly_its_receptive_field(num_layers, field):
    size = 2 * field + 2**num_layers
    widths = discriminators.patchgan_widths(num_layers)
    net = network(discriminators.patchgan, widths=(1,) * len(widths), norm=layers.no_norm)
    params, state = jax.eval_shape(net.init, KEY, pictures(96, 1))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), params)  # all positive: no two paths cancel

    def logit(x):
        y = net.apply(params, state, x, train=False)[0]
        return y[0, y.shape[1] // 2, y.shape[2] // 2, 0]

    support = np.asarray(jit(jax.grad(logit))(jnp.ones((1, size, size // 2 + field, 1))))[0, :, :, 0] != 0
    rows, columns = np.flatnonzero(support.any(1)), np.flatnonzero(support.any(0))
    assert support.sum() == field**2
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (field, field)
    assert rows[0] > 0 < columns[0], "not cut off by the edge"


def test_pixelgan_sees_one_pixel():
    norm = layers.no_norm
    x = PAIR.copy()
    _, y = values(discriminators.pixelgan, PAIR, width=2, norm=norm)
    x[1, 5, 3] += 1
    _, z = values(discriminators.pixelgan, x, width=2, norm=norm)
    assert np.argwhere(y != z).tolist() == [[1, 5, 3, 0]]


# --------------------------------------------------------------------------------------------------------------------
# The pair of functions


@pytest.fixture(scope="module")
def small():
    def body(scope, x, *, train):
        x = scope.child(layers.conv, "conv")(x, 2, kernel=1, stride=1, padding=0)
        x = scope.child(layers.batch_norm, "norm")(x, train=train)
        return scope.child(layers.dropout, "dropout")(x, 0.5)

    net = network(body)
    x = jnp.asarray(PAIR, jnp.float32)
    params, state = net.init(jax.random.key(0), x)
    return net, params, state, x


def test_apply_without_training_gives_the_same_state_back(small):
    net, params, state, x = small
    _, after = jit(lambda *a: net.apply(*a, train=False))(params, state, x)
    jax.tree.map(np.testing.assert_array_equal, after, state)
    assert net.apply(params, state, x, train=False)[1] is state


def test_apply_in_training_gives_new_statistics_and_changes_nothing_in_place(small):
    net, params, state, x = small
    before = jax.tree.map(np.array, (params, state))
    y, after = net.apply(params, state, x, train=True)
    plain, _ = net.apply(params, state, x, train=False)
    np.testing.assert_array_equal(y, plain)
    hidden = np.asarray(x) @ np.asarray(params["conv"]["kernel"])[0, 0]
    np.testing.assert_allclose(after["batch_stats"]["norm"]["mean"], 0.1 * hidden.mean((0, 1, 2)), rtol=1e-4, atol=1e-7)
    jax.tree.map(np.testing.assert_array_equal, (params, state), before)


def test_noise_acts_when_and_only_when_a_key_is_given_in_training_or_not(small):
    net, params, state, x = small
    plain = net.apply(params, state, x, train=False)[0]
    for train in (False, True):
        noisy = net.apply(params, state, x, train=train, key=jax.random.key(1))[0]
        assert (noisy == 0).any()
        again = net.apply(params, state, x, train=train, key=jax.random.key(1))[0]
        np.testing.assert_array_equal(noisy, again)
        np.testing.assert_allclose(noisy, np.where(noisy == 0, 0, 2 * plain), rtol=1e-6)


def test_a_network_without_statistics_has_an_empty_state_and_takes_several_inputs():
    net = network(lambda scope, a, b, *, train: a * scope.param("w", layers.zeros, ()) + b)
    params, state = net.init(jax.random.key(0), jnp.ones(2), jnp.ones(2))
    assert state == {}
    y, after = net.apply(params, state, jnp.ones(2), jnp.full(2, 3.0), train=True)
    np.testing.assert_array_equal(y, [3, 3])
    assert after == {}


def test_count_parameters_adds_up_all_leaves():
    assert count_parameters({"a": {"k": jnp.zeros((2, 3))}, "b": [jnp.zeros(()), jnp.zeros(4)]}) == 11


def test_networks_written_by_hand_in_plain_jax_are_trained_by_the_step():
    def apply(params, state, x, *, train, key=None):
        del train, key
        return jnp.tanh(jnp.einsum("nhwc,cd->nhwd", x, params)), {"calls": state["calls"] + 1}

    def by_hand(features):
        return Network(lambda key, x: (jax.random.normal(key, (x.shape[-1], features)), {"calls": jnp.zeros(())}), apply)

    model = Pix2Pix(by_hand(2), by_hand(1), optax.sgd(0.01), optax.sgd(0.01))
    batch = {"input": jnp.asarray(PAIR, jnp.float32), "target": jnp.asarray(PAIR[..., :2], jnp.float32)}
    state = init_train_state(jax.random.key(0), model, batch)
    assert state.generator.params.shape == (3, 2)
    assert state.discriminator.params.shape == (5, 1)
    step = jit(make_train_step(model))
    after, first = step(state, batch)
    for _ in range(20):
        after, metrics = step(after, batch)
    assert float(metrics["generator_l1"]) < 0.9 * float(first["generator_l1"])
    assert int(after.generator.state["calls"]) == 21
    assert int(after.discriminator.state["calls"]) == 63
