"""The four originals as settings: what every one of them changes in the numbers, the table, and the command line.

Section by section: the discriminator's and the generator's gradient, the networks, the optimizer, the data; each setting
by itself on the default config. The expected table is that of the originals' sources, not of `presets.py`.
"""

import dataclasses
import json
import zlib
from dataclasses import replace
from functools import cache, partial
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.naive import naive_conv2d, naive_conv2d_transpose
from helpers.runs import DRAWN, NO_REPORT, leaves_of, steps_of, train
from PIL import Image

from p2p_jax import generators, ops, pix2pix
from p2p_jax.cli import main
from p2p_jax.config import Config, Discriminator, Generator
from p2p_jax.config.presets import PRESETS, apply_preset
from p2p_jax.config.tree import get_field
from p2p_jax.data.fit import Fit
from p2p_jax.data.loading import open_dataset
from p2p_jax.network import Network
from p2p_jax.ops import convolution
from p2p_jax.step import init_train_state, make_train_step
from p2p_jax.training import trainer

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


@pytest.fixture(scope="module", autouse=True)
def native_convolutions():
    """As on a GPU: they compile faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "choose", lambda *_: convolution.NATIVE)
        yield


def changed(config, **fields):
    """A config with some fields changed: their names have two underscores for the dot."""
    for name, value in fields.items():
        part, field = name.split("__")
        config = replace(config, **{part: replace(getattr(config, part), **{field: value})})
    return config


# --------------------------------------------------------------------------------------------------------------------
# The objective and the order of the updates, by hand for networks that can be differentiated on paper


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def leaky(x, slope=0.2):
    return np.where(x > 0, x, slope * x)


def plain_networks():
    """fake = w x; logits = leaky_relu((x, picture) a) b, in plain JAX. The discriminator counts its passes."""
    random = np.random.default_rng(3)
    a, b = random.standard_normal((5, 4)), random.standard_normal(4)

    def judge(params, state, x, *, train, key=None):
        return ops.leaky_relu(x @ params["a"]) @ params["b"], {"passes": state["passes"] + 1}

    generator = Network(
        lambda key, x: (jnp.array([0.5, -0.8]), {}), lambda p, s, x, *, train, key=None: (p * x[..., :2], s)
    )
    discriminator = Network(lambda key, x: ({"a": jnp.asarray(a), "b": jnp.asarray(b)}, {"passes": jnp.zeros(())}), judge)
    return {"generator": generator, "discriminator": discriminator}


@cache
def plain_step(**fields):
    """One step of the plain networks with a small config: (batch, state before, state after, metrics)."""
    with jax.enable_x64(True):
        random = np.random.default_rng(4)
        batch = {name: random.uniform(-1, 1, (2, 5, 5, c)) for name, c in (("input", 3), ("target", 2))}
        model = pix2pix.build(changed(SMALL, **fields))
        model = model._replace(
            **plain_networks(), generator_optimizer=optax.sgd(1.0), discriminator_optimizer=optax.sgd(0.7)
        )
        state = init_train_state(KEY, model, batch)
        after, metrics = jit(make_train_step(model))(state, batch)
        return jax.device_get((batch, state.replace(key=None), after.replace(key=None), metrics))


def discriminator_gradient(batch, state):
    """Of the mean over fakes and the mean over real pictures, added, by `a` and `b`."""
    p = state.discriminator.params
    slopes = {"a": 0.0, "b": 0.0}
    fake = state.generator.params * batch["input"][..., :2]
    for picture, sign in ((fake, 1), (batch["target"], -1)):
        pair = np.concatenate([batch["input"], picture], -1)
        hidden = pair @ p["a"]
        slope = sign * sigmoid(sign * (leaky(hidden) @ p["b"])) / hidden[..., 0].size
        back = slope[..., None] * p["b"] * np.where(hidden > 0, 1, 0.2)
        slopes["a"] += np.tensordot(pair, back, ((0, 1, 2),) * 2)
        slopes["b"] += np.tensordot(leaky(hidden), slope, ((0, 1, 2),) * 2)
    return slopes


def generator_gradient(batch, state, *, values, weights):
    """(GAN loss, gradient of the GAN loss and 100 L1), the discriminator's values from some params, slopes from others."""
    x = batch["input"]
    fake = state.generator.params * x[..., :2]
    hidden = np.concatenate([x, fake], -1) @ values["a"]
    logits = leaky(hidden) @ values["b"]
    slope = -sigmoid(-logits)[..., None] / logits.size * weights["b"] * np.where(hidden > 0, 1, 0.2)
    by_fake = (slope @ weights["a"].T)[..., 3:] + 100 * np.sign(fake - batch["target"]) / fake.size
    return softplus(-logits).mean(), (by_fake * x[..., :2]).sum((0, 1, 2))


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_discriminator_weight_is_the_factor_of_its_loss_and_gradient(factor):
    options = {} if factor == 0.5 else {"loss__discriminator_weight": factor}  # 0.5 is the default
    batch, before, after, metrics = plain_step(**options)
    gradient = discriminator_gradient(batch, before)
    for name, moved in gradient.items():
        found = before.discriminator.params[name] - after.discriminator.params[name]
        np.testing.assert_allclose(found, 0.7 * factor * moved, rtol=1e-10, atol=1e-14)
    default = plain_step()[3]["discriminator_loss"]
    assert metrics["discriminator_loss"] == pytest.approx(factor / 0.5 * default, rel=1e-12)


