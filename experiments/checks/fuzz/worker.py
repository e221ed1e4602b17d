"""One process of the fuzz: it runs its share of the cases under the limit on memory, and reports what goes wrong."""

import logging
import os
import resource
import shutil
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

MIB = 2**20


class Share(NamedTuple):
    """The cases of a process: first, first + step, … below end, and where they run.

    Attributes:
        folder: of the fuzz; it holds the run, and gets a folder for each process.
        name: of the process's own folder.
        seed: of all cases.
        first, step, end: numbers of the cases.
        memory: limit in bytes.
    """

    folder: Path
    name: str
    seed: int
    first: int
    step: int
    end: int
    memory: int


class Fault(NamedTuple):
    """Something that went wrong in a case.

    Attributes:
        number: of the case.
        kind: of its file.
        what: in words; equal faults have equal words.
        details: the last lines of a traceback.
    """

    number: int
    kind: str
    what: str
    details: str


def work(share: Share, current: Any, since: Any, queue: Any) -> None:
    """Runs a share of the cases.

    Args:
        share: the cases.
        current, since: shared numbers; the case that runs, and the time of `time.monotonic` at which it began.
        queue: gets each `Fault`, and at the end the peak memory in bytes.
    """
    home, outside = share.folder / share.name, share.folder / share.name / "outside"
    for folder in (outside / "home", outside / "tmp", outside / "sandboxes"):
        folder.mkdir(parents=True)
    os.environ |= {"HOME": str(outside / "home"), "TMPDIR": str(outside / "tmp"), "XDG_STATE_HOME": str(outside / "home")}
    os.chdir(outside / "tmp")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # orbax prints tracebacks of its threads about damaged checkpoints
    from experiments.checks.fuzz.cases import choose_kind
    from experiments.checks.fuzz.originals import make_originals

    logging.disable(logging.CRITICAL)
    originals = make_originals(share.folder / "run", home / "originals")
    resource.setrlimit(resource.RLIMIT_DATA, (share.memory, share.memory))
    for number in range(share.first, share.end, share.step):
        kind, rng = choose_kind(share.seed, number)
        since.value, current.value = time.monotonic(), number
        for what, details in run_one(kind, originals, outside, rng):
            queue.put(Fault(number, kind, what, details))
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def run_one(kind: str, originals: Any, outside: Path, rng: Any) -> list[tuple[str, str]]:
    """Runs a case.

    Args:
        kind, originals, rng: see `cases.run_case`.
        outside: folder with the folders `sandboxes`, `home` and `tmp`; the canary appears beside it.

    Returns:
        [(what went wrong, details)].
    """
    from experiments.checks.fuzz.cases import new_sandbox, run_case
    from p2p_jax.errors import UserError

    found, canary, before = [], outside.parent / "canary", _list(outside)
    sandbox = new_sandbox(outside / "sandboxes")
    try:
        run_case(kind, originals, sandbox, canary, rng)
    except UserError as error:
        if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in str(error)):
            found.append(("a message with control characters", repr(str(error))))
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "p2p_jax" in frame.filename] or frames
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
        found.append((f"{type(error).__name__} at {place}", "".join(traceback.format_exception(error)[-3:])))
    if canary.exists():
        canary.unlink()
        found.append(("a stranger's code ran", ""))
    shutil.rmtree(sandbox, ignore_errors=True)
    if new := _list(outside) - before:
        found.append((f"files outside: {', '.join(sorted(path.name for path in new))}", ""))
        for path in new:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


def _list(folder: Path) -> set[Path]:
    """The files outside of the sandboxes that a case could have written."""
    return {path for part in (folder, folder / "sandboxes", folder / "tmp", folder / "home") for path in part.iterdir()}
