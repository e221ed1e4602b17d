"""The command `p2p-jax`. Every sub-command imports what it needs when it runs, so that help answers at once."""

import difflib
import errno
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

import tyro

from p2p_jax.errors import Stopped

PROGRAM = "p2p-jax"
USAGE_ERROR = 2

HELP = """usage: p2p-jax COMMAND ...

Image-to-image translation with conditional GANs (pix2pix) in JAX.

  train NAME|FILE.py      train a translator, or go on with a run (--workdir DIR)
  translate WORKDIR IN…   translate pictures or folders (--output DIR)
  evaluate WORKDIR        L1, PSNR and SSIM on a split, beside two baselines
  report WORKDIR          write the report of a run again
  summary NAME|FILE.py    layers, shapes and parameters of an experiment's networks

  p2p-jax COMMAND --help  the options of a command
  --version               the version of p2p-jax and of what it runs on
"""


@dataclass(frozen=True)
class Translate:
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
    """Keep the pictures' scale instead of resizing to the size of training and back."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    batch_size: int = 8
    format: Literal["png", "jpg", "webp"] = "png"
    seed: int = 0
    """Of the dropout in mode reference."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""


@dataclass(frozen=True)
class Evaluate:
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
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""


@dataclass(frozen=True)
class Report:
    """Write the report of a run: one page of HTML."""

    workdir: Annotated[Path, tyro.conf.Positional]
    """Of the run."""
    checkpoint: str = "latest"
    """latest, best, or a step number."""
    data_path: Path | None = None
    """Where the pictures are now, if they were moved."""
    trust: bool = False
    """Let the experiment file in the workdir run, though you did not put it there."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 done, 1 training failed, 2 wrong input, 75 and 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": train, "translate": translate, "evaluate": evaluate, "report": report, "summary": summary,
    }  # fmt: skip
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else USAGE_ERROR
    warnings.showwarning = _show_warning
    _quiet_libraries()
    if argv[0] == "--version":
        return _print_versions()
    if argv[0] not in commands:
        return _complain(f"there is no command {argv[0]}{_suggest(argv[0], list(commands))}; see {PROGRAM} --help.")
    try:
        return commands[argv[0]](argv[1:])
    except KeyboardInterrupt:
        return _complain("interrupted.", 130)
    except Exception as error:
        if os.environ.get("P2P_JAX_TRACEBACK"):
            raise
        if isinstance(error, Stopped):
            return _complain(str(error), error.code)
        sentence = _explain(error)
        if sentence is None:
            raise
        return _complain(sentence)


def train(argv: list[str]) -> int:
    """`p2p-jax train NAME|FILE.py [options]`."""
    if not argv or argv[0].startswith("-"):
        from p2p_jax import experiment

        print(f"usage: {PROGRAM} train NAME|FILE.py [--workdir DIR] [--FIELD VALUE]…\n")
        print(f"NAME is one of: {', '.join(experiment.names())}.\nThe options of one: {PROGRAM} train NAME --help")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import experiment, resume

    found = experiment.find(argv[0])
    workdir = resume.find_workdir(argv, found.name)
    stored = resume.stored_run(workdir, found, argv)
    options = _parse(_train_options(found.name, (stored or found).config), argv[1:], f"{PROGRAM} train {argv[0]}")
    config = resume.settle_length(options.config, argv)
    if stored is not None:
        if options.init_from and options.init_from.absolute() != resume.recorded_source(workdir):
            raise ValueError(f"{workdir} already holds a run: --init-from is for a new one; give another --workdir.")
        resume.refuse_differences(workdir, stored, config)
    from p2p_jax import trainer
    from p2p_jax.logs import open_console

    trainer.train(
        (stored or found)._replace(config=config),
        workdir,
        overwrite=options.overwrite,
        init_from=options.init_from,
        profile=options.profile,
        console=open_console(),
    )
    return 0


def translate(argv: list[str]) -> int:
    """`p2p-jax translate WORKDIR INPUT… --output DIR`."""
    options = _parse(Translate, argv, f"{PROGRAM} translate")
    if options.batch_size < 1:
        raise ValueError(f"--batch-size was given {options.batch_size}: it must be at least 1.")
    from rich.progress import Progress

    from p2p_jax.logs import open_console
    from p2p_jax.translate import find_pictures, load, translate_files

    files = find_pictures(list(options.inputs))
    console = open_console()
    translator = load(options.workdir, checkpoint_step=options.checkpoint, mode=options.mode, trust=options.trust)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        written = translate_files(
            translator,
            files,
            options.output,
            batch_size=min(options.batch_size, len(files)),
            native=options.native,
            suffix=f".{options.format}",
            seed=options.seed,
        )
        for path in progress.track(written, total=len(files), description="translating"):
            last = path
    console.print(f"{len(files)} pictures written to {options.output}, the last {last.name}.")
    return 0


def evaluate(argv: list[str]) -> int:
    """`p2p-jax evaluate WORKDIR`."""
    options = _parse(Evaluate, argv, f"{PROGRAM} evaluate")
    import json

    from p2p_jax import evaluate as evaluation
    from p2p_jax.translate import load

    config = _load_moved(options).config
    translator = load(options.workdir, checkpoint_step=options.checkpoint, mode=options.mode, trust=options.trust)
    result = {"step": translator.step, **evaluation.evaluate(config, translator, options.split)}
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    from rich.table import Table

    from p2p_jax.logs import open_console

    table = Table("", "L1", "PSNR", "SSIM", title=f"{options.workdir}, step {translator.step}")
    for name, figures in result["figures"].items():
        table.add_row(name, f"{figures['l1']:.4f}", f"{figures['psnr']:.2f}", f"{figures['ssim']:.4f}")
    console = open_console()
    console.print(table)
    console.print(evaluation.remark(result))
    return 0


def report(argv: list[str]) -> int:
    """`p2p-jax report WORKDIR`."""
    options = _parse(Report, argv, f"{PROGRAM} report")
    from p2p_jax.report import write_report
    from p2p_jax.translate import load

    found = _load_moved(options)
    translator = load(options.workdir, checkpoint_step=options.checkpoint, trust=options.trust)
    print(f"Report: {write_report(options.workdir, found, translator, translator.step)}")
    return 0


def summary(argv: list[str]) -> int:
    """`p2p-jax summary NAME|FILE.py [--FIELD VALUE]…`."""
    if not argv or argv[0].startswith("-"):
        print(f"usage: {PROGRAM} summary NAME|FILE.py [--FIELD VALUE]…")
        return 0 if argv and argv[0] in ("-h", "--help") else USAGE_ERROR
    from p2p_jax import config as configs
    from p2p_jax import experiment

    found = experiment.find(argv[0])
    wrapper = make_dataclass("Summary", [("config", _flat(found.config), field(default=found.config))])
    config = _parse(wrapper, argv[1:], f"{PROGRAM} summary {argv[0]}").config
    configs.check(config)
    import jax
    from rich.table import Table

    from p2p_jax.logs import open_console
    from p2p_jax.summary import summarize

    model = found.build(configs.resolve(replace(config, epochs=None, steps=1), config.batch_size))
    side = (config.batch_size, config.image_size, config.image_size)
    inputs, targets = config.data.input_channels, config.data.target_channels
    for title, net, channels in (
        ("Generator", model.generator, inputs),
        ("Discriminator", model.discriminator, inputs + targets),
    ):
        table = Table("Layer", "Output shape", "Parameters", title=title)
        rows = summarize(net, jax.ShapeDtypeStruct((*side, channels), "float32"))
        for row in rows:
            table.add_row(row.name, str(row.shape or ""), f"{row.parameters:,}")
        table.add_section()
        table.add_row("Input", str((*side, channels)), "")
        table.add_row("Total", "", f"{sum(row.parameters for row in rows):,}")
        open_console().print(table)
    return 0


def run_experiment(name: str) -> None:
    """What `python -m experiments.NAME` does: the same as `p2p-jax train NAME`."""
    sys.exit(main(["train", name, *sys.argv[1:]]))


def _load_moved(options: Evaluate | Report) -> Any:
    """The experiment of a workdir, with its pictures where they are now."""
    from p2p_jax import experiment

    found = experiment.load(options.workdir, trust=options.trust)
    if options.data_path is None:
        return found
    data = replace(found.config.data, path=str(options.data_path))
    return found._replace(config=replace(found.config, data=data))


def _train_options(name: str, config: Any) -> type:
    """The options of `train`: those of the run, and every field of the config without a prefix."""
    return make_dataclass(
        "Train",
        [
            ("config", _flat(config), field(default=config)),
            ("workdir", Path, field(default=Path("runs") / name)),
            ("overwrite", bool, field(default=False)),
            ("init_from", Path | None, field(default=None)),
            ("profile", bool, field(default=False)),
            ("trust", bool, field(default=False)),
        ],
        namespace={
            "__doc__": f"""Train {name}, or go on with it where WORKDIR holds such a run.

            Args:
                workdir: Where everything is written.
                overwrite: Remove the run that is there and start anew.
                init_from: Start from the networks of the run in this workdir (fine-tuning).
                profile: Record a JAX profile of a few steps into WORKDIR/profile.
                trust: Let an experiment file run that somebody else put into a workdir.
            """
        },
    )


def _flat(config: Any) -> Any:
    return Annotated[type(config), tyro.conf.arg(name="")]


def _parse(options: Any, argv: list[str], program: str) -> Any:
    """Parses a command line; an unknown option is answered with the one it resembles."""
    parsed, unknown = tyro.cli(options, args=argv, prog=program, return_unknown_args=True)
    if unknown:
        known = _option_names(options)
        raise ValueError(
            f"there is no option {unknown[0]}{_suggest(unknown[0].split('=')[0], known)}; see {program} --help."
        )
    return parsed


def _option_names(options: type) -> list[str]:
    import dataclasses
    import typing

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


def _explain(error: Exception) -> str | None:
    """One sentence for an error that the user can do something about, or None for a mistake of the program."""
    text = str(error)
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in text:
        return "there is no space left on the disk: free some, then start the same command again; what was saved is kept."
    if isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
        reason = str(error.strerror).lower()
        return f"{error.filename} cannot be written or read ({reason}): give another, or change its permissions."
    if isinstance(error, ValueError):
        frames = traceback.extract_tb(error.__traceback__)
        own = Path(__file__).parent
        if frames and own in Path(frames[-1].filename).parents:
            return text
    return None


def _complain(sentence: str, code: int = USAGE_ERROR) -> int:
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return code


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _quiet_libraries() -> None:
    """Silences what orbax and tensorstore tell of a failed save from their own threads; the exception itself reaches us."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if str(error) != "Event loop is closed":
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, UserWarning):
        print(f"{PROGRAM}: warning: {message}", file=sys.stderr)


def _print_versions() -> int:
    from p2p_jax.experiment import versions

    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    return 0