@pytest.mark.parametrize(
    ("update", "values", "weights", "passes"),
    [("sequential", "new", "new", 3), ("stale", "old", "new", 2), ("simultaneous", "old", "old", 2)],
)
def test_update_says_whose_values_and_whose_weights_the_generator_learns_from(update, values, weights, passes):
    options = {} if update == "sequential" else {"optimizer__update": update}
    batch, before, after, metrics = plain_step(**options)
    params = {"old": before.discriminator.params, "new": after.discriminator.params}
    moved = before.generator.params - after.generator.params
    for v in ("old", "new"):
        for w in ("old", "new"):
            loss, gradient = generator_gradient(batch, before, values=params[v], weights=params[w])
            apart = abs(moved - gradient).max()
            assert apart < 1e-12 if (v, w) == (values, weights) else apart > 1e-4
            assert (metrics["generator_gan"] == pytest.approx(loss, rel=1e-12)) == (v == values)
    # All three do the same to the discriminator, which only sees its fakes a third time where they are judged anew.
    for name, value in plain_step()[2].discriminator.params.items():
        np.testing.assert_array_equal(after.discriminator.params[name], value)
    assert after.discriminator.state["passes"] == passes


def test_log_epsilon_bounds_the_loss_and_takes_the_gradient_of_sure_and_wrong_answers():
    default, bounded = (pix2pix.build(changed(SMALL, **f)).adversarial for f in ({}, {"loss__log_epsilon": 1e-12}))
    losses = {
        "fake": (lambda game, x: game.discriminator(x, False), -1),
        "real": (lambda game, x: game.discriminator(x, True), 1),
        "generator": (lambda game, x: game.generator(x), 1),
    }
    with jax.enable_x64(True):
        for loss, right in losses.values():
            logits = right * np.array([-50.0, -25.0, -27.0, -3.0, 4.0])
            p = sigmoid(right * logits)
            for game, epsilon in ((default, 0.0), (bounded, 1e-12)):
                value, slope = jax.value_and_grad(partial(loss, game))(jnp.asarray(logits))
                assert float(value) == pytest.approx(-np.log(p + epsilon).mean(), rel=1e-9)
                np.testing.assert_allclose(slope, -right * p * (1 - p) / (p + epsilon) / len(p), rtol=1e-9)
        sure = jnp.array([50.0])
        assert float(bounded.discriminator(sure, False)) == pytest.approx(-np.log(1e-12))
        assert float(default.discriminator(sure, False)) == pytest.approx(50)
        assert abs(jax.grad(lambda x: bounded.discriminator(x, False))(sure)) < 1e-9
        assert jax.grad(lambda x: default.discriminator(x, False))(sure) == pytest.approx(1)


# --------------------------------------------------------------------------------------------------------------------
# The networks, against forward passes written out


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


