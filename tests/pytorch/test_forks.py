"""Networks of other projects are refused and named for what they are."""

import numpy as np
import pytest
from helpers.weights import random_weights

from p2p_jax.config import Generator
from p2p_jax.errors import UserError
from p2p_jax.pytorch import convert


def convolution(features=4, channels=4, side=3):
    return np.zeros((features, channels, side, side), np.float32)


def resnet_of(halvings, blocks):
    """The names of pix2pixHD's global generator, or of its encoder without blocks."""
    places = [1, *range(4, 4 + 3 * halvings, 3)]
    first = places[-1] + 3
    places += [*range(first + blocks, first + blocks + 3 * halvings, 3)]
    places += [places[-1] + 4]
    names = [f"model.{place}" for place in places]
    names += [f"model.{first + i}.conv_block.{place}" for i in range(blocks) for place in (1, 5)]
    return {f"{name}.weight": convolution() for name in names} | {f"{name}.bias": np.zeros(4) for name in names}


def local_enhancer():
    names = ["model.1", "model.4", "model1_1.1", "model1_1.4", "model1_2.0.conv_block.1", "model1_2.3", "model1_2.7"]
    return {f"{name}.weight": convolution() for name in names}


def spade(*, spectral):
    names = ["fc", "head_0.conv_0", "head_0.norm_0.mlp_shared.0", "head_0.norm_0.mlp_gamma", "up_0.conv_s", "conv_img"]
    found = {f"{name}.weight": convolution() for name in names}
    if spectral:
        found["head_0.conv_0.weight_orig"] = found.pop("head_0.conv_0.weight")
        found |= {"head_0.conv_0.weight_u": np.ones(4), "head_0.conv_0.weight_v": np.ones(36)}
    return found


def named(*names):
    return {name: convolution() for name in names}


FOREIGN = {
    "pix2pixHD global": (resnet_of(4, 9), "halves pictures 4 times, as pix2pixHD's global generator does"),
    "pix2pixHD small": (resnet_of(3, 2), "halves pictures 3 times, as pix2pixHD's global generator does"),
    "pix2pixHD encoder": (resnet_of(4, 0), "halves pictures 4 times, as pix2pixHD's encoder of features does"),
    "pix2pixHD local": (local_enhancer(), "pix2pixHD's generator with local enhancers"),
    "pix2pixHD D": (named("scale0_layer0.0.weight", "scale1_layer0.0.weight"), "pix2pixHD's multi-scale discriminator"),
    "pix2pixHD D without features": (named("layer0.0.weight", "layer1.0.weight"), "pix2pixHD's multi-scale discriminator"),
    "SPADE": (spade(spectral=False), "SPADE's generator"),
    "SPADE with spectral norm": (spade(spectral=True), "SPADE's generator"),
    "SPADE D": (named("discriminator_0.model0.0.weight", "discriminator_1.model0.0.weight"), "SPADE's multi-scale"),
    "SPADE encoder": (named("layer1.0.weight", "fc_mu.weight", "fc_var.weight"), "SPADE's encoder of styles"),
    "SPADE's pix2pixHD": (named("model.1.0.weight", "model.3.0.weight", "model.11.weight"), "SPADE's version of pix2pixHD"),
    "CUT's F": (named("mlp_0.0.weight", "mlp_0.2.weight", "mlp_1.0.weight"), "CUT's network F"),
    "CUT's StyleGAN2": (named("encoder.convs.1.0.weight", "decoder.convs.0.conv1.0.weight"), "a StyleGAN2"),
    "GAN Compression": (named("model.1.weight", "model.10.conv_block.1.conv.0.weight"), "GAN Compression's resnet"),
    "diffusion": (named("down_blocks.0.resnets.0.conv1.weight", "conv_in.weight"), "a diffusion model"),
}


@pytest.mark.parametrize("prefix", ["", "module.", "netG.module."])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_network_of_another_project_is_named(name, prefix):
    arrays, words = FOREIGN[name]
    with pytest.raises(UserError, match=words) as caught:
        convert.from_torch({prefix + key: array for key, array in arrays.items()})
    message = str(caught.value)
    assert message.endswith("supported: give the state_dict of a unet, a resnet, a PatchGAN or a PixelGAN.")
    assert message.isprintable()


def test_pix2pixhds_generator_of_two_halvings_is_the_same_resnet():
    options = Generator("resnet", width=2, num_blocks=3, norm="instance", dropout=0.0)
    assert set(convert.to_torch(options, *random_weights(options))) == set(resnet_of(2, 3))


def test_blocks_that_pad_with_zeros_are_named():
    arrays = {name.replace("conv_block.1", "conv_block.0"): array for name, array in resnet_of(2, 1).items()}
    with pytest.raises(UserError, match="a resnet whose blocks pad with zeros, which is not supported"):
        convert.from_torch(arrays)


def test_long_names_are_compared_in_little_time():
    name = "convs.a." * 100_000 + "x"
    with pytest.raises(UserError, match="no network of the PyTorch original"):
        convert.from_torch({name: np.ones(1), f"{name}y": np.ones(1)})
