"""The trackers of a run, seen from the process that trains.

Each tracker has a process of its own, so it can neither slow down nor end the training: its imports, threads, handlers of
signals and uploads stay there. Messages go through a queue and a thread; if the process ends or hangs, they are dropped.
"""

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from queue import Full, Queue
from typing import Any, NamedTuple

from rich.console import Console

from p2p_jax.config import Config
from p2p_jax.config.derived import changed_settings
from p2p_jax.console import waiting
from p2p_jax.errors import UserError
from p2p_jax.files.writing import make_own_folder, open_no_link

CLOSE_TIMEOUT = 120.0  # seconds for which the end of a run waits for all its trackers
LIMIT = 10_000  # messages that wait for a tracker; then it hangs, and is given up


class Package(NamedTuple):
    """The package of a tracker.

    Attributes:
        modules: that must be importable.
        install: packages to install.
        environment: variables that its process gets unless the user has set them; they switch off telemetry.
    """

    modules: tuple[str, ...]
    install: str
    environment: dict[str, str]


PACKAGES = {
    "tensorboard": Package(("tensorboardX",), "tensorboardX", {}),
    "wandb": Package(("wandb",), "wandb", {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}),
    "trackio": Package(("trackio",), "trackio", {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}),
    "mlflow": Package(
        ("mlflow", "sqlalchemy", "alembic"), "mlflow-skinny sqlalchemy alembic", {"MLFLOW_DISABLE_TELEMETRY": "true"}
    ),
}

CHILD = (
    "import json, sys; start = json.loads(sys.stdin.readline()); sys.path[:] = start.pop('path'); "
    "from p2p_jax.tracking.child import run_child; run_child(start)"
)


def wanted(config: Config) -> tuple[str, ...]:
    """Returns the names of a run's trackers, each once.

    Raises:
        UserError: there is no tracker of a name.
    """
    if isinstance(config.track, str) or (unknown := [name for name in config.track if name not in PACKAGES]):
        given = config.track if isinstance(config.track, str) else ", ".join(map(str, unknown))
        raise UserError(f"track was given {given!r}: give some of {', '.join(PACKAGES)}, each as one word of a tuple.")
    return tuple(dict.fromkeys((*(["tensorboard"] if config.tensorboard else []), *config.track)))


def refuse_missing(config: Config) -> None:
    """Refuses trackers whose packages are not installed.

    Raises:
        UserError: a package is missing, or there is no tracker of a name.
    """
    for name in wanted(config):
        if missing := [module for module in PACKAGES[name].modules if find_spec(module) is None]:
            raise UserError(
                f"--track {name} needs {' and '.join(missing)}: install it with 'pip install {PACKAGES[name].install}' (or "
                f"as the extra p2p-jax[{name}]), or omit --track {name}."
            )