@pytest.mark.parametrize("which", BY_HAND)
def test_default_networks_are_those_by_hand(which):
    by_hand, x = BY_HAND[which]
    _, params, _, y, _ = computed(which, SMALL)
    np.testing.assert_allclose(y, by_hand(params, x), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("which", "setting", "value", "options"),
    [
        ("generator", "leaky_slope", 0.3, {"slope": 0.3}),
        ("generator", "norm_epsilon", 1e-3, {"eps": 1e-3}),
        ("generator", "bottleneck_norm", True, {"bottleneck_norm": True}),
        ("generator", "post_activation", True, {"post": True}),
        ("generator", "skip", "concat_decoder_first", {"decoder_first": True}),
        ("generator", "bias", "all", {}),
        ("generator", "bias", "none", {}),
        ("discriminator", "leaky_slope", 0.3, {"slope": 0.3}),
        ("discriminator", "norm_epsilon", 1e-3, {"eps": 1e-3}),
        ("discriminator", "bias", "all", {}),
        ("discriminator", "bias", "last", {}),
        ("discriminator", "bias", "none", {}),
    ],
)
def test_a_setting_of_a_network_computes_what_it_says_and_nothing_else(which, setting, value, options):
    by_hand, x = BY_HAND[which]
    _, params, _, y, _ = computed(which, changed(SMALL, **{f"{which}__{setting}": value}))
    np.testing.assert_allclose(y, by_hand(params, x, **options), rtol=1e-9, atol=1e-11)
    _, default_params, _, default, _ = computed(which, SMALL)
    if setting == "bias" and value == "all":
        # Biases before a batch norm change nothing; those of the convolutions without one do.
        free = {"generator": ("down0", "down2"), "discriminator": ()}[which]
        assert set(params["down0" if which == "generator" else "conv1"]) == {"kernel", "bias"}
        again = {name: params[name] if name in free else leaf for name, leaf in default_params.items()}
        np.testing.assert_allclose(y, by_hand(again, x), rtol=1e-9, atol=1e-11)
        assert (abs(y - default).max() > 0.01) == bool(free)
    else:
        assert abs(y - default).max() > 1e-5


CONVOLUTIONS = {
    "unet": ["down0", "down1", "down2", "up2", "up1", "up0"],
    "patchgan": ["conv0", "conv1", "conv2", "conv3"],
    "pixelgan": ["conv0", "conv1", "conv2"],
}
# The PyTorch original: where no batch norm follows, but only on the picture's side of the networks; the pixelgan's last
# one is taken for one before a norm.
WITH_BIAS = {
    "unet": {"reference": ["up0"], "last": ["up0"]},
    "patchgan": {"reference": ["conv0", "conv3"], "last": ["conv3"]},
    "pixelgan": {"reference": ["conv0"], "last": ["conv2"]},
}


@pytest.mark.parametrize("architecture", CONVOLUTIONS)
@pytest.mark.parametrize("bias", ["reference", "all", "last", "none"])
def test_bias_says_which_convolutions_carry_one(architecture, bias):
    expected = {**WITH_BIAS[architecture], "all": CONVOLUTIONS[architecture], "none": []}[bias]
    which, x = ("generator", PICTURES) if architecture == "unet" else ("discriminator", PAIRS)
    config = changed(SMALL, **{f"{which}__architecture": architecture, f"{which}__bias": bias})
    for norm in ("batch", "none", "instance"):
        if norm == "instance" and bias == "reference":
            expected = CONVOLUTIONS[architecture]  # before an instance norm all carry one
        params = shapes_of(which, changed(config, **{f"{which}__norm": norm}), x)
        found = [name for name in CONVOLUTIONS[architecture] if "bias" in params[name]]
        assert found == expected, norm


def test_concat_order_only_exchanges_the_halves_of_the_kernels_up():
    _, params, _, default, _ = computed("generator", SMALL)
    apply, same, state, other, _ = computed("generator", changed(SMALL, generator__skip="concat_decoder_first"))
    jax.tree.map(np.testing.assert_array_equal, params, same)
    assert abs(other - default).max() > 0.01

    def exchanged(kernel):
        return np.concatenate(np.split(kernel, 2)[::-1])

    bridged = ("up1", "up0")
    params = {n: leaf | {"kernel": exchanged(leaf["kernel"])} if n in bridged else leaf for n, leaf in params.items()}
    with jax.enable_x64(True):
        y, _ = apply(params, state, PICTURES)
    np.testing.assert_allclose(y, default, rtol=1e-9, atol=1e-11)


