"""The options of the commands."""

from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from p2p_jax.config.distributed import Distributed
from p2p_jax.config.presets import Preset

Device = Literal["auto", "cpu", "gpu", "tpu"]

EVERYDAY = (
    "--data.path", "--data.direction", "--image-size", "--epochs", "--steps", "--batch-size", "--optimizer.learning-rate",
    "--dtype", "--workdir", "--device", "--overwrite", "--init-from", "--preset", "--show-config",
)  # fmt: skip
"""The options of `train` that its short help shows."""


@dataclass(frozen=True)
class RunOptions:
    """The options of `train` that are not part of the config."""

    workdir: Path = Path("runs")
    """Folder of the run, or its URL in a bucket. If it holds a run already, the command resumes this run."""
    device: Device = "auto"
    """What to train on; auto uses a TPU or a GPU if JAX finds one."""
    overwrite: bool = False
    """Start again: remove the run in the workdir first."""
    accept_changed_data: bool = False
    """Resume although the pictures have changed since the run was started."""
    init_from: Path | None = None
    """Fine-tune: start from the networks of the run in this workdir, with their architecture and picture size."""
    preset: Preset | None = None
    """Settings of one of the four implementations of pix2pix. Other options of the command take precedence."""
    profile: bool = False
    """Record a JAX profile of a few steps into WORKDIR/profile."""
    trust: bool = False
    """Run the experiment file in the workdir although somebody else put it there."""
    show_config: bool = False
    """Print the config of the run, changed settings first, and exit."""
    distributed: Distributed = Distributed()
    """Several processes on one run."""


@dataclass(frozen=True)
class TypedLength:
    """The length given on the command line. It replaces the default length, even one in the other unit."""

    steps: int | None = None
    epochs: int | None = None


def train_options(name: str, config: Any) -> type:
    """The options of `train`: those of the run, and every field of the config without a prefix."""
    return make_dataclass(
        "TrainOptions",
        [
            ("workdir", Path, field(default=Path("runs") / name)),
            ("config", flat(config), field(default=config)),
        ],
        bases=(RunOptions,),
        frozen=True,
        namespace={"__doc__": f"Train {name}, or resume the run in WORKDIR."},
    )


@dataclass(frozen=True)
class PresetOption:
    """The preset of an experiment's config."""

    preset: Preset | None = None
    """Settings of one of the four implementations of pix2pix. Other options of the command take precedence."""


def summary_options(name: str, config: Any) -> type:
    """The options of `summary`: a preset, and every field of the config without a prefix."""
    return make_dataclass(
        "SummaryOptions",
        [("config", flat(config), field(default=config))],
        bases=(PresetOption,),
        frozen=True,
        namespace={"__doc__": f"Show the layers, shapes and parameters of the networks of {name}."},
    )


def flat(config: Any) -> Any:
    """The type of a config whose fields are options without a prefix."""
    return Annotated[type(config), tyro.conf.arg(name="")]


@dataclass(frozen=True)
class TranslateOptions:
    """Translate pictures with a trained run. The options of the training need not be given again."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or its URL in a bucket."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Pictures, or folders of pictures."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the results."""
    mode: Literal["picture", "running", "reference"] = "picture"
    """picture: batch norm uses each picture's own statistics, no dropout; running: it uses the running statistics of
    training, no dropout; reference: each picture's own statistics and dropout, as the PyTorch original tests by default."""
    native: bool = False
    """Keep the scale of the pictures. This is the default for imported networks."""
    resized: bool = False
    """Resize the pictures to the size of training, and the results back. This is the default for all other networks."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    batch_size: int = 8
    """Number of pictures that are translated at once."""
    format: Literal["png", "jpg", "webp", "tiff", "npy"] | None = None
    """Format of the results. By default png, or tiff for real numbers and for more than 4 channels."""
    seed: int = 0
    """Seed of the dropout in mode reference."""
    skip_existing: bool = False
    """Skip pictures whose results exist already, to resume a stopped command."""
    overwrite: bool = False
    """Replace results that exist. Without this option and --skip-existing, they are refused."""
    clip: bool = False
    """Replace values beyond the range of training by the nearest ones in it. Otherwise such pictures are refused."""
    as_is: bool = False
    """Translate all pictures of a folder that is laid out as for training. Otherwise only its inputs are translated."""
    trust: bool = False
    """Run the experiment file in the workdir although somebody else put it there."""
    distributed: Distributed = field(default_factory=Distributed)
    """Each process translates some of the pictures. The options processes and index are enough, because no process waits
    for another."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a trained run on a split of its data."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or its URL in a bucket."""
    split: Literal["train", "val", "test"] | None = None
    """Split to measure. By default the first that exists of test, val and train."""
    mode: Literal["picture", "running", "reference"] = "picture"
    """How batch norm and dropout work, as for p2p-jax translate."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    metrics: tuple[str, ...] | None = None
    """Metrics of trained networks to compute beside the others: all, or names such as lpips_alex lpips_vgg kid_vgg16 fid.
    By default lpips_alex and those of EfficientNet-Lite0, if their weights are installed."""
    inception: Path | None = None
    """File with Inception's weights, pt_inception-2015-12-05-6726825d.pth, which FID needs."""
    segmenter: Path | None = None
    """Run that finds labels in pictures, such as one of p2p-jax train segmenter: how many of the input's labels can be
    recognised in the outputs, and in the real targets."""
    data_path: Path | None = None
    """Where the pictures are now, if they were moved."""
    json: bool = False
    """Print JSON instead of a table."""
    partial: Path | None = None
    """Folder for partial results, so that the same command resumes where it was stopped."""
    trust: bool = False
    """Run the experiment file in the workdir although somebody else put it there."""
    distributed: Distributed = field(default_factory=Distributed)
    """Each process measures some of the pairs."""


