"""Discriminators: networks from input and picture, stacked as channels, to a map of logits.

A logit is the score of a patch before the sigmoid: above 0 it is more likely real, below 0 more likely fake. Some are scope
functions, and others make one network of another one.
"""

from p2p_jax.discriminators.changes import adapt_probability as adapt_probability
from p2p_jax.discriminators.changes import augmented as augmented
from p2p_jax.discriminators.changes import change_pair as change_pair
from p2p_jax.discriminators.patches import patchgan as patchgan
from p2p_jax.discriminators.patches import patchgan_widths as patchgan_widths
from p2p_jax.discriminators.patches import pixelgan as pixelgan
from p2p_jax.discriminators.projected import projected_heads as projected_heads
from p2p_jax.discriminators.projected import with_projected as with_projected
from p2p_jax.discriminators.scales import at_scales as at_scales
from p2p_jax.discriminators.segmentation import segmentation_unet as segmentation_unet
from p2p_jax.discriminators.segmentation import with_labels as with_labels
from p2p_jax.discriminators.spectral import spectral_norm as spectral_norm
from p2p_jax.discriminators.views import with_noise as with_noise
from p2p_jax.discriminators.views import without_input as without_input