def test_bottleneck_norm_removes_a_bottleneck_of_one_pixel_at_batch_1():
    """Without bridges, since they would carry the picture past it: all pictures become what the norm's bias makes."""
    cut = changed(SMALL, generator__architecture="encoder_decoder")
    one, other = PICTURES[:1, :8], PICTURES[1:, :8]
    with jax.enable_x64(True):
        apply, params, state, *_ = computed("generator", cut)
        apart = abs(apply(params, state, one)[0] - apply(params, state, other)[0]).max()
        apply, params, state, *_ = computed("generator", changed(cut, generator__bottleneck_norm=True))
        y, z = (apply(params, state, x)[0] for x in (one, other))
    assert apart > 0.01
    np.testing.assert_array_equal(y, z)
    d2 = params["down2_norm"]["bias"].reshape(1, 1, 1, 4)
    u2 = normalize(params["up2_norm"], up(params["up2"], relu(d2)))
    u1 = normalize(params["up1_norm"], up(params["up1"], relu(u2)))
    np.testing.assert_allclose(y, np.tanh(up(params["up0"], relu(u1))), rtol=1e-9, atol=1e-11)


def test_bottleneck_norm_is_the_innermost_ones_and_the_only_one_added():
    whole, x = Config(), jax.ShapeDtypeStruct((1, 256, 256, 3), "float32")
    default, other = (set(shapes_of("generator", c, x)) for c in (whole, changed(whole, generator__bottleneck_norm=True)))
    assert other - default == {"down7_norm"}
    assert default < other


def test_dropout_levels_say_which_of_eight_levels_drop_out(monkeypatch):
    widths = generators.UNET_256
    assert generators.unet_dropout_rates(widths) == (0, 0, 0, 0, 0.5, 0.5, 0.5, 0)
    assert generators.unet_dropout_rates(widths, 0.2, innermost=True) == (0, 0, 0, 0, 0, 0.2, 0.2, 0.2)
    assert generators.unet_dropout_rates((1, 2, 3), innermost=True) == (0, 0.5, 0.5)  # never on the picture
    sides = {}
    x = jax.ShapeDtypeStruct((1, 256, 256, 3), "float32")
    for levels in ("reference", "innermost"):
        seen = []
        with monkeypatch.context() as patch:
            patch.setattr(ops, "dropout", lambda _key, x, rate, seen=seen: (seen.append((x.shape[1], rate)), x)[1])
            net = pix2pix.build_generator(changed(Config(), generator__dropout_levels=levels))
            jax.eval_shape(lambda x, net=net: net.apply(*net.init(KEY, x), x, train=True, key=KEY)[0], x)
        sides[levels] = seen
    assert sides["reference"] == [(4, 0.5), (8, 0.5), (16, 0.5)]
    assert sides["innermost"] == [(2, 0.5), (4, 0.5), (8, 0.5)]


