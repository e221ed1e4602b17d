"""The settings that the paper's tables compare, as changes of one base config."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from experiments import quickstart
from p2p_jax.config import Config, as_size
from p2p_jax.experiment import find_installed

STEPS = 2000
"""Steps of a run on the built-in facades, so that a table of 15 runs takes less than 40 minutes on 2 cores."""


class Setting(NamedTuple):
    """One row of a table.

    Attributes:
        name: of its folder.
        title: in tables.
        change: from the base config to that of the row.
    """

    name: str
    title: str
    change: Callable[[Config], Config]


def _loss(config: Config, *, reconstruction: bool, adversarial: bool, conditional: bool = True) -> Config:
    weights = {"reconstruction_weight": config.loss.reconstruction_weight * reconstruction}
    loss = replace(config.loss, adversarial_weight=config.loss.adversarial_weight * adversarial, **weights)
    return replace(config, loss=loss, discriminator=replace(config.discriminator, conditional=conditional))


def _without_skips(config: Config) -> Config:
    return replace(config, generator=replace(config.generator, architecture="encoder_decoder"))


def _patch(config: Config, layers: int) -> Config:
    """A discriminator that judges patches; 0 layers: single pixels."""
    architecture = "patchgan" if layers else "pixelgan"
    options = replace(config.discriminator, architecture=architecture, num_layers=layers or 3, widths=None)
    return replace(config, discriminator=options)


L1_CGAN = Setting("l1_cgan", "L1 + cGAN", lambda config: config)
L1 = Setting("l1", "L1", lambda config: _loss(config, reconstruction=True, adversarial=False))
GAN = Setting("gan", "GAN", lambda config: _loss(config, reconstruction=False, adversarial=True, conditional=False))
CGAN = Setting("cgan", "cGAN", lambda config: _loss(config, reconstruction=False, adversarial=True))
L1_GAN = Setting(
    "l1_gan", "L1 + GAN", lambda config: _loss(config, reconstruction=True, adversarial=True, conditional=False)
)
ENCODER_L1 = Setting("encoder_decoder_l1", "encoder-decoder, L1", lambda config: _without_skips(L1.change(config)))
ENCODER_L1_CGAN = Setting("encoder_decoder_l1_cgan", "encoder-decoder, L1 + cGAN", _without_skips)
PIXELS = Setting("patch_1", "patches of 1 pixel", lambda config: _patch(config, 0))
PATCHES_16 = Setting("patch_16", "patches of 16 pixels", lambda config: _patch(config, 1))


def whole_pictures(config: Config) -> Setting:
    """The discriminator whose patches are at least as large as the picture: 70 pixels, or 286 as in the paper."""
    layers, size = (3, 70) if max(as_size(config.image_size)) <= 70 else (5, 286)
    return Setting(f"patch_{size}", f"patches of {size} pixels", lambda changed: _patch(changed, layers))


def own_patches(config: Config) -> Setting:
    """L1 + cGAN, named by the size of its patches: 34 pixels on the built-in facades, otherwise 70 as in the paper."""
    size = {2: 34, 3: 70}[config.discriminator.num_layers]
    return L1_CGAN._replace(title=f"patches of {size} pixels")


def base_config(name: str | None, steps: int | None) -> Config:
    """The config of which every setting is a change.

    Args:
        name: of an installed experiment, with the paper's size; by default the built-in facades, small.
        steps: of a run; by default those of the experiment, or `STEPS`.
    """
    config: Config = quickstart.CONFIG if name is None else find_installed(name).config
    if name is None or steps is not None:
        length = steps or STEPS
        config = replace(config, steps=length, epochs=None, sample_every=length, checkpoint_every=min(1000, length))
    return config
