"""The config of a run: frozen dataclasses of numbers, paths and choices. Every field is an option of `p2p-jax train`.

Data goes here; composition (a new norm, block or loss) goes into an experiment's `build`. No jax is imported here.

Fields marked `runtime` say how a run is carried out and may change when it is taken up again; all others say what the
run is, and are refused when they differ.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro


def runtime(default: Any) -> Any:
    """A field that may change when a run is taken up again."""
    return field(default=default, metadata={"runtime": True})


Norm = Literal["batch", "instance", "none"]


Statistics = Literal["batch", "group", "picture", "running"]


Bias = Literal["reference", "all", "last", "none"]


@dataclass(frozen=True)
class Generator:
    """The network that makes the picture."""

    architecture: Literal["unet", "encoder_decoder", "resnet"] = "unet"
    """unet; encoder_decoder: the unet without skips; resnet."""
    width: int = 64
    """Features of the first level."""
    widths: tuple[int, ...] | None = None
    """Features of every level of the unet; by default one level per halving of the picture, at most 8, up to 8 width."""
    num_blocks: int = 9
    """Residual blocks of the resnet."""
    norm: Norm = "batch"
    statistics: Statistics = "batch"
    """Batch norm with the statistics of the batch, of groups of its pictures, of each picture by itself, or the running
    ones."""
    group_size: int | None = None
    """Pictures that share statistics, with statistics group; by default as many as each device has when the run is first
    started."""
    norm_epsilon: float = 1e-5
    """Added to the variance."""
    norm_momentum: float = 0.9
    """Share of the old running statistics kept per step."""
    norm_stddev: float = 0.02
    """Spread of batch norm's first scales around 1."""
    bias: Bias = "reference"
    """Biases on the last convolution and, before instance norm, on all others; on all; on the last one; on none."""
    dropout: float = 0.5
    """Share of values set to zero where the paper has dropout; 0 for none."""
    dropout_levels: Literal["reference", "innermost"] = "reference"
    """The unet's levels with dropout: from the fifth on but for the innermost; or the three innermost."""
    skip: Literal["concat", "concat_decoder_first", "add", "gated"] = "concat"
    """How the unet's bridges join the way up."""
    leaky_slope: float = 0.2
    """Of the unet's activations on the way down."""
    post_activation: bool = False
    """The unet's levels activate what they give (as the TensorFlow tutorial) instead of what they are given."""
    bottleneck_norm: bool = False
    """A norm on the unet's innermost convolution; at batch 1 it removes the bottleneck where that is 1 x 1."""
    upsample: Literal["transpose", "resize"] = "transpose"
    """transpose: transposed convolution; resize: nearest and convolution, against checkerboards."""
    remat: bool = False
    """Compute activations again in the backward pass: less memory, more time."""


@dataclass(frozen=True)
class Discriminator:
    """The network that judges it."""

    architecture: Literal["patchgan", "pixelgan"] = "patchgan"
    num_layers: int = 3
    """Layers of the patchgan: 1 to 5 see patches of 16, 34, 70, 142 and 286 pixels."""
    width: int = 64
    """Features of the first layer."""
    widths: tuple[int, ...] | None = None
    """Features of all but the last layer of the patchgan; by default from num_layers and width, up to 8 width."""
    norm: Norm = "batch"
    statistics: Statistics = "batch"
    group_size: int | None = None
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    norm_stddev: float = 0.02
    bias: Bias = "reference"
    """Biases on the first and last convolution and, before instance norm, on all others; on all; the last one; none."""
    leaky_slope: float = 0.2


@dataclass(frozen=True)
class Loss:
    """What both networks make small."""

    adversarial: Literal["bce", "least_squares", "hinge", "wasserstein"] = "bce"
    reconstruction: Literal["l1", "l2"] = "l1"
    reconstruction_weight: float = 100.0
    """Factor of the reconstruction loss beside the adversarial one."""
    adversarial_weight: float = 1.0
    """Factor of the adversarial loss of the generator; 0 trains on the reconstruction alone."""
    discriminator_weight: float = 0.5
    """Factor of the discriminator's loss."""
    log_epsilon: float = 0.0
    """Added inside bce's logarithms."""
    label_smoothing: float = 0.0
    """Real pictures count as real with 1 minus this."""
    gradient_penalty: float | None = None
    """Factor of the gradient penalty; by default 10 with wasserstein and 0 with the others."""


