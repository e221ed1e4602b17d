"""The segmentation discriminator: shapes, names, what it sees, and what the config builds."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.networks import pictures, shapes_of

from p2p_jax import discriminators, losses
from p2p_jax.config import Config, Data, Discriminator, Loss, Side
from p2p_jax.errors import UserError
from p2p_jax.network import network
from p2p_jax.pix2pix import build, build_discriminator

CLASSES, LABELS = 3, Side(kind="labels", channels=(1,), classes=3)
unet = network(discriminators.segmentation_unet, classes=CLASSES, widths=(2, 4))


def one_hot(numbers):
    return jax.nn.one_hot(numbers, CLASSES) * 2 - 1


@pytest.mark.parametrize("size", [(16, 16), (13, 18), (4, 5)])
def test_every_pixel_has_a_logit_for_each_class_and_for_fake(size):
    x = pictures(*size[:1], width=size[1])
    judge = lambda key, x: unet.apply(*unet.init(key, x), x, train=False)[0]
    assert jax.eval_shape(judge, jax.random.key(0), x).shape == (1, *size, CLASSES + 1)


def test_names_and_shapes_of_its_parameters_stay():
    params, state = shapes_of(discriminators.segmentation_unet, pictures(16), classes=CLASSES, widths=(2, 4, 8))
    named = {name: {part: leaf.shape for part, leaf in layer.items()} for name, layer in params.items()}
    norm = lambda channels: {"scale": (channels,), "bias": (channels,)}
    assert named == {
        "down0": {"kernel": (4, 4, 3, 2), "bias": (2,)},
        "down1": {"kernel": (4, 4, 2, 4)},
        "down1_norm": norm(4),
        "down2": {"kernel": (4, 4, 4, 8)},
        "down2_norm": norm(8),
        "up2": {"kernel": (3, 3, 8, 4)},
        "up2_norm": norm(4),
        "up1": {"kernel": (3, 3, 8, 2)},
        "up1_norm": norm(2),
        "up0": {"kernel": (3, 3, 4, 4), "bias": (4,)},
    }
    assert set(state["batch_stats"]) == {name for name in named if name.endswith("_norm")}


def test_a_picture_that_cannot_be_halved_so_often_is_refused():
    with pytest.raises(UserError, match="was given pictures of 3 x 9 pixels, but with 2 layers it needs at least 4"):
        unet.init(jax.random.key(0), jnp.zeros((1, 3, 9, 3)))


def test_it_judges_the_picture_alone_and_sets_the_labels_beside():
    shown = unet._replace(init=lambda key, x: ({}, {}), apply=lambda params, state, x, **_: (10 * x, state))
    judge = discriminators.with_labels(shown, CLASSES, ignored=1)
    numbers = np.array([[[0, 1], [2, 2]]])
    picture = jnp.linspace(-1, 1, 16).reshape(1, 2, 2, 4)
    judged, _ = judge.apply({}, {}, jnp.concatenate([one_hot(numbers), picture], -1), train=True)
    np.testing.assert_array_equal(judged.logits, 10 * picture)
    np.testing.assert_array_equal(judged.labels, np.eye(CLASSES)[numbers] * [1, 0, 1])


@pytest.mark.parametrize(
    ("side", "dtype"),
    [(LABELS, "float32"), (replace(LABELS, ignore=255), "bfloat16"), (replace(LABELS, ignore=1), "bfloat16")],
)
def test_the_config_builds_it_with_the_classes_of_the_input(side, dtype):
    options = Discriminator("segmentation", width=2, num_layers=2, spectral_norm=True)
    config = Config(image_size=16, epochs=None, steps=8, discriminator=options, loss=Loss(label_mix=10.0))
    model, classes = build(replace(config, data=Data(input=side), dtype=dtype)), 4 if side.ignore == 255 else 3
    assert model.adversarial == losses.segmentation_adversarial
    assert model.penalty.keywords == {"weight": 10.0}
    pair = jnp.ones((1, 16, 16, classes + 3))
    params, state = jax.eval_shape(model.discriminator.init, jax.random.key(0), pair)
    judge = lambda params, state: model.discriminator.apply(params, state, pair, train=True)[0]
    judged = jax.eval_shape(judge, params, state)
    assert (judged.logits.shape, judged.labels.shape) == ((1, 16, 16, classes + 1), (1, 16, 16, classes))
    assert judged.logits.dtype == jnp.float32


def test_without_classes_it_cannot_be_built():
    with pytest.raises(UserError, match="inputs without classes"):
        build_discriminator(Discriminator("segmentation"), "float32")
