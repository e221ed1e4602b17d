"""Generators: scope functions from a picture (n, h, w, c) to a picture (n, h, w, out_channels) in [-1, 1].

Some make one network of another one.
"""

from p2p_jax.generators.inputs import with_input_noise as with_input_noise
from p2p_jax.generators.inputs import with_input_warp as with_input_warp
from p2p_jax.generators.resnet import resnet as resnet
from p2p_jax.generators.unet import UNET_64 as UNET_64
from p2p_jax.generators.unet import UNET_128 as UNET_128
from p2p_jax.generators.unet import UNET_256 as UNET_256
from p2p_jax.generators.unet import encoder_decoder as encoder_decoder
from p2p_jax.generators.unet import unet as unet
from p2p_jax.generators.unet import unet_dropout_rates as unet_dropout_rates
from p2p_jax.generators.unet import unet_widths as unet_widths
