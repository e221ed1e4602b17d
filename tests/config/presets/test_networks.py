"""Every setting of a network alone, against forward passes that are written out."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.presets import (
    BY_HAND,
    KEY,
    PAIRS,
    PICTURES,
    SMALL,
    build_network,
    changed,
    computed,
    conv,
    leaky,
    normalize,
    relu,
    shapes_of,
    up,
    values_for,
)

from p2p_jax import generators, ops, pix2pix
from p2p_jax.config import Config
from p2p_jax.config.presets import apply_preset

jit = jax.jit


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
def test_a_setting_of_a_network_changes_only_what_it_should(which, setting, value, options):
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
# In the PyTorch original ("reference") convolutions before a batch norm have no bias, and neither have those of the U-Net's
# encoder and the PixelGAN's last one.
WITH_BIAS = {
    "unet": {"reference": ["up0"], "last": ["up0"]},
    "patchgan": {"reference": ["conv0", "conv3"], "last": ["conv3"]},
    "pixelgan": {"reference": ["conv0"], "last": ["conv2"]},
}


@pytest.mark.parametrize("architecture", CONVOLUTIONS)
@pytest.mark.parametrize("bias", tiers(["reference", "all", "last", "none"], slow=3))
def test_bias_selects_the_convolutions_that_have_one(architecture, bias):
    expected = {**WITH_BIAS[architecture], "all": CONVOLUTIONS[architecture], "none": []}[bias]
    which, x = ("generator", PICTURES) if architecture == "unet" else ("discriminator", PAIRS)
    config = changed(SMALL, **{f"{which}__architecture": architecture, f"{which}__bias": bias})
    for norm in ("batch", "none", "instance"):
        if norm == "instance" and bias == "reference":
            expected = CONVOLUTIONS[architecture]  # before an instance norm all carry one
        params = shapes_of(which, changed(config, **{f"{which}__norm": norm}), x)
        found = [name for name in CONVOLUTIONS[architecture] if "bias" in params[name]]
        assert found == expected, norm


def test_concat_order_only_exchanges_the_halves_of_the_decoders_kernels():
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


@pytest.mark.slow
def test_bottleneck_norm_removes_a_bottleneck_of_one_pixel_at_batch_1():
    """Tested without skip connections, which would bypass it: the output depends on the norm's bias, not on the picture."""
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


def test_bottleneck_norm_adds_a_norm_at_the_innermost_level_only():
    whole, x = Config(), jax.ShapeDtypeStruct((1, 256, 256, 3), "float32")
    default, other = (set(shapes_of("generator", c, x)) for c in (whole, changed(whole, generator__bottleneck_norm=True)))
    assert other - default == {"down7_norm"}
    assert default < other


def test_dropout_levels_select_the_levels_with_dropout(monkeypatch):
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
def test_norm_momentum_is_the_fraction_of_the_old_statistics_that_is_kept(which):
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


@pytest.mark.slow
def test_norm_stddev_is_the_standard_deviation_of_the_initial_scales():
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


def test_an_unconditional_discriminator_does_not_see_the_input():
    model = pix2pix.build(changed(SMALL, discriminator__conditional=False))
    pair = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 6)).astype(np.float32)
    params, state = model.discriminator.init(KEY, pair)
    alone = pix2pix.build_discriminator(SMALL.discriminator, "float32")
    judged, _ = model.discriminator.apply(params, state, pair, train=True)
    np.testing.assert_array_equal(judged, alone.apply(params, state, pair[..., 3:], train=True)[0])
    pair[..., :3] *= -1
    np.testing.assert_array_equal(judged, model.discriminator.apply(params, state, pair, train=True)[0])
    with_input = pix2pix.build(SMALL).discriminator.init(KEY, pair)[0]
    assert params["conv0"]["kernel"].shape[2] == with_input["conv0"]["kernel"].shape[2] - 3
