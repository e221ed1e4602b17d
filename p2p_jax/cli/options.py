"""Command lines: which options there are, and a clear word where one is unknown."""

import dataclasses
import difflib
import typing
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from p2p_jax.config.distributed import Distributed
from p2p_jax.config.presets import Preset
from p2p_jax.errors import UserError


def train_options(name: str, config: Any) -> type:
    """The options of `train`: those of the run, and every field of the config without a prefix."""
    return make_dataclass(
        "Train",
        [
            ("config", flat(config), field(default=config)),
            ("workdir", Path, field(default=Path("runs") / name)),
            ("overwrite", bool, field(default=False)),
            ("accept_changed_data", bool, field(default=False)),
            ("init_from", Path | None, field(default=None)),
            ("preset", Preset | None, field(default=None)),
            ("profile", bool, field(default=False)),
            ("trust", bool, field(default=False)),
            ("distributed", Distributed, field(default=Distributed())),
        ],
        namespace={
            "__doc__": f"""Train {name}, or go on with it where WORKDIR holds such a run.

            Args:
                workdir: Where everything is written.
                overwrite: Remove the run that is there and start anew.
                accept_changed_data: Go on though the pictures have changed since the run was started.
                init_from: Start from the networks of the run in this workdir (fine-tuning), of their architecture and size.
                preset: Settings as in one of the originals; what is typed beside it wins.
                profile: Record a JAX profile of a few steps into WORKDIR/profile.
                trust: Let an experiment file run that somebody else put into a workdir.
            """
        },
    )


@dataclass(frozen=True)
class TranslateOptions:
    """Translate pictures with a trained run; nothing of the training has to be said again."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Of the run."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Pictures, or folders of pictures."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder of the results."""
    mode: Literal["picture", "running", "reference"] = "picture"
    """picture: each picture's own statistics, no dropout; running: the running statistics of training; reference: with
    dropout, as the reference tests."""
    native: bool = False
    """Keep the pictures' scale; the default for imported networks."""
    resized: bool = False
    """Resize to the size of training and back; the default for all others."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    batch_size: int = 8
    format: Literal["png", "jpg", "webp", "tiff", "npy"] | None = None
    """By default png, or tiff for real numbers and more than 4 channels."""
    seed: int = 0
    """Of the dropout in mode reference."""
    skip_existing: bool = False
    """Leave out pictures whose results are there: goes on where it was stopped."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""
    distributed: Distributed = field(default_factory=Distributed)
    """Each process translates a share of the pictures; processes and index are enough, for none waits for another."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a trained run on a split of its data."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Of the run."""
    split: Literal["train", "val", "test"] | None = None
    """By default the first there is of test, val and train."""
    mode: Literal["picture", "running", "reference"] = "picture"
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    data_path: Path | None = None
    """Where the pictures are now, if they were moved."""
    json: bool = False
    """Print JSON instead of a table."""
    partial: Path | None = None
    """Folder that keeps what was measured so far: the same command goes on where it was stopped."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""
    distributed: Distributed = field(default_factory=Distributed)
    """Each process looks at a share of the pairs."""


@dataclass(frozen=True)
class ImportTorchOptions:
    """Make a workdir of checkpoints of the PyTorch original (latest_net_G.pth, latest_net_D.pth). Needs no PyTorch."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The generator's file, and the discriminator's if there is one; which is which is found out."""
    workdir: Path
    """Folder to make."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Of the data that they were trained on; for evaluation and fine-tuning."""
    image_size: int | None = None
    """Pixels a side that they were trained at; by default 256, or 128 for a unet of 7 levels."""
    dropout: float = 0.5
    """Rate in training and in mode reference, which the files do not tell (0 if trained with --no_dropout)."""
    overwrite: bool = False
    """Remove the run that is in the workdir."""


@dataclass(frozen=True)
class ExportTorchOptions:
    """Write the networks of a run as files that the PyTorch original loads."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Of the run."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder of latest_net_G.pth and latest_net_D.pth."""
    overwrite: bool = False
    """Replace files that are there."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""


@dataclass(frozen=True)
class ReportOptions:
    """Write the report of a run: one page of HTML."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Of the run."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    data_path: Path | None = None
    """Where the pictures are now, if they were moved."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""


def flat(config: Any) -> Any:
    """A config whose fields are options without a prefix."""
    return Annotated[type(config), tyro.conf.arg(name="")]


def parse(options: Any, argv: list[str], program: str) -> Any:
    """Parses a command line; an unknown option is answered with the one it resembles."""
    parsed, unknown = tyro.cli(options, args=argv, prog=program, return_unknown_args=True)
    if unknown:
        known = _option_names(options)
        raise UserError(f"there is no option {unknown[0]}{suggest(unknown[0].split('=')[0], known)}; see {program} --help.")
    return parsed


def _option_names(options: type) -> list[str]:
    def below(cls: Any, prefix: str) -> list[str]:
        hints = typing.get_type_hints(cls)
        found = []
        for item in dataclasses.fields(cls):
            name = "" if item.name == "config" else f"{prefix}{item.name}".replace("_", "-")
            hint = hints[item.name]
            if dataclasses.is_dataclass(hint):
                found += below(hint, f"{name}." if name else "")
            else:
                found.append(f"--{name}")
        return found

    return below(options, "")


def suggest(word: str, known: list[str]) -> str:
    """What to say after an unknown word: the known one it resembles, if there is one."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
