"""What to measure: the options of the command, and the contestants and cases that follow from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from p2p_jax import config as configs
from p2p_jax.config.checks import check_config
from p2p_jax.errors import Stopped

Dtype = Literal["float32", "bfloat16"]
Part = Literal["step", "forward", "data", "layers"]
Variant = Literal["reference", "tuned", "autocast", "autocast-tuned"]

REFERENCE = "PyTorch as the reference"
VARIANTS: dict[str, dict[str, Any]] = {
    "reference": {"name": REFERENCE},
    "tuned": {"name": "PyTorch tuned", "channels_last": True, "fused": True},
    "autocast": {"name": "PyTorch autocast", "dtype": "bfloat16"},
    "autocast-tuned": {"name": "PyTorch autocast tuned", "dtype": "bfloat16", "channels_last": True, "fused": True},
}
LEAST_SIZE = 24  # of the 70-pixel PatchGAN


@dataclass(frozen=True)
class Options:
    """Measure p2p_jax and, where it is installed, PyTorch, side by side."""

    image_sizes: tuple[int, ...] = (256,)
    """Pixels a side; each with each batch size."""
    batch_sizes: tuple[int, ...] = (1,)
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16")
    """Of p2p_jax, a row each."""
    torch: tuple[Variant, ...] = ("reference", "tuned", "autocast", "autocast-tuned")
    """Of PyTorch, a row each; without a value PyTorch is left out. reference: eager, NCHW, plain Adam; tuned: channels_last
    and fused Adam; autocast: to bfloat16; autocast-tuned: both."""
    compile: bool = False
    """Also measure torch.compile of what is tuned; on CUDA it is always measured."""
    parts: tuple[Part, ...] = ("step", "forward", "data", "layers")
    """step: of training; forward: of the generator; data: from disk to weights; layers: where p2p_jax spends the time."""
    width: int = 64
    """Features of the first layer of both networks; the paper's 64."""
    rounds: int = 5
    """Turns that each contestant has."""
    steps: int | None = None
    """Steps a turn; by default 3 on a CPU and 20 on an accelerator."""
    workers: int = 2
    """Threads that read pictures here, processes of the DataLoader there."""
    grow: bool = False
    """Also measure how time and memory grow with picture size, batch and width."""
    seconds: float = 60.0
    """Leave out points of --grow that would take longer."""
    gib: float = 8.0
    """Leave out points of --grow that would need more memory."""
    patience: float = 1800.0
    """Seconds after which a contestant that does not answer is given up."""
    output: Path = Path("runs/benchmark")
    """Folder of benchmark.json and the plots."""


class Contestant(NamedTuple):
    """One row: a framework, and how it is run.

    Attributes:
        name: in tables.
        framework: jax or torch.
        dtype: of the activations; bfloat16 in PyTorch by autocast.
        channels_last, fused, compiled: PyTorch's memory layout, its fused Adam, torch.compile.
    """

    name: str
    framework: Literal["jax", "torch"]
    dtype: Dtype = "float32"
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False


class Case(NamedTuple):
    """What all contestants are given at a time: pixels a side, pictures per step, features of the first layers."""

    image_size: int
    batch_size: int
    width: int


def check_options(options: Options) -> None:
    """Refuses what cannot be measured.

    Raises:
        Stopped: with the sentence for the user.
    """
    named = {"--image-sizes": options.image_sizes, "--batch-sizes": options.batch_sizes, "--dtypes": options.dtypes}
    for option, values in (named | {"--parts": options.parts}).items():
        if not values:
            raise Stopped(f"{option} was given without a value: give at least one.", 2)
    counts = {"--width": options.width, "--rounds": options.rounds, "--steps": options.steps, "--workers": options.workers}
    for option, value in counts.items():
        if value is not None and value < 1:
            raise Stopped(f"{option} was given {value}: it must be at least 1.", 2)
    for option, limit in {"--seconds": options.seconds, "--gib": options.gib, "--patience": options.patience}.items():
        if not limit > 0:
            raise Stopped(f"{option} was given {limit:g}: it must be above 0.", 2)
    if min(options.image_sizes) < LEAST_SIZE:
        sizes = min(options.image_sizes)
        raise Stopped(f"--image-sizes was given {sizes}: the PatchGAN needs at least {LEAST_SIZE} pixels a side.", 2)
    if min(options.batch_sizes) < 1:
        raise Stopped(f"--batch-sizes was given {min(options.batch_sizes)}: each must be at least 1.", 2)
    for case in cases(options):
        check_config(make_config(case))


def cases(options: Options) -> list[Case]:
    """Each picture size with each batch size."""
    return [Case(size, batch, options.width) for size in options.image_sizes for batch in options.batch_sizes]


def contestants(options: Options, *, torch: bool, cuda: bool = False) -> list[Contestant]:
    """The rows, in the order of their turns.

    Args:
        options: of the command.
        torch: whether PyTorch takes part.
        cuda: whether it runs on CUDA, where torch.compile takes part too.
    """
    rows = [Contestant(f"p2p_jax {dtype}", "jax", dtype) for dtype in dict.fromkeys(options.dtypes)]
    if torch:
        rows += [Contestant(framework="torch", **VARIANTS[name]) for name in dict.fromkeys(options.torch)]
        if options.compile or cuda:
            rows += [row._replace(name=f"{row.name}, compiled", compiled=True) for row in rows if row.fused]
    return rows


def make_config(case: Case, dtype: Dtype = "float32", **data: Any) -> configs.Config:
    """The run of a case; `data` are fields of `config.Data`."""
    return configs.Config(
        image_size=case.image_size,
        batch_size=case.batch_size,
        dtype=dtype,
        epochs=None,
        steps=100_000,  # the learning rate stays what it is at first
        generator=configs.Generator(width=case.width),
        discriminator=configs.Discriminator(width=case.width),
        data=configs.Data(**{"source": "procedural", **data}),
    )
