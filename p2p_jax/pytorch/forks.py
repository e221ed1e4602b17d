"""Networks of other projects that grew from the PyTorch original: they are named for what they are, and refused."""

import re

from p2p_jax.errors import UserError
from p2p_jax.weight_files.torch_objects import Arrays, show

FORKS = {
    r"mlp_(shared|gamma|beta)\.": "SPADE's generator",
    r"discriminator_\d+\.model\d+\.": "SPADE's multi-scale discriminator",
    r"fc_(mu|var)\.": "SPADE's encoder of styles",
    r"model\d+_[12]\.\d+\.": "pix2pixHD's generator with local enhancers",
    r"(scale\d+_layer\d+|layer0)\.\d+\.(weight|bias)": "pix2pixHD's multi-scale discriminator",
    r"model\.\d+\.(conv_block\.\d+\.)?0\.weight": "SPADE's version of pix2pixHD's generator",
    r"model\.\d+\.conv_block\.\d+\.conv\.": "GAN Compression's resnet",
    r"mlp_\d+\.\d+\.": "CUT's network F, which only its loss needs",
    r"convs\.\d+\.(\d|conv)": "a StyleGAN2, which CUT has, too",
    r"(down_blocks|mid_block|up_blocks)\.": "a diffusion model",
}
"""What names belong to, by a pattern that one name of each such network has, after any prefix."""

LONGEST = 300
"""Characters of a name that are compared with the patterns."""

ADVICE = "give the state_dict of a unet, a resnet, a PatchGAN or a PixelGAN"


def refuse_forks(arrays: Arrays) -> None:
    """Refuses the networks of other projects.

    Raises:
        UserError: the names are those of such a network; the message says of which.
    """
    for pattern, what in FORKS.items():
        found = next((name for name in arrays if re.search(rf"(^|\.){pattern}", name[:LONGEST])), None)
        if found is not None:
            raise UserError(f"{show(found)} belongs to {what}, which is not supported: {ADVICE}.")


def refuse_changed_resnet(arrays: Arrays) -> None:
    """Refuses a ResNet whose layers differ from those of the PyTorch original and of CUT.

    Raises:
        UserError: it halves the pictures not twice, as pix2pixHD's do, or its blocks do not mirror the edges.
    """
    if any(re.fullmatch(r"model\.\d+\.conv_block\.0\.weight", name) for name in arrays):
        raise UserError(
            "the file is of a resnet whose blocks pad with zeros, which is not supported: give one whose blocks mirror the "
            "edges (padding_type reflect)."
        )
    outer = [name for name, array in arrays.items() if re.fullmatch(r"model\.\d+\.weight", name) and array.ndim == 4]
    halvings = len(outer) // 2 - 1  # without the first and the last convolution, one to halve and one to double
    if len(outer) % 2 == 0 and halvings not in (0, 2):
        blocks = any(".conv_block." in name for name in arrays)
        what = "pix2pixHD's global generator" if blocks else "pix2pixHD's encoder of features"
        raise UserError(
            f"the file is of a resnet that halves pictures {halvings} times, as {what} does, but only resnets that halve "
            f"them twice are supported: {ADVICE}."
        )
