"""Parts of a step that use trained networks, built from a config; tiny random weights stand in for the trained ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.cases import tiers
from helpers.feature_weights import tiny_lite0

from p2p_jax import losses
from p2p_jax.config import Config, Data, Discriminator, Generator, Loss, Side
from p2p_jax.features import perceptual
from p2p_jax.pix2pix import build
from p2p_jax.step import init_train_state, make_train_step

SMALL = {"image_size": 32, "epochs": None, "steps": 8, "generator": Generator(widths=(2, 2))}
PATCHES = {"width": 2, "num_layers": 1}


@pytest.fixture(autouse=True)
def tiny_weights(monkeypatch):
    monkeypatch.setattr(perceptual, "read_lite0_weights", tiny_lite0)


def shapes_of(config, target_channels=3):
    """The metrics of a step, and the discriminator's state and logits, without compiling anything."""
    model = build(config)
    sides = {"input": 3, "target": target_channels}
    batch = {side: jax.ShapeDtypeStruct((2, 32, 32, channels), "float32") for side, channels in sides.items()}
    state = jax.eval_shape(lambda key, batch: init_train_state(key, model, batch), jax.random.key(0), batch)
    _, metrics = jax.eval_shape(make_train_step(model, accumulate=config.accumulate), state, batch)
    judge = lambda d, pair: losses.as_judged(model.discriminator.apply(d.params, d.state, pair, train=True)[0]).logits
    pair = jax.ShapeDtypeStruct((2, 32, 32, 3 + target_channels), "float32")
    return metrics, state.discriminator, jax.eval_shape(judge, state.discriminator, pair)


@pytest.mark.parametrize("dtype", tiers(["bfloat16", "float32"], slow=1))
def test_heads_stand_beside_the_patchgan_with_spectral_norm_of_their_own(dtype):
    config = Config(**SMALL, dtype=dtype, discriminator=Discriminator(**PATCHES, projected=True))
    _, discriminator, (patches, heads) = shapes_of(config)
    assert patches.shape == (2, 14, 14, 1)
    assert heads.shape == (2, 4 * 3 * 3, 1, 1)  # pictures are enlarged to 128 pixels, and each head halves to 4 x 4
    assert patches.dtype == heads.dtype == jnp.float32
    assert "spectral_norm" in discriminator.state["projected"]
    assert "spectral_norm" not in discriminator.state["pair"]
    assert set(jax.tree.map(lambda leaf: leaf.dtype.name, jax.tree.leaves(discriminator.params))) == {"float32"}
    kernels = discriminator.params["projected"]
    assert [kernels[f"head{i}_conv0"]["kernel"].shape[2:] for i in range(4)] == [(2, 2), (2, 4), (4, 8), (8, 16)]


@pytest.mark.slow
def test_the_patchgan_starts_as_it_would_without_heads():
    discriminators = [build(Config(**SMALL, discriminator=Discriminator(**PATCHES, projected=p))) for p in (False, True)]
    pair = jnp.zeros((1, 32, 32, 6))
    plain, both = (model.discriminator.init(jax.random.key(0), pair)[0] for model in discriminators)
    jax.tree.map(np.testing.assert_array_equal, plain, both["pair"])


@pytest.mark.parametrize(
    "options",
    tiers(
        [
            {"augment": ("colour", "cutout"), "augment_target": 0.6, "noise": 0.1, "norm": "none"},
            {"scales": 2, "spectral_norm": True, "conditional": False},
        ],
        slow=1,
    ),
)
def test_everything_else_can_be_combined_with_both(options):
    loss = Loss("hinge", perceptual=2.0, perceptual_network="lite0", relativistic=True, r1=1.0, feature_matching=1.0)
    config = Config(**SMALL, loss=loss, discriminator=Discriminator(**PATCHES, **options, projected=True))
    metrics, _, logits = shapes_of(config)
    assert len(jax.tree.leaves(logits)) == options.get("scales", 1) + 1
    assert {"generator_perceptual", "generator_matching"} <= set(metrics)


@pytest.mark.slow
def test_grey_targets_have_both():
    loss, data = Loss(perceptual=2.0, perceptual_network="lite0"), Data(target=Side(channels=(1,)))
    config = Config(**SMALL, loss=loss, data=data, discriminator=Discriminator(**PATCHES, projected=True))
    assert "generator_perceptual" in shapes_of(config, target_channels=1)[0]


def test_the_factor_multiplies_the_distance():
    random = np.random.default_rng(0)
    fake, target = (jnp.asarray(random.uniform(-1, 1, (1, 16, 16, 3)), jnp.float32) for _ in range(2))
    losses_ = [build(Config(**SMALL, loss=Loss(perceptual=p, perceptual_network="lite0"))).perceptual for p in (1.0, 4.0)]
    one, four = (float(jax.jit(loss)(fake, target)) for loss in losses_)
    assert one > 0
    assert four == pytest.approx(4 * one)
    assert build(Config(**SMALL)).perceptual is None
