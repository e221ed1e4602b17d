"""The command `p2p-jax`. Every sub-command imports what it needs when it runs, so that help answers at once."""

import atexit
import errno
import gc
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from p2p_jax import cache, commands, disk
from p2p_jax.commands import USAGE_ERROR
from p2p_jax.data_commands import data
from p2p_jax.distributed import needs_parent
from p2p_jax.errors import Stopped
from p2p_jax.options import PROGRAM, suggest

HELP = """usage: p2p-jax COMMAND ...

Image-to-image translation with conditional GANs (pix2pix) in JAX.

  train NAME|FILE.py      train a translator, or go on with a run (--workdir DIR)
  translate WORKDIR IN…   translate pictures or folders (--output DIR)
  evaluate WORKDIR        L1, PSNR and SSIM on a split, beside two baselines
  report WORKDIR          write the report of a run again
  summary NAME|FILE.py    layers, shapes and parameters of an experiment's networks
  bench                   speed and memory beside PyTorch's, and beside what the machine can do
  data COMMAND            prepare, check and make data sets: p2p-jax data --help
  import-torch FILE.pth…  checkpoints of the PyTorch original into a workdir (--workdir DIR)
  export-torch WORKDIR    and back (--output DIR)

  p2p-jax COMMAND --help  the options of a command
  --version               the version of p2p-jax and of what it runs on
"""


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 done, 1 training failed, 2 wrong input, 75 and 130 interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    known: dict[str, Callable[[list[str]], int]] = {
        "train": commands.train, "translate": commands.translate, "evaluate": commands.evaluate,
        "report": commands.report, "summary": commands.summary, "import-torch": commands.import_torch,
        "export-torch": commands.export_torch, "bench": commands.bench, "data": data,
    }  # fmt: skip
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else USAGE_ERROR
    if argv[0] == "--version":
        return _print_versions()
    if needs_parent(argv):
        from p2p_jax.supervisor import supervise

        return supervise(argv, PROGRAM)
    if argv[0] not in known:
        return _complain(f"there is no command {argv[0]}{suggest(argv[0], list(known))}; see {PROGRAM} --help.")
    if any("://" in word for word in argv):
        return run_command(partial(_in_bucket, known[argv[0]]), argv)
    return run_command(known[argv[0]], argv[1:])


def _in_bucket(command: Callable[[list[str]], int], argv: list[str]) -> int:
    from p2p_jax import bucket

    with bucket.opened(argv) as changed:
        return command(changed[1:])


def run_command(command: Callable[[list[str]], int], argv: list[str], program: str = PROGRAM) -> int:
    """Runs a command and returns its exit code, as `main` does.

    What the user can do something about is told in one sentence, which starts with `program`; P2P_JAX_TRACEBACK=1 shows the
    traceback instead.
    """
    warnings.showwarning = partial(_show_warning, program)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged files, which are named by what fails on them
    _quiet_libraries()
    _look_for_garbage_less()
    try:
        return command(argv)
    except KeyboardInterrupt:
        return _complain("interrupted.", 130, program=program)
    except Exception as error:
        if os.environ.get("P2P_JAX_TRACEBACK"):
            raise
        if isinstance(error, Stopped):
            return _complain(str(error), error.code, program=program)
        from p2p_jax.supervisor import AGAIN, explain_severed

        if (sentence := explain_severed(error)) is not None:
            return _complain(sentence, AGAIN, program=program)
        sentence = _explain(error)
        if sentence is None:
            raise
        return _complain(sentence, program=program)


def run_experiment(name: str) -> None:
    """What `python -m experiments.NAME` does: the same as `p2p-jax train NAME`."""
    sys.exit(main(["train", name, *sys.argv[1:]]))


def _explain(error: Exception) -> str | None:
    """One sentence for an error that the user can do something about, or None for a mistake of the program."""
    if (sentence := disk.explain(error)) is not None:
        return sentence
    of_path = (errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EROFS, errno.EISDIR)
    if isinstance(error, OSError) and error.errno in of_path:
        reason = str(error.strerror).lower()
        return f"{error.filename} cannot be written or read ({reason}): give another, or change its permissions."
    if isinstance(error, ValueError):
        frames = traceback.extract_tb(error.__traceback__)
        own = Path(__file__).parent
        if frames and own in Path(frames[-1].filename).parents:
            return str(error)
    return None


def _complain(sentence: str, code: int = USAGE_ERROR, *, program: str = PROGRAM) -> int:
    """Says what is wrong, on stderr, and returns the exit code."""
    print(f"{program}: {sentence}", file=sys.stderr)
    return code


def _quiet_libraries() -> None:
    """Silences what libraries tell of a failure beside the exception itself, which reaches us, some from own threads."""
    for name in ("absl", "asyncio", "gcsfs", "tifffile"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    # What tensorstore still does when a save has failed reaches one of these, depending on the thread.
    late = "Event loop is closed"

    def on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if str(error) != late:
            sys.__excepthook__(kind, error, trace)

    def on_unraisable(what: Any) -> None:
        if str(what.exc_value) != late:
            sys.__unraisablehook__(what)

    sys.excepthook, sys.unraisablehook = on_error, on_unraisable


def _look_for_garbage_less() -> None:
    """Imports and tracing make many objects that stay: to go through them over and over, and when the program ends, takes
    half a second.
    """
    gc.set_threshold(100_000, 10, 10)
    atexit.register(gc.freeze)


def _show_warning(program: str, message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, UserWarning) and not cache.mend(str(message)):
        print(f"{program}: warning: {message}", file=sys.stderr)


def _print_versions() -> int:
    from p2p_jax.experiment import versions

    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    return 0
