"""Layers: values, statistics, initial values and parameters."""

from functools import partial

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from p2p_jax import layers, ops
from p2p_jax.errors import UserError

jit = jax.jit

X = np.random.default_rng(0).standard_normal((3, 4, 5, 2)).astype(np.float32) * [1, 3] + [0, 2]
RUNNING = {"mean": jnp.array([0.5, -1.0]), "var": jnp.array([2.0, 4.0])}
AFFINE = {"scale": jnp.array([2.0, 0.5]), "bias": jnp.array([1.0, -3.0])}


def batch_norm(x, *, train, **config):
    """Returns the output and the running statistics afterwards."""

    @jit
    def run(x):
        body = lambda scope, x: layers.batch_norm(scope, x, train=train, **config)
        variables = {"params": AFFINE, "batch_stats": RUNNING}
        return flax.core.apply(body, mutable=["batch_stats"])(variables, x)

    y, changed = run(jnp.asarray(x, jnp.float32))
    return np.asarray(y), changed["batch_stats"]


def standardized(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps) * [2, 0.5] + [1, -3]


@pytest.mark.parametrize(("statistics", "axes"), [("batch", (0, 1, 2)), ("picture", (1, 2))])
@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_uses_the_chosen_statistics_and_updates_the_running_ones_only_in_training(statistics, axes, train):
    y, running = batch_norm(X, train=train, statistics=statistics, momentum=0.75)
    np.testing.assert_allclose(y, standardized(X, axes), rtol=1e-4, atol=1e-5)
    if train:
        # the mean over the pictures if each has its own statistics; unbiased as in PyTorch
        mean = X.mean(axes, keepdims=True).mean((0, 1, 2))
        var = X.var(axes, keepdims=True, ddof=1).mean((0, 1, 2))
        np.testing.assert_allclose(running["mean"], 0.75 * RUNNING["mean"] + 0.25 * mean, rtol=1e-5)
        np.testing.assert_allclose(running["var"], 0.75 * RUNNING["var"] + 0.25 * var, rtol=1e-5)
    else:
        jax.tree.map(np.testing.assert_array_equal, dict(running), RUNNING)


@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_with_running_statistics_uses_and_never_changes_them(train):
    y, running = batch_norm(X, train=train, statistics="running", eps=0.5)
    np.testing.assert_allclose(y, (X - [0.5, -1]) / np.sqrt([2.5, 4.5]) * [2, 0.5] + [1, -3], rtol=1e-4, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, dict(running), RUNNING)


def test_batch_norm_keeps_nine_tenths_of_the_running_value_by_default():
    _, running = batch_norm(X, train=True)
    np.testing.assert_allclose(running["mean"], 0.9 * RUNNING["mean"] + 0.1 * X.mean((0, 1, 2)), rtol=1e-5)


def test_batch_norm_by_picture_equals_batch_norm_of_each_picture_alone():
    y, _ = batch_norm(X, train=False, statistics="picture")
    for i in range(3):
        np.testing.assert_allclose(y[i : i + 1], batch_norm(X[i : i + 1], train=False)[0], rtol=1e-5, atol=1e-6)


def gradients_of(x, statistics, group_size=None):
    """Returns ((gradients of params, of x) of a sum of cubes, (output, running statistics)), in float64."""

    def loss(params, x):
        body = lambda scope, x: layers.batch_norm(scope, x, train=True, statistics=statistics, group_size=group_size)
        y, changed = flax.core.apply(body, mutable=["batch_stats"])({"params": params, "batch_stats": RUNNING}, x)
        return (y**3).sum(), (y, changed["batch_stats"])

    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), AFFINE)
        return jax.device_get(jit(jax.grad(loss, (0, 1), has_aux=True))(params, jnp.asarray(x, jnp.float64)))


FOUR = np.random.default_rng(1).standard_normal((4, 3, 5, 2)) * [1, 3] + [0, 2] + np.arange(4)[:, None, None, None]


