"""Pure functions of arrays: convolution, activations, normalisation, resampling. No Flax, no state.

Pictures are arrays of NHWC layout: (picture, row, column, channel). How a function is computed may depend on the platform
and the shapes; callers need not know.
"""

from p2p_jax.ops.activations import dropout as dropout
from p2p_jax.ops.activations import leaky_relu as leaky_relu
from p2p_jax.ops.activations import relu as relu
from p2p_jax.ops.activations import sigmoid as sigmoid
from p2p_jax.ops.activations import tanh as tanh
from p2p_jax.ops.antialiasing import blur_downsample as blur_downsample
from p2p_jax.ops.antialiasing import upsample_bilinear as upsample_bilinear
from p2p_jax.ops.convolution import conv2d as conv2d
from p2p_jax.ops.convolution import conv2d_transpose as conv2d_transpose
from p2p_jax.ops.displacement import displace as displace
from p2p_jax.ops.normalization import moments as moments
from p2p_jax.ops.normalization import normalize as normalize
from p2p_jax.ops.normalization import standardize as standardize
from p2p_jax.ops.resampling import concat_channels as concat_channels
from p2p_jax.ops.resampling import reflect_pad as reflect_pad
from p2p_jax.ops.resampling import resize as resize
from p2p_jax.ops.resampling import upsample_nearest as upsample_nearest