@dataclass
class Tracker:
    """The process of one tracker.

    Attributes:
        name: of the tracker.
        log: file of what its process prints.
        process: reads messages from its standard input.
        queue: messages that are not written yet; None closes the standard input.
        is_lost: whether the tracker has ended early, or hangs.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    queue: "Queue[dict[str, Any] | None]" = field(default_factory=lambda: Queue(LIMIT))
    is_lost: bool = False

    def send(self, message: dict[str, Any] | None) -> None:
        """Sends a message without waiting. If the process has ended or hangs, it warns once and drops messages."""
        if self.is_lost:
            return
        if self.process.poll() is not None:
            self.give_up(_last_line(self.log) or f"its process ended with code {self.process.returncode}")
            return
        try:
            self.queue.put_nowait(message)
        except Full:
            self.give_up(f"it has not taken its last {LIMIT} messages")

    def give_up(self, reason: str) -> None:
        """Warns, once, that the run goes on without this tracker."""
        if not self.is_lost:
            self.is_lost = True
            warnings.warn(
                f"tracking with {self.name} has ended ({reason.rstrip('.')}), and the run goes on without it; its messages "
                f"are in {self.log}.",
                stacklevel=3,
            )

    def feed(self) -> None:
        """Writes the messages of the queue to the process, until None comes or the process ends."""
        pipe = self.process.stdin
        with suppress(OSError), pipe:  # pyright: ignore
            while (message := self.queue.get()) is not None:
                pipe.write(json.dumps(message).encode() + b"\n")  # pyright: ignore
                pipe.flush()  # pyright: ignore

    def wait(self, seconds: float) -> None:
        """Waits some seconds for the end of the process; later it finishes alone. A lost one is not waited for."""
        if self.is_lost:
            return
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.give_up(f"its process {self.process.pid} still writes or uploads, and is not waited for")
        else:
            if code:
                self.give_up(_last_line(self.log) or f"its process ended with code {code}")


class Trackers(NamedTuple):
    """The trackers of a run; none in all processes but the first."""

    opened: Sequence[Tracker] = ()

    def send(self, **message: Any) -> None:
        """Sends a message to all trackers; `tracking.child` lists the messages."""
        for tracker in self.opened:
            tracker.send(message)

    def log_row(self, row: dict[str, float]) -> None:
        """Logs a row of metrics.jsonl at its step."""
        values = {name: value for name, value in row.items() if name != "step"}
        self.send(row=values, step=int(row["step"]))

    def log_figures(self, split: str, scores: Mapping[str, Mapping[str, float]], step: int) -> None:
        """Logs the figures of an evaluation, {predictor: {metric: figure}}, as SPLIT/PREDICTOR/METRIC."""
        figures = {f"{split}/{name}/{metric}": value for name, each in scores.items() for metric, value in each.items()}
        self.send(figures=figures, step=step)

    def close(self, status: str) -> None:
        """Ends all trackers: "finished" or "stopped"."""
        for tracker in self.opened:
            tracker.send({"end": status})
            tracker.send(None)
        end = time.monotonic() + CLOSE_TIMEOUT
        for tracker in self.opened:
            tracker.wait(max(0.0, end - time.monotonic()))


@contextmanager
def open_trackers(config: Config, experiment: str, workdir: Path, console: Console) -> Iterator[Trackers]:
    """Yields the trackers of a run. A tracker that cannot be opened is warned of, and is left out.

    Args:
        config: of the run.
        experiment: its name.
        workdir: of the run.
        console: shows that the end of the run waits for them.
    """
    opened: list[Tracker] = []
    settings = {"experiment": experiment, **changed_settings(config)}
    for name in wanted(config):
        try:
            opened.append(_open(name, workdir.absolute(), settings))
        except (OSError, UserError) as error:
            warnings.warn(f"tracking with {name} is not possible, and the run goes on without it: {error}", stacklevel=3)
    trackers, status = Trackers(opened), "stopped"
    try:
        yield trackers
        status = "finished"
    finally:
        with waiting(console, "finishing the trackers") if opened else nullcontext():
            trackers.close(status)


def _open(name: str, workdir: Path, settings: dict[str, Any]) -> Tracker:
    folder = workdir / "tracking"
    own = workdir / name if name == "tensorboard" else folder / name
    for each in (folder, own):
        make_own_folder(each)
    _refuse_links(own)
    start = {
        "tracker": name,
        "run_name": workdir.name,
        "folder": str(own),
        "progress": str(folder / f"{name}.run.json"),
        "settings": settings,
        "path": [os.path.abspath(each) for each in sys.path],
    }
    environment = {**PACKAGES[name].environment, **({"TRACKIO_DIR": str(own)} if name == "trackio" else {}), **os.environ}
    log = folder / f"{name}.log"
    with ExitStack() as stack:
        printed = stack.enter_context(open(open_no_link(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb"))
        # Its own session, so that Ctrl-C does not reach it. With -P, no module of the current folder is imported.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    tracker = Tracker(name, log, process)
    tracker.send(start)
    threading.Thread(target=tracker.feed, name=f"p2p_jax tracker {name}", daemon=True).start()
    return tracker


def _refuse_links(folder: Path) -> None:
    """Refuses links through which a package would write. Below folders of wandb's runs it makes links itself."""
    for place, folders, files in os.walk(folder):
        for each in (Path(place, name) for name in (*folders, *files)):
            if each.is_symlink():
                raise UserError(f"{each} is a link, and files must not be written through it: remove the link.")
        if folder.name == "wandb":  # it never writes into the folder of an earlier start again
            return


def _last_line(log: Path) -> str:
    """Returns the last line that a process has printed, which names the error that ended it."""
    try:
        return next(filter(None, reversed(log.read_text(errors="replace").splitlines())), "")[:300]
    except OSError:
        return ""