@dataclass(frozen=True)
class ReportOptions:
    """Write the report of a run: pages of HTML that need no other file."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or its URL in a bucket."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    data_path: Path | None = None
    """Where the pictures are now, if they were moved."""
    trust: bool = False
    """Run the experiment file in the workdir although somebody else put it there."""
    follow: bool = False
    """Show a run while it trains: write WORKDIR/report/live.html again as rows and sample grids arrive, until the run is
    finished or Ctrl-C. Nothing is evaluated, and the run is not disturbed."""
    interval: int | None = None
    """With --follow: seconds between two looks for new rows, by default 10."""


@dataclass(frozen=True)
class CompareOptions:
    """Compare trained runs picture by picture, with intervals. Runs that differ only in their seed count as one setting."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """At least two workdirs, or their URLs in a bucket. The first one's setting is what the others are compared with."""
    split: Literal["train", "val", "test"] | None = None
    """Split to measure. By default the first that exists of test, val and train."""
    checkpoint: str = "latest"
    """latest, best, or a step number, of every run."""
    metrics: tuple[str, ...] | None = None
    """Metrics of trained networks, as for p2p-jax evaluate. Reports that lack them are not used; the run is measured."""
    inception: Path | None = None
    """File with Inception's weights, pt_inception-2015-12-05-6726825d.pth, which FID needs."""
    data_path: Path | None = None
    """Where the pictures of all runs are now, if they were moved."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for the page compare.html with curves and pictures, or the page itself (NAME.html). By default no page is
    written."""
    overwrite: bool = False
    """Replace a page that exists."""
    json: bool = False
    """Print JSON instead of tables."""
    partial: Path | None = None
    """Folder for partial results of runs that must be measured, so that the same command resumes where it was stopped."""
    trust: bool = False
    """Run the experiment files in the workdirs although somebody else put them there."""


@dataclass(frozen=True)
class ImportTorchOptions:
    """Make a workdir from checkpoints of the PyTorch original (latest_net_G.pth, latest_net_D.pth). Needs no PyTorch."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The generator's file, and the discriminator's if there is one, in any order."""
    workdir: Path
    """Folder to make, or its URL in a bucket."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Direction in which the networks were trained; needed for evaluation and fine-tuning."""
    image_size: int | None = None
    """Pixels a side of the training pictures. By default 256; 128 for a unet of 7 levels, 2 ** levels for more than 8."""
    dropout: float = 0.5
    """Dropout rate for training and for mode reference. The files do not hold it; give 0 if the networks were trained with
    --no_dropout."""
    overwrite: bool = False
    """Remove the run in the workdir first."""


@dataclass(frozen=True)
class ExportTorchOptions:
    """Write the networks of a run as files that the PyTorch original loads."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Folder of the run, or its URL in a bucket."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for latest_net_G.pth and latest_net_D.pth."""
    overwrite: bool = False
    """Replace files that exist."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    trust: bool = False
    """Run the experiment file in the workdir although somebody else put it there."""
