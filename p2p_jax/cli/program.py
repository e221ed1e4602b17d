"""The command `p2p-jax`. Every sub-command imports its modules only when it runs, so that help appears at once."""

import atexit
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType
from typing import Any

from p2p_jax.cli import compilation_cache, inference, pytorch, train
from p2p_jax.cli.compare import compare
from p2p_jax.cli.data import data
from p2p_jax.cli.mistakes import explain_error
from p2p_jax.cli.supervisor import needs_parent
from p2p_jax.console import escape_unencodable, lasting_output
from p2p_jax.errors import EXIT_CODES, PROGRAM, USAGE_ERROR, Stopped, UserError, suggest
from p2p_jax.files.names import printable
from p2p_jax.signals import is_working, noted_interrupts

COMMANDS = "p2p_jax.commands"
"""Entry-point group by which other packages add commands."""

PRINTING = ("evaluate", "compare", "summary", "data")
"""Commands whose result is what they print."""

HELP = """usage: p2p-jax COMMAND ...

Image-to-image translation with conditional GANs (pix2pix) in JAX.

  train NAME|FILE.py      train networks on pairs of pictures, or resume a run (--workdir DIR)
  translate WORKDIR IN…   translate pictures or folders (--output DIR)
  evaluate WORKDIR        measure a run on a split, and two baselines: L1, PSNR, SSIM and others
  compare WORKDIR…        compare runs picture by picture, and say which is better
  report WORKDIR          write the report of a run again, or show a running one (--follow)
  summary NAME|FILE.py    show the layers, shapes and parameters of an experiment's networks
  data COMMAND            prepare, check and make data sets: p2p-jax data --help
  import-torch FILE.pth…  make a workdir from checkpoints of the PyTorch original (--workdir DIR)
  export-torch WORKDIR    write the networks of a run as checkpoints of the PyTorch original (--output DIR)

  p2p-jax COMMAND --help  show the options of a command
  --version               show the version of p2p-jax and of the packages it runs on
"""


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    The codes are 0: done, 1: training failed or `data check` found a problem, 2: wrong input, 70: a bug in p2p_jax,
    75 and 130: interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    escape_unencodable()
    known: dict[str, Callable[[list[str]], int]] = {
        "train": train.train, "translate": inference.translate, "evaluate": inference.evaluate,
        "compare": compare, "report": inference.report, "summary": inference.summary, "import-torch": pytorch.import_torch,
        "export-torch": pytorch.export_torch, "data": data,
    }  # fmt: skip
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP + f"\nCommands of the entry-point group p2p_jax.commands: {', '.join(_find_commands()) or 'none'}.")
        return 0 if argv else USAGE_ERROR
    if argv[0] == "--version":
        return _print_versions()
    if needs_parent(argv):
        from p2p_jax.cli.supervisor import supervise

        return supervise(argv, PROGRAM)
    if argv[0] not in known:
        others = _find_commands()
        if argv[0] in others:
            return run_command(lambda rest: others[argv[0]].load()(rest), argv[1:])
        return _complain(f"there is no command {argv[0]}{suggest(argv[0], [*known, *others])}; see {PROGRAM} --help.")
    if any("://" in word for word in argv):
        return run_command(partial(_in_bucket, known[argv[0]]), argv, prints=argv[0] in PRINTING)
    return run_command(known[argv[0]], argv[1:], prints=argv[0] in PRINTING)


def _find_commands() -> dict[str, EntryPoint]:
    """Commands that installed packages register in the entry-point group `p2p_jax.commands`, by name.

    Each entry point is a function `(argv) -> exit code`.
    """
    return {entry.name: entry for entry in entry_points(group=COMMANDS)}


def _in_bucket(command: Callable[[list[str]], int], argv: list[str]) -> int:
    from p2p_jax.cli import bucket_argument

    with bucket_argument.local_workdir(argv) as changed:
        return command(changed[1:])


def run_command(
    command: Callable[[list[str]], int], argv: list[str], program: str = PROGRAM, *, prints: bool = True
) -> int:
    """Runs a command and returns its exit code, as `main` does.

    A user's mistake is answered with one sentence, which starts with `program`; P2P_JAX_TRACEBACK=1 shows the traceback
    instead. Any other error shows its traceback and asks for a report. A closed pipe or terminal ends no command.

    Args:
        command: `(argv) -> exit code`.
        argv: the arguments of the command.
        program: the name that messages begin with.
        prints: whether the result is what the command prints; if not, no print that fails ends it.
    """
    warnings.showwarning = partial(_show_warning, program)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about damaged files, which are named where reading them fails
    _silence_libraries()
    _collect_garbage_rarely()
    with lasting_output(any_error=not prints), noted_interrupts() as interrupts:
        try:
            code = command(argv)
            print(end="", flush=True)
            return code
        except KeyboardInterrupt:
            return _end_interrupted(program)
        except Exception as error:
            if interrupts and not isinstance(error, UserError | Stopped):
                return _end_interrupted(program)
            if os.environ.get("P2P_JAX_TRACEBACK"):
                raise
            sentence, code = explain_error(error)
            return _complain(sentence, code, program=program)
        finally:
            if "p2p_jax.storage.shards" in sys.modules:
                sys.modules["p2p_jax.storage.shards"].close_all()


def _end_interrupted(program: str) -> int:
    code = _complain("interrupted.", EXIT_CODES[signal.SIGINT], program=program)
    if is_working():  # ending Python while the compiler runs in a thread would crash
        sys.stdout.flush()
        os._exit(code)
    return code


def run_experiment(name: str) -> None:
    """Runs `p2p-jax train NAME`, for `python -m experiments.NAME`, and ends the process."""
    sys.exit(main(["train", name, *sys.argv[1:]]))


def _complain(sentence: str, code: int = USAGE_ERROR, *, program: str = PROGRAM) -> int:
    """Prints a message on stderr, and returns the exit code."""
    print(f"{program}: {printable(sentence)}", file=sys.stderr)
    return code


def _silence_libraries() -> None:
    """Silences the messages of libraries about a failure that they also raise as an exception; some come from threads."""
    for name in ("absl", "asyncio", "gcsfs", "tifffile"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    # After a failed save tensorstore raises this error later; depending on the thread it reaches one of these two hooks.
    late = "Event loop is closed"

    def on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if str(error) != late:
            sys.__excepthook__(kind, error, trace)

    def on_unraisable(what: Any) -> None:
        if str(what.exc_value) != late:
            sys.__unraisablehook__(what)

    sys.excepthook, sys.unraisablehook = on_error, on_unraisable


def _collect_garbage_rarely() -> None:
    """Makes Python's garbage collection rare.

    Importing and tracing create many lasting objects; scanning them often, and at exit, takes half a second.
    """
    gc.set_threshold(100_000, 10, 10)
    atexit.register(gc.freeze)


def _show_warning(program: str, message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, UserWarning) and not compilation_cache.mend(str(message)):
        print(f"{program}: warning: {printable(message)}", file=sys.stderr)


def _print_versions() -> int:
    from p2p_jax.workdir.record import versions

    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    return 0