@pytest.mark.parametrize("which", BY_HAND)
def test_norm_momentum_is_the_share_of_the_old_statistics_kept(which):
    _, params, _, _, default = computed(which, SMALL)
    after = computed(which, changed(SMALL, **{f"{which}__norm_momentum": 0.99}))[4]
    if which == "generator":
        name, seen = "down1_norm", conv(params["down1"], leaky(conv(params["down0"], PICTURES)))
    else:
        name, seen = "conv1_norm", conv(params["conv1"], leaky(conv(params["conv0"], PAIRS)))
    mean, var = seen.mean((0, 1, 2)), seen.var((0, 1, 2), ddof=1)
    for state, kept in ((default, 0.9), (after, 0.99)):
        found = state["batch_stats"][name]
        np.testing.assert_allclose(found["mean"], kept + (1 - kept) * mean, rtol=1e-10)
        np.testing.assert_allclose(found["var"], kept + (1 - kept) * var, rtol=1e-10)
    assert jax.tree.structure(after) == jax.tree.structure(default)
    for old, new in zip(jax.tree.leaves(default), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(new - 1, (old - 1) / 10, rtol=1e-8, atol=1e-12)


def test_norm_stddev_is_the_spread_of_the_first_scales():
    wide = changed(SMALL, generator__widths=(16, 16, 16), discriminator__widths=(16, 16, 16))
    wide = replace(wide, dtype="float32")
    exact = changed(wide, generator__norm_stddev=0.0, discriminator__norm_stddev=0.0)

    @jit
    def start(key):
        found = {}
        for name, config in (("default", wide), ("exact", exact)):
            for which, x in (("generator", PICTURES), ("discriminator", PAIRS)):
                found[name, which] = build_network(config, which).init(key, x)[0]
        return found

    for (name, which), params in start(KEY).items():
        norms = [leaf for layer, leaf in params.items() if layer.endswith("_norm")]
        scales = np.concatenate([norm["scale"] for norm in norms])
        assert len(scales) == {"generator": 48, "discriminator": 32}[which]
        if name == "exact":
            assert (scales == 1).all()
        else:
            assert 0.013 < scales.std() < 0.027
            assert abs(scales.mean() - 1) < 0.015
        assert all((norm["bias"] == 0).all() for norm in norms)
        assert 0.015 < np.std(params["down1" if which == "generator" else "conv1"]["kernel"]) < 0.025  # only the norms'


def test_post_activation_and_the_rest_are_the_tensorflow_tutorials_unet(monkeypatch):
    """Its layers in its order: down conv, norm, leaky; up conv, norm, dropout, relu; decoder first; last conv, tanh."""
    preset = apply_preset(SMALL, "tensorflow")
    monkeypatch.setattr(ops, "dropout", lambda _key, x, rate: x - rate)  # does not commute with relu, as the real one does
    net = pix2pix.build_generator(preset)
    with jax.enable_x64(True):
        shapes, state = jax.eval_shape(net.init, KEY, PICTURES)
        p = values_for(shapes)
        state = jax.tree.map(lambda leaf: np.ones(leaf.shape), state)
        y = jit(lambda p, x: net.apply(p, state, x, train=True, key=KEY)[0])(p, PICTURES)
        y = np.asarray(y)
    assert [name for name in CONVOLUTIONS["unet"] if "bias" in p[name]] == ["up0"]

    def downsample(i, x):
        x = conv(p[f"down{i}"], x)
        return leaky(x if i == 0 else normalize(p[f"down{i}_norm"], x, 1e-3), 0.3)

    def upsample(i, x):
        return relu(normalize(p[f"up{i}_norm"], up(p[f"up{i}"], x), 1e-3) - 0.5)

    skips = [downsample(0, PICTURES)]
    skips.append(downsample(1, skips[0]))
    x = upsample(2, downsample(2, skips[1]))
    x = upsample(1, np.concatenate([x, skips[1]], -1))
    x = np.tanh(up(p["up0"], np.concatenate([x, skips[0]], -1)))
    np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-11)


TUTORIAL = {"slope": 0.3, "eps": 1e-3}
WHOLE = {
    "pytorch": {"generator": {}, "discriminator": {}},
    "lua": {"generator": {"decoder_first": True}, "discriminator": {}},
    "affinelayer": {"generator": {"decoder_first": True, "bottleneck_norm": True}, "discriminator": {}},
    "tensorflow": {
        "generator": {"decoder_first": True, "bottleneck_norm": True, "post": True, **TUTORIAL},
        "discriminator": TUTORIAL,
    },
}


@pytest.mark.parametrize("preset", WHOLE)
@pytest.mark.parametrize("which", BY_HAND)
def test_the_networks_of_a_preset_are_those_by_hand(which, preset):
    by_hand, x = BY_HAND[which]
    _, params, _, y, _ = computed(which, apply_preset(SMALL, preset))
    np.testing.assert_allclose(y, by_hand(params, x, **WHOLE[preset][which]), rtol=1e-9, atol=1e-11)


# --------------------------------------------------------------------------------------------------------------------
# The optimizer


