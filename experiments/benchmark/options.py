"""The options of the benchmark, and the contestants and cases that follow from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.modern.pieces import PIECES
from p2p_jax import config as configs
from p2p_jax.config.checks import check_config
from p2p_jax.config.tree import with_fields
from p2p_jax.errors import UserError

Dtype = Literal["float32", "bfloat16"]
Part = Literal["step", "forward", "data", "layers"]
Variant = Literal["reference", "tuned", "autocast", "autocast-tuned"]

ORIGINAL = "PyTorch original"
"""The row that the others are compared with: PyTorch, run as the PyTorch original runs it."""

VARIANTS: dict[str, dict[str, Any]] = {
    "reference": {"name": ORIGINAL},
    "tuned": {"name": "PyTorch tuned", "channels_last": True, "fused": True},
    "autocast": {"name": "PyTorch autocast", "dtype": "bfloat16"},
    "autocast-tuned": {"name": "PyTorch autocast tuned", "dtype": "bfloat16", "channels_last": True, "fused": True},
}
MIN_IMAGE_SIZE = 24
"""Pixels a side that the 70-pixel PatchGAN needs."""


@dataclass(frozen=True)
class Options:
    """Measure the speed and memory of p2p_jax and, if it is installed, of PyTorch, in one run."""

    image_sizes: tuple[int, ...] = (256,)
    """Picture sizes in pixels a side; each is measured with each batch size."""
    batch_sizes: tuple[int, ...] = (1,)
    """Numbers of pictures per step."""
    dtypes: tuple[Dtype, ...] = ("float32", "bfloat16")
    """Types of p2p_jax's activations; each has a row in the table."""
    torch: tuple[Variant, ...] = ("reference", "tuned", "autocast", "autocast-tuned")
    """Ways to run PyTorch; each has a row in the table. Without a value PyTorch is not measured. reference: as the PyTorch
    original runs it, eager, NCHW, plain Adam; tuned: channels_last and fused Adam; autocast: to bfloat16; autocast-tuned:
    both."""
    compile: bool = False
    """Also measure the tuned rows with torch.compile; on CUDA they are always measured."""
    pieces: tuple[str, ...] = ()
    """Pieces of a training step to measure beside the plain one, such as resize ema, or all: each has a row in the table,
    in the first of the dtypes. `experiments/modern/pieces.py` lists them."""
    parts: tuple[Part, ...] = ("step", "forward", "data", "layers")
    """step: a training step; forward: the generator alone; data: training from files; layers: p2p_jax's time by layer."""
    width: int = 64
    """Features of the first layer of both networks; 64 in the paper."""
    rounds: int = 5
    """Number of rounds; in each round every row of the table is measured once."""
    steps: int | None = None
    """Steps that are measured per row and round; by default 3 on a CPU and 20 on an accelerator."""
    workers: int = 2
    """Number of threads of p2p_jax's reader, and of worker processes of PyTorch's DataLoader."""
    grow: bool = False
    """Also measure how time and memory grow with picture size, batch and width."""
    seconds: float = 60.0
    """Skip points of --grow that would take longer than this."""
    gib: float = 8.0
    """Skip points of --grow that would need more memory than this, in GiB."""
    patience: float = 1800.0
    """Seconds without an answer after which a measurement counts as failed."""
    output: Path = Path("runs/benchmark")
    """Folder for benchmark.json and the plots."""
    overwrite: bool = False
    """Replace these files if they exist."""


class Contestant(NamedTuple):
    """A row of the tables: a framework and how it is run.

    Attributes:
        name: its name in tables.
        framework: jax or torch.
        dtype: dtype of the activations; PyTorch gets bfloat16 by autocast.
        channels_last, fused, compiled: whether PyTorch uses that memory layout, fused Adam, torch.compile.
        piece: of p2p_jax's training step.
    """

    name: str
    framework: Literal["jax", "torch"]
    dtype: Dtype = "float32"
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    piece: str = "default"


class Case(NamedTuple):
    """The size of the task for all contestants: pixels a side, pictures a step, features of the first layers."""

    image_size: int
    batch_size: int
    width: int


def check_options(options: Options) -> None:
    """Refuses options that cannot be measured.

    Raises:
        UserError: an option is missing a value, or has a wrong one.
    """
    lists = {"--image-sizes": options.image_sizes, "--batch-sizes": options.batch_sizes, "--dtypes": options.dtypes}
    for option, values in (lists | {"--parts": options.parts}).items():
        if not values:
            raise UserError(f"{option} was given without a value: give at least one.")
    counts = {"--width": options.width, "--rounds": options.rounds, "--steps": options.steps, "--workers": options.workers}
    for option, value in counts.items():
        if value is not None and value < 1:
            raise UserError(f"{option} was given {value}: it must be at least 1.")
    for option, limit in {"--seconds": options.seconds, "--gib": options.gib, "--patience": options.patience}.items():
        if not limit > 0:
            raise UserError(f"{option} was given {limit:g}: it must be above 0.")
    if min(options.image_sizes) < MIN_IMAGE_SIZE:
        sizes = min(options.image_sizes)
        raise UserError(f"--image-sizes was given {sizes}: the PatchGAN needs at least {MIN_IMAGE_SIZE} pixels a side.")
    if min(options.batch_sizes) < 1:
        raise UserError(f"--batch-sizes was given {min(options.batch_sizes)}: each must be at least 1.")
    unknown = [name for name in options.pieces if name not in (*PIECES, "all")]
    if unknown:
        raise UserError(f"--pieces was given {unknown[0]}: give some of {', '.join(PIECES)}, or all.")
    for case in cases(options):
        for row in contestants(options, torch=False):
            check_config(make_config(case, row.dtype, row.piece))


def cases(options: Options) -> list[Case]:
    """Returns each picture size with each batch size."""
    return [Case(size, batch, options.width) for size in options.image_sizes for batch in options.batch_sizes]


def contestants(options: Options, *, torch: bool, cuda: bool = False) -> list[Contestant]:
    """Returns the rows in the order of their turns.

    Args:
        options: of the command.
        torch: whether PyTorch is measured.
        cuda: whether PyTorch runs on CUDA, where rows with torch.compile are always measured.
    """
    rows = [Contestant(f"p2p_jax {dtype}", "jax", dtype) for dtype in dict.fromkeys(options.dtypes)]
    names = PIECES if "all" in options.pieces else dict.fromkeys(options.pieces)
    rows += [rows[0]._replace(name=name, piece=name) for name in names if name != "default"]
    if torch:
        rows += [Contestant(framework="torch", **VARIANTS[name]) for name in dict.fromkeys(options.torch)]
        if options.compile or cuda:
            rows += [row._replace(name=f"{row.name}, compiled", compiled=True) for row in rows if row.fused]
    return rows


def make_config(case: Case, dtype: Dtype = "float32", piece: str = "default", **data: Any) -> configs.Config:
    """Returns the config of a case with a piece of the training step; `data` are fields of `config.Data`."""
    plain = configs.Config(
        image_size=case.image_size,
        batch_size=case.batch_size,
        dtype=dtype,
        epochs=None,
        steps=100_000,  # so many that the learning rate does not decay while steps are measured
        generator=configs.Generator(width=case.width),
        discriminator=configs.Discriminator(width=case.width),
        data=configs.Data(**{"source": "procedural", **data}),
    )
    return with_fields(plain, PIECES[piece])