def test_batch_norm_by_group_equals_batch_norm_of_each_group_alone():
    _, (y, running) = gradients_of(FOUR, "group", 2)
    alone = [gradients_of(FOUR[i : i + 2], "batch") for i in (0, 2)]
    np.testing.assert_allclose(y, np.concatenate([one[1][0] for one in alone]), rtol=1e-12)
    for name in ("mean", "var"):
        np.testing.assert_allclose(running[name], np.mean([one[1][1][name] for one in alone], axis=0), rtol=1e-12)


@pytest.mark.parametrize(("group_size", "same"), [(1, "picture"), (4, "batch"), (6, "batch")])
def test_groups_of_one_are_pictures_and_a_group_of_all_is_the_batch(group_size, same):
    found, expected = gradients_of(FOUR, "group", group_size), gradients_of(FOUR, same)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), found, expected)
    gradients, (y, _) = gradients_of(FOUR, "group", 2)
    assert abs(found[1][0] - y).max() > 0.1
    assert abs(found[0][1] - gradients[1]).max() > 0.1


def test_a_single_picture_is_a_group():
    body = lambda scope, x: layers.batch_norm(scope, x, train=False, statistics="group", group_size=2)
    run = lambda x: flax.core.apply(body)({"params": AFFINE, "batch_stats": RUNNING}, x[None])[0]
    y = jit(jax.vmap(run))(jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(y, standardized(X, (1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("group_size", [None, 2])
def test_a_group_size_that_does_not_divide_the_pictures_is_refused(group_size):
    said = f"^batch norm was given 3 pictures and group_size {group_size}: give a group size that divides"
    with pytest.raises(UserError, match=said):
        batch_norm(X, train=False, statistics="group", group_size=group_size)


def test_batch_norm_of_a_single_value_stays_finite():
    y, running = batch_norm(X[:1, :1, :1], train=True)
    np.testing.assert_allclose(y[0, 0, 0], [1, -3])
    np.testing.assert_allclose(running["var"], 0.9 * RUNNING["var"], rtol=1e-6)


def init(layer, *args, **config):
    """Returns the output and the variables of a layer."""
    return flax.core.init(lambda scope, *a: layer(scope, *a, **config))({"params": jax.random.key(0)}, *args)


def apply(layer, params, *args, key=None, **config):
    rngs = {} if key is None else {"dropout": key}
    return flax.core.apply(lambda scope, *a: layer(scope, *a, **config))({"params": params}, *args, rngs=rngs)


def test_instance_norm_normalises_every_picture_and_has_no_parameters():
    y, variables = init(layers.instance_norm, jnp.asarray(X, jnp.float32), train=True)
    assert not variables
    expected = (X - X.mean((1, 2), keepdims=True)) / np.sqrt(X.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_no_norm_is_the_identity_and_has_no_parameters():
    y, variables = init(layers.no_norm, jnp.asarray(X), train=True)
    assert not variables
    np.testing.assert_array_equal(y, np.asarray(X, np.float32))


def test_dropout_acts_only_with_a_key_and_a_rate_above_zero():
    x = jnp.ones((4, 8))
    np.testing.assert_array_equal(apply(layers.dropout, {}, x, rate=0.5), x)
    np.testing.assert_array_equal(apply(layers.dropout, {}, x, rate=0.0, key=jax.random.key(0)), x)
    dropped = apply(layers.dropout, {}, x, rate=0.5, key=jax.random.key(0))
    assert set(np.unique(dropped)) == {0.0, 2.0}


def test_two_dropouts_of_one_network_draw_differently():
    def body(scope, x):
        return scope.child(layers.dropout, "a")(x, 0.5), scope.child(layers.dropout, "b")(x, 0.5)

    a, b = flax.core.apply(body)({"params": {}}, jnp.ones(64), rngs={"dropout": jax.random.key(0)})
    assert (a != b).any()


def test_initial_values_are_those_of_the_paper():
    x = jnp.zeros((1, 2, 2, 64))
    for layer, shape in ((layers.conv, (4, 4, 64, 32)), (layers.conv_transpose, (64, 4, 4, 32))):
        _, variables = jit(lambda x, layer=layer: init(layer, x, 32))(x)
        kernel = np.asarray(variables["params"]["kernel"])
        assert kernel.shape == shape
        assert kernel.dtype == np.float32
        # 5 standard errors of 32,768 draws; 4.55 % of a normal distribution lie beyond two standard deviations
        assert abs(kernel.mean()) < 5 * 0.02 / np.sqrt(kernel.size)
        assert kernel.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * kernel.size))
        assert (abs(kernel) > 0.04).mean() == pytest.approx(0.0455, abs=0.006)
        np.testing.assert_array_equal(variables["params"]["bias"], np.zeros(32))
        assert set(jax.eval_shape(lambda layer=layer: init(layer, x, 4, use_bias=False)[1])["params"]) == {"kernel"}


def test_normal_draws_around_its_mean():
    draws = np.asarray(layers.normal()(jax.random.key(0), (200, 200)))
    assert draws.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * draws.size))
    shifted = np.asarray(layers.normal(0.5, mean=-3.0)(jax.random.key(0), (200, 200)))
    np.testing.assert_allclose(shifted, draws * 25 - 3, atol=1e-5)


def test_initial_scale_is_around_one_and_running_statistics_are_zero_and_one():
    _, variables = init(layers.batch_norm, jnp.zeros((1, 2, 2, 4096)), train=False)
    scale = np.asarray(variables["params"]["scale"])
    assert scale.mean() == pytest.approx(1, abs=5 * 0.02 / 64)
    assert scale.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * 4096))
    np.testing.assert_array_equal(variables["params"]["bias"], np.zeros(4096))
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], np.zeros(4096))
    np.testing.assert_array_equal(variables["batch_stats"]["var"], np.ones(4096))