@dataclass(frozen=True)
class Optimizer:
    """Adam, for each network its own."""

    learning_rate: float = 2e-4
    discriminator_learning_rate: float | None = None
    """By default the generator's."""
    beta1: float = 0.5
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_place: Literal["after_correction", "before_correction"] = "after_correction"
    """Epsilon joins the root of the second moment after its bias correction (PyTorch) or before (Torch, TensorFlow)."""
    update: Literal["sequential", "stale", "simultaneous"] = "sequential"
    """The generator learns from the updated discriminator; from its update's weights but its old values (Torch); or from
    the old one (TensorFlow)."""
    schedule: Literal["linear", "constant", "step", "cosine"] = "linear"
    """linear: constant for the first half, then down to zero. Changes once an epoch where the length is given in
    epochs (as the reference does), at every step where it is given in steps."""
    batch_rule: Literal["none", "linear", "root"] = "none"
    """linear, root: both learning rates are meant for batch 1, and multiplied by batch_size (Goyal et al. 2017) or by its
    square root (Malladi et al. 2022, for Adam); none: they are taken as they are."""
    warmup_steps: int = 0
    """Steps over which the learning rates rise from 0, in proportion, to what the schedule gives."""
    clip: float | None = None
    """Largest global norm of the gradients of a network; by default not limited."""


Size = int | tuple[int, int]
"""Pixels a side, or (height, width)."""


@dataclass(frozen=True)
class Side:
    """What the pictures on one side of the pairs are."""

    kind: Literal["image", "labels"] = "image"
    """image: resized by data.resize; labels: a map of classes, resized to the nearest pixel and so never blurred."""
    channels: tuple[int, ...] = (3,)
    """Channels: 1 grey, 3 RGB, 4 RGB and alpha, or as many as the files have. Where a side has several pictures (A1, A2,
    …), which are stacked, a number for each, such as 3 1."""
    depth: Literal["8", "16", "float"] = "8"
    """Bits of a value in the files and in what is written; float: real numbers, taken as they are."""
    range: tuple[float, float] | None = None
    """Values that become -1 and 1; by default 0 255 for 8 bits, 0 65535 for 16 and 0 1 for float."""
    classes: int | None = None
    """labels: one channel per class (one-hot). Pixels hold the numbers of classes, from 0 on."""
    palette: tuple[str, ...] | None = None
    """labels: one channel per class (one-hot). The colours of the classes: cmp, a file with a line R G B [name] for each,
    or the colours themselves, such as #0000de #ff0000. Other colours count as the nearest one."""
    colour_jitter: float = 0.0
    """Change brightness, contrast and saturation at random, each by up to this share; images only."""


@dataclass(frozen=True)
class Augment:
    """What training does to both sides of a pair alike, at random. The crop comes from data.load_size."""

    flip: bool = True
    """Mirror half of the pairs left to right."""
    vertical_flip: bool = False
    """Mirror half of the pairs top to bottom."""
    quarter_turns: bool = False
    """Turn by 0, 90, 180 or 270 degrees; square pictures only."""
    rotate: float = 0.0
    """Turn by up to so many degrees either way."""
    zoom: float = 0.0
    """Enlarge or shrink by up to this share."""
    shift: float = 0.0
    """Move by up to this share of height and width."""