@pytest.mark.parametrize(
    ("fields", "epsilon"),
    [
        ({}, 1e-8),
        ({"optimizer__epsilon": 1e-7}, 1e-7),
        # Before the correction by sqrt(1 - 0.999), so at the first step as if it were larger by its inverse.
        ({"optimizer__epsilon_place": "before_correction"}, 1e-8 / np.sqrt(1 - 0.999)),
        ({"optimizer__epsilon_place": "before_correction", "optimizer__epsilon": 1e-7}, 1e-7 / np.sqrt(1 - 0.999)),
    ],
)
def test_epsilon_and_its_place_are_felt_where_gradients_are_small(fields, epsilon):
    gradients = np.array([1e-9, -3e-8, 1e-7, 1e-6, 1.0])
    with jax.enable_x64(True):
        model = pix2pix.build(changed(SMALL, **fields))
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            found, _ = optimizer.update(gradients, optimizer.init(jnp.zeros(5)))
            np.testing.assert_allclose(found, -2e-4 * gradients / (abs(gradients) + epsilon), rtol=1e-7)


def test_schedule_is_constant_or_falls_in_the_second_half():
    rates = {}
    for schedule in ("default", "constant"):
        fields = {} if schedule == "default" else {"optimizer__schedule": schedule}
        model = pix2pix.build(changed(SMALL, **fields))
        assert set(model.learning_rates) == {"learning_rate", "discriminator_learning_rate"}
        for rate in model.learning_rates.values():
            rates.setdefault(schedule, []).append([float(rate(step)) for step in range(10)])
    falling = [2e-4] * 5 + [2e-4 * share / 6 for share in (5, 4, 3, 2, 1)]
    np.testing.assert_allclose(rates["default"], [falling] * 2, rtol=1e-5)
    np.testing.assert_allclose(rates["constant"], [[2e-4] * 10] * 2, rtol=1e-6)


# --------------------------------------------------------------------------------------------------------------------
# The data


def by_pil(name):
    return lambda half, size: np.asarray(Image.fromarray(half).resize(size[::-1], getattr(Image.Resampling, name)))


def by_area(half, size):
    """Every old pixel cut into so many that whole ones make up each new pixel, and the mean of those."""
    (old_h, old_w, _), (h, w) = half.shape, size
    fine = half.repeat(h, axis=0).repeat(w, axis=1).astype(float)
    return np.round(fine.reshape(h, old_h, w, old_w, 3).mean((1, 3)))


FILTERS = {"bicubic": by_pil("BICUBIC"), "bilinear": by_pil("BILINEAR"), "area": by_area, "nearest": by_pil("NEAREST")}