def test_only_instance_norm_needs_a_bias_before_it_even_if_wrapped():
    assert layers.needs_bias(layers.instance_norm)
    assert layers.needs_bias(partial(partial(layers.instance_norm, eps=1e-3), eps=1e-4))
    assert not layers.needs_bias(layers.batch_norm)
    assert not layers.needs_bias(partial(layers.batch_norm, statistics="picture"))
    assert not layers.needs_bias(layers.no_norm)


def attention_parameters(channels, gain):
    draw = np.random.default_rng(1).standard_normal
    shapes = {
        "query": (channels, max(channels // 8, 1)),
        "key": (channels, max(channels // 8, 1)),
        "value": (channels, channels // 2),
        "output": (channels // 2, channels),
    }
    return {n: {"kernel": jnp.asarray(draw((1, 1, *s)), jnp.float32)} for n, s in shapes.items()} | {
        "gain": jnp.array(gain)
    }


@pytest.mark.parametrize("shape", [(2, 2, 3, 4), (1, 3, 1, 16)])
def test_self_attention_equals_softmax_of_query_times_key_times_value(shape):
    x = np.random.default_rng(2).standard_normal(shape)
    params = attention_parameters(shape[-1], 0.7)
    expected = np.zeros(shape)
    matrix = lambda name: np.asarray(params[name]["kernel"], np.float64)[0, 0]
    for picture, place in zip(x.reshape(shape[0], -1, shape[-1]), expected, strict=True):
        query, key, value = (picture @ matrix(name) for name in ("query", "key", "value"))
        weight = np.exp(query @ key.T)
        attended = weight / weight.sum(1, keepdims=True) @ value
        place[:] = (picture + 0.7 * attended @ matrix("output")).reshape(place.shape)
    np.testing.assert_allclose(
        jit(partial(apply, layers.self_attention, train=True))(params, jnp.asarray(x, jnp.float32)), expected, atol=1e-4
    )


def test_self_attention_is_the_identity_at_first_and_has_the_parameters_of_the_computation_above():
    x = jnp.asarray(np.random.default_rng(2).standard_normal((1, 2, 3, 16)), jnp.float32)
    y, variables = init(layers.self_attention, x, train=False)
    np.testing.assert_array_equal(y, x)
    shapes = jax.tree.map(jnp.shape, variables["params"])
    assert jax.tree.map(jnp.shape, attention_parameters(16, 0.0)) == shapes


def test_concat_stacks_the_encoder_first_add_adds_and_no_skip_drops_the_encoder():
    skip, x = (jnp.asarray(np.random.default_rng(i).standard_normal((1, 2, 2, 3)), jnp.float32) for i in range(2))
    np.testing.assert_array_equal(apply(layers.concat, {}, skip, x), np.concatenate([skip, x], -1))
    np.testing.assert_array_equal(apply(layers.add, {}, skip, x), np.asarray(skip) + np.asarray(x))
    np.testing.assert_array_equal(apply(layers.no_skip, {}, skip, x), x)


def test_gated_multiplies_the_skip_by_a_learned_gate():
    skip, x = (np.random.default_rng(i).standard_normal((1, 2, 2, c)).astype(np.float32) for i, c in enumerate((3, 2)))
    kernel, bias = np.random.default_rng(2).standard_normal((2, 3)), np.array([0.5, -0.5, 0.0])
    gate = {"kernel": jnp.asarray(kernel[None, None], jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}
    y = apply(layers.gated, {"gate": gate}, jnp.asarray(skip), jnp.asarray(x))
    np.testing.assert_allclose(y, np.concatenate([skip / (1 + np.exp(-(x @ kernel + bias))), x], -1), rtol=1e-5)


def test_resize_conv_repeats_pixels_then_convolves_within_the_same_size():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 3, 2, 2)), jnp.float32)
    y, variables = jax.eval_shape(lambda x: init(layers.resize_conv, x, 5), x)
    assert y.shape == (1, 6, 4, 5)
    assert {n: v.shape for n, v in variables["params"].items()} == {"kernel": (3, 3, 2, 5), "bias": (5,)}
    shapes = jax.eval_shape(lambda x: init(layers.resize_conv, x, 5, use_bias=False)[1], x)["params"]
    assert set(shapes) == {"kernel"}
    centre = {"kernel": jnp.zeros((3, 3, 2, 2)).at[1, 1].set(jnp.eye(2))}
    np.testing.assert_array_equal(apply(layers.resize_conv, centre, x, 2, use_bias=False), ops.upsample_nearest(x, 2))
    smooth = apply(partial(layers.resize_conv, resize=ops.upsample_bilinear), centre, x, 2, use_bias=False)
    np.testing.assert_allclose(smooth, ops.upsample_bilinear(x), rtol=1e-6)


def test_affine_instance_norm_starts_without_effect_and_scales_each_channel():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 4, 2)), jnp.float32)
    affine = partial(layers.instance_norm, affine=True, train=True)
    y, variables = init(affine, x)
    np.testing.assert_array_equal(variables["params"]["scale"], [1, 1])
    plain = apply(partial(layers.instance_norm, train=True), {}, x)
    np.testing.assert_array_equal(y, plain)
    params = {"scale": jnp.array([2.0, -1.0]), "bias": jnp.array([0.5, 3.0])}
    np.testing.assert_allclose(apply(affine, params, x), plain * params["scale"] + params["bias"], rtol=1e-6)


def test_remat_of_a_layer_changes_neither_values_nor_gradients_nor_dropout():
    def block(scope, x):
        x = scope.child(layers.conv, "conv")(x, 3)
        return ops.leaky_relu(scope.child(layers.dropout, "dropout")(x, 0.5))

    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 8, 8, 2)), jnp.float32)
    params = {"conv": {"kernel": jnp.asarray(np.random.default_rng(1).standard_normal((4, 4, 2, 3)), jnp.float32)}}
    params["conv"]["bias"] = jnp.ones(3)

    def loss(params, body):
        return jnp.square(apply(body, params, x, key=jax.random.key(3))).sum()

    plain, again = jit(lambda p: [jax.value_and_grad(loss)(p, f) for f in (block, layers.remat(block))])(params)
    assert float(plain[0]) > 0
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-6)
    assert "remat" in str(jax.make_jaxpr(lambda p: loss(p, layers.remat(block)))(params))