@dataclass(frozen=True)
class Data:
    """Where the pairs come from, and how their pictures are brought to the networks."""

    source: Literal["folder", "procedural"] = "folder"
    """folder: your pictures (data.path) or a prepared set (data.tfds); procedural: facades drawn by the program."""
    path: str | None = runtime(None)
    """Folder of pairs: side-by-side pictures, or folders A and B with matching names; with train/val/test or without.
    Or a list of pairs: .csv, .tsv or .jsonl. Comes before data.tfds."""
    tfds: str | None = None
    """A set of tensorflow-datasets that was prepared (p2p-jax data prepare), such as pix2pix/facades."""
    tfds_features: tuple[str, ...] | None = None
    """The features of any other set that are A and B, such as image segmentation_mask."""
    tfds_dir: str | None = runtime(None)
    """Folder of prepared sets; by default that of tensorflow-datasets."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """AtoB: A (left) is the input; BtoA: B (right) is the input."""
    input: Side = Side()
    target: Side = Side()
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "pad", "none"] = "resize_and_crop"
    """resize_and_crop: to load_size, then a random crop of image_size; crop: that without resizing; scale_width: to the
    width, keeping the ratio; scale_width_and_crop; pad: made to fit into image_size and filled up by mirroring; none."""
    load_size: Size | None = None
    """Pixels a side, or height and width, to resize to before the random crop; by default image_size 286 / 256. Equal to
    image_size: no crop."""
    resize: Literal["bicubic", "bilinear", "area", "nearest"] = "bicubic"
    """How images are resized."""
    transparency: Literal["refuse", "drop"] = "refuse"
    """What to do with pictures that are transparent somewhere, where no channel is meant for it."""
    val_fraction: float = 0.0
    """Share of the training pairs to split off for validation, where there is no val folder."""
    test_fraction: float = 0.0
    """Share of the training pairs to split off for the test, where there is no test folder."""
    count: int = 400
    """procedural: pairs to train on; an eighth as many for validation and for the test."""
    on_error: Literal["raise", "skip"] = runtime("raise")
    """An unreadable pair stops the run, or is replaced by another one."""
    threads: int = runtime(2)
    """Threads that read pictures."""
    processes: int = runtime(0)
    """Processes that read pictures, in place of threads, where they are not kept in memory."""
    cache: Literal["auto", "none", "memory", "device"] = runtime("auto")
    """Where decoded pictures are kept: auto: in memory, or on an accelerator's own, if they need at most cache_mib."""
    cache_mib: int = runtime(1024)
    """MiB of decoded pictures that auto keeps."""


@dataclass(frozen=True)
class Config:
    """A whole run; the defaults are the paper's."""

    image_size: Size = 256
    """Pixels a side of the pictures, or height and width. With data.preprocess none it only sets how deep the U-Net is."""
    epochs: int | None = 200
    """Length in passes over the training pairs."""
    steps: int | None = None
    """Length in steps, instead of epochs."""
    steps_per_epoch: Annotated[int | None, tyro.conf.Suppress] = None
    batch_size: int = 1
    """Pairs per step, over all devices."""
    accumulate: int = 1
    """Parts that a batch is gone through in, one after the other, for less memory: one update from the mean of their
    gradients. Statistics of batch norm are those of a part."""
    steps_per_call: int | None = None
    """Steps that the device does in one go, so that none waits for the host in between; by default 1 on a CPU, 10 on an
    accelerator. A run is stopped, logged and saved between two calls."""
    sharding: Literal["auto", "replicated", "sharded"] = runtime("auto")
    """Each device has a copy of the whole state, or a share of every large array; auto: shares where copies do not fit."""
    model_parallel: int = runtime(1)
    """Devices that share the features of every large layer, in place of pictures."""
    seed: int = 0
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the activations; parameters, statistics and losses stay float32."""
    ema_decay: float | None = None
    """Keep a moving average of the generator, with this share of the old one per step (for example 0.999)."""
    generator: Generator = Generator()
    discriminator: Discriminator = Discriminator()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    data: Data = Data()
    augment: Augment = Augment()
    native: bool = runtime(False)
    """Translate pictures at their own scale by default, instead of at image_size."""
    log_every: int = runtime(50)
    """Steps between two rows of metrics.jsonl."""
    sample_every: int = runtime(1000)
    """Steps between two sample grids."""
    checkpoint_every: int = runtime(1000)
    """Steps between two checkpoints."""
    keep: int = runtime(2)
    """Checkpoints kept, besides the best one where there is a validation split."""
    best_metric: Literal["val_ssim", "val_psnr", "val_l1"] = runtime("val_ssim")
    """What makes a checkpoint the best."""
    val_pictures: int = runtime(64)
    """Validation pairs looked at for each checkpoint, at most."""
    on_nan: Literal["stop", "skip"] = runtime("stop")
    """When a loss or the networks are no longer finite: stop; or skip the batch that did it, going back to the last
    checkpoint for that; 20 of them at most."""
    tensorboard: bool = runtime(False)
    """Write TensorBoard events too."""