@pytest.fixture
def sharp_pairs(tmp_path):
    """A folder of side-by-side pairs of 24 x 20 pixels of noise, on which no two filters agree."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (20, 48, 3), np.uint8) for _ in range(2)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return tmp_path, pictures


@pytest.mark.parametrize("size", [(33, 29), (13, 11)])
def test_resize_says_how_pictures_are_brought_to_another_size(sharp_pairs, size):
    folder, pictures = sharp_pairs
    found, fit = {}, Fit("resize_and_crop", size, size)
    for name, resize in FILTERS.items():
        config = changed(SMALL, data__path=str(folder), data__resize=name)
        pairs = open_dataset(config).splits["train"]
        for index, picture in enumerate(pictures):
            for half, array in zip((picture[:, :24], picture[:, 24:]), pairs.read(index, fit).values(), strict=True):
                assert abs(array.astype(float) - resize(half, size)).max() <= (name == "area")  # rounding, halfway
                assert (array == resize(half, size)).mean() > 0.95
        found[name] = array
    for one, other in permutations(found, 2):
        assert (found[one] != found[other]).any(), (one, other)
    default = open_dataset(changed(SMALL, data__path=str(folder))).splits["train"].read(1, fit)["target"]
    np.testing.assert_array_equal(default, found["bicubic"])


# --------------------------------------------------------------------------------------------------------------------
# The table

# By the originals' sources. Torch's BCECriterion adds 1e-12
# too; Torch's, TensorFlow's and Keras's Adam correct the moments' biases beside epsilon.
ORIGINALS = ("lua", "pytorch", "affinelayer", "tensorflow")
EXPECTED = {
    "loss.discriminator_weight": (1.0, 0.5, 1.0, 1.0),
    "optimizer.update": ("stale", "sequential", "stale", "simultaneous"),
    "loss.log_epsilon": (1e-12, 0.0, 1e-12, 0.0),
    "generator.bias": ("none", "reference", "all", "last"),
    "discriminator.bias": ("none", "reference", "all", "last"),
    "generator.bottleneck_norm": (False, False, True, True),
    "generator.dropout_levels": ("innermost", "reference", "innermost", "innermost"),
    "generator.leaky_slope": (0.2, 0.2, 0.2, 0.3),
    "discriminator.leaky_slope": (0.2, 0.2, 0.2, 0.3),
    "generator.post_activation": (False, False, False, True),
    "generator.skip": ("concat_decoder_first", "concat", "concat_decoder_first", "concat_decoder_first"),
    "generator.norm_epsilon": (1e-5, 1e-5, 1e-5, 1e-3),
    "discriminator.norm_epsilon": (1e-5, 1e-5, 1e-5, 1e-3),
    "generator.norm_momentum": (0.9, 0.9, 0.9, 0.99),
    "discriminator.norm_momentum": (0.9, 0.9, 0.9, 0.99),
    "generator.norm_stddev": (0.02, 0.02, 0.02, 0.0),
    "discriminator.norm_stddev": (0.02, 0.02, 0.02, 0.0),
    "optimizer.epsilon": (1e-8, 1e-8, 1e-8, 1e-7),
    "optimizer.epsilon_place": ("before_correction", "after_correction", "before_correction", "before_correction"),
    "optimizer.schedule": ("constant", "linear", "constant", "constant"),
    "data.resize": ("bilinear", "bicubic", "area", "nearest"),
}


def flat(config, prefix=""):
    """{dotted name: value}."""
    found = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        found |= flat(value, f"{prefix}{item.name}.") if dataclasses.is_dataclass(value) else {prefix + item.name: value}
    return found


def expected_of(preset):
    return {name: row[ORIGINALS.index(preset)] for name, row in EXPECTED.items()}


def test_there_is_a_preset_for_every_original():
    assert set(PRESETS) == set(ORIGINALS)


@pytest.mark.parametrize("preset", ORIGINALS)
def test_a_preset_sets_what_its_original_does_and_nothing_else(preset):
    assert flat(apply_preset(Config(), preset)) == flat(Config()) | expected_of(preset)
    typed = replace(
        changed(Config(), generator__width=7, optimizer__learning_rate=0.1, data__path="x", generator__norm="instance"),
        batch_size=3,
    )
    assert flat(apply_preset(typed, preset)) == flat(typed) | expected_of(preset)


def test_the_default_is_the_pytorch_original():
    assert apply_preset(Config(), "pytorch") == Config()


@pytest.mark.parametrize(("first", "then"), list(permutations(ORIGINALS, 2)))
def test_a_preset_resets_what_another_one_has_set(first, then):
    config = replace(Config(), batch_size=2)
    assert apply_preset(apply_preset(config, first), then) == apply_preset(config, then)
    assert apply_preset(config, first) != apply_preset(config, then)


def test_every_field_of_the_table_exists_and_is_one_that_all_presets_set_or_reset():
    for name in EXPECTED:
        assert type(get_field(Config(), name)) in (bool, float, str)
    assert set(PRESETS["pytorch"]) == set(EXPECTED)
    for table in PRESETS.values():
        assert set(table) <= set(EXPECTED)


def test_no_preset_leaves_the_config_alone_and_an_unknown_one_is_refused():
    config = changed(Config(), generator__skip="gated")
    assert apply_preset(config, None) is config
    with pytest.raises(ValueError, match=r"^there is no preset torch: it is one of [a-z, ]+\.$") as caught:
        apply_preset(config, "torch")
    assert all(name in str(caught.value) for name in ORIGINALS)


def test_every_preset_trains_and_each_in_its_own_way():
    tiny = changed(replace(SMALL, dtype="float32"), generator__widths=(2, 3), discriminator__widths=(2, 3))
    random = np.random.default_rng(1)
    batch = {name: random.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for name in ("input", "target")}
    losses = {}
    for preset in ORIGINALS:
        model = pix2pix.build(apply_preset(tiny, preset))
        shapes = jax.eval_shape(partial(init_train_state, model=model, batch=batch), KEY).replace(key=None)
        state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes).replace(key=KEY)
        for name in ("generator", "discriminator"):
            network = getattr(state, name)
            params = jax.tree.map(np.float32, values_for(network.params))
            state = state.replace(**{name: network.replace(params=params)})
        after, metrics = jit(make_train_step(model))(state, batch)
        for before, leaf in zip(jax.tree.leaves(shapes), jax.tree.leaves(after.replace(key=None)), strict=True):
            assert (before.shape, before.dtype) == (leaf.shape, leaf.dtype)
            assert np.isfinite(leaf).all()
        losses[preset] = [float(metrics[f"{name}_loss"]) for name in ("generator", "discriminator")]
    assert np.isfinite(list(losses.values())).all()
    for one, other in permutations(ORIGINALS, 2):
        assert (abs(np.subtract(losses[one], losses[other])) > 1e-3).all(), (one, other)


# --------------------------------------------------------------------------------------------------------------------
# The command line


@pytest.fixture
def quick(monkeypatch):
    """No report, and programs that are compiled quickly."""
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    monkeypatch.setattr(jax, "jit", jit)


def stored(workdir):
    return json.loads((workdir / "experiment.json").read_text())["config"]


@pytest.mark.slow
def test_a_run_with_a_preset_stores_it_with_what_was_typed_and_goes_on_by_the_same_line(tmp_path, quick, capsys):
    typed = {"loss.discriminator_weight": 0.25, "optimizer.schedule": "constant"}
    unet = ("--generator.architecture", "unet", "--generator.widths", "2", "2")
    line = [*DRAWN, *unet, "--preset", "lua", "--loss.discriminator-weight", "0.25"]
    assert train(tmp_path, *line, "--steps", "1") == 0
    config = stored(tmp_path)
    for name, value in (expected_of("lua") | typed).items():
        part, field = name.split(".")
        assert config[part][field] == value, name
    # And it was that run which ran: no convolution has a bias.
    params = {name for name in leaves_of(tmp_path, 1) if name.startswith(("['generator']['params']", "['discriminator']"))}
    assert any("['kernel']" in name for name in params)
    assert not [name for name in params if "['bias']" in name and "_norm" not in name]

    assert train(tmp_path, *line, "--steps", "1") == 0
    assert "The run has done its 1 steps" in capsys.readouterr().out
    assert train(tmp_path, *line, "--steps", "2") == 0
    assert steps_of(tmp_path)[-1] == 2
    assert stored(tmp_path) == config | {"steps": 2}

    for other in (["--preset", "pytorch"], ["--preset=lua"]):  # another original, and another weight than the stored one
        assert train(tmp_path, *other, "--steps", "2") == 2
        assert "loss.discriminator_weight is 0.25, not" in capsys.readouterr().err
    assert stored(tmp_path) == config | {"steps": 2}


@pytest.mark.parametrize("options", [["--preset", "nonsense"], ["--preset=nonsense"]])
@pytest.mark.parametrize("command", ["train", "summary"])
def test_an_unknown_preset_ends_with_2_and_one_line(capsys, tmp_path, monkeypatch, command, options):
    monkeypatch.chdir(tmp_path)
    assert main([command, "quickstart", *options]) == 2
    message = capsys.readouterr().err
    assert message.startswith("p2p-jax: there is no preset nonsense: it is one of ")
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_summary_shows_the_layers_of_a_preset(capsys):
    small = ["--image-size", "16", "--generator.width", "4", "--discriminator.width", "4", "--discriminator.num-layers=1"]
    shown = {}
    for options in ([], ["--preset", "affinelayer"], ["--preset", "affinelayer", "--generator.no-bottleneck-norm"]):
        assert main(["summary", "pix2pix", *small, *options]) == 0
        shown[len(options)] = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "norm" in line]
    assert "down2_norm" in shown[0]
    assert set(shown[2]) - set(shown[0]) == {"down3_norm"}  # at the bottleneck, which is 1 x 1
    assert shown[3] == shown[0]
