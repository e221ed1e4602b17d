"""Prefixes that all names of a state_dict share are dropped; several networks in one file are told apart."""

import numpy as np
import pytest
from helpers.weights import random_weights

from p2p_jax.config import Discriminator, Generator
from p2p_jax.errors import UserError
from p2p_jax.pytorch import convert
from p2p_jax.pytorch.prefixes import without_prefixes

NETWORKS = {
    "unet": Generator("unet", width=2, widths=(2, 4, 4), dropout=0.0),
    "resnet": Generator("resnet", width=2, num_blocks=1, dropout=0.0),
    "cut": Generator("resnet", width=2, num_blocks=0, dropout=0.0, norm="instance", antialias="both"),
    "patchgan": Discriminator("patchgan", num_layers=1, width=2),
    "pixelgan": Discriminator("pixelgan", width=2),
}
PREFIXES = (
    "netG.",
    "model.netG.",
    "model.",
    "model.model.",
    "module.netG.module.",
    "netG._orig_mod.module.",
    "_orig_mod.module.model.netG.",
    "state.generator.net.",
    "pix2pix.netG_A.",
)


def arrays_of(name, **changes):
    options = NETWORKS[name]
    return convert.to_torch(options, *random_weights(options, **changes))


@pytest.mark.parametrize("name", NETWORKS)
def test_prefixes_of_any_depth_are_dropped(name):
    arrays = arrays_of(name)
    assert list(without_prefixes(arrays)) == list(arrays)
    for prefix in PREFIXES:
        found = without_prefixes({prefix + key: array for key, array in arrays.items()})
        assert list(found) == list(arrays), prefix
        assert all(found[key] is arrays[key] for key in arrays)


@pytest.mark.parametrize("wrapper", ["module", "_orig_mod"])
def test_a_wrapper_inside_the_network_is_dropped(wrapper):
    arrays = arrays_of("resnet")
    inside = {f"netG.model.{wrapper}.{key.removeprefix('model.')}": array for key, array in arrays.items()}
    assert list(without_prefixes(inside)) == list(arrays)


@pytest.mark.parametrize("outer", ["", "model."])
@pytest.mark.parametrize(("generator", "discriminator"), [("unet", "patchgan"), ("resnet", "pixelgan")])
def test_several_networks_in_one_file_are_named(generator, discriminator, outer):
    both = {f"{outer}netG.{key}": array for key, array in arrays_of(generator).items()}
    both |= {f"{outer}netD.{key}": array for key, array in arrays_of(discriminator).items()}
    with pytest.raises(UserError, match=r"tensors of netG and netD, but one network is expected: .* model.netG.state_dict"):
        convert.from_torch(both)


def test_a_network_beside_other_tensors_is_named():
    both = {f"netG.{key}": array for key, array in arrays_of("unet").items()} | {"criterion.label": np.ones(1)}
    with pytest.raises(UserError, match="tensors of netG and criterion, but one network is expected"):
        convert.from_torch(both)


def test_unknown_names_stay_as_they_are():
    for names in ([], ["a"], ["a.b", "a.c"], ["weight"], [""], [".", ".."]):
        arrays = {name: np.ones(1) for name in names}
        assert without_prefixes(arrays) == arrays


def test_names_of_many_parts_are_read_in_little_time():
    name = "netG." * 50_000
    with pytest.raises(UserError, match="no network of the PyTorch original"):
        convert.from_torch({f"{name}a": np.ones(1), f"{name}b": np.ones(1)})
