"""An experiment is a module that exposes `CONFIG`, and `build(config) -> Pix2Pix` if it composes anything of its own.

Here it is found, stored and rebuilt.

`WORKDIR/experiment.json` holds what built a run, its whole config and the versions, so that every later command rebuilds
exactly what ran. An experiment given as a file is copied into the workdir and rebuilt from there.
"""

import hashlib
import importlib.machinery
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from p2p_jax import config as configs
from p2p_jax import fields
from p2p_jax.disk import whole

GROUP = "p2p_jax.experiments"
RECORD = "experiment.json"


class Experiment(NamedTuple):
    """What a run is made of.

    Attributes:
        name: of the entry point, or the file's name without its ending.
        config: of this run.
        build: `(config) -> Pix2Pix`.
        file: the file it was given as, or None for an installed experiment.
    """

    name: str
    config: Any
    build: Callable[[Any], Any]
    file: Path | None = None


def find(name: str) -> Experiment:
    """Finds an experiment by its installed name, or reads it from a file given as PATH.py.

    Raises:
        ValueError: there is none of that name, or it lacks `CONFIG`.
    """
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"the experiment file {name} does not exist: give the path of a Python file.")
        return _from_module(_load_file(path), path.stem, path)
    entries = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if name not in entries:
        raise ValueError(
            f"there is no experiment named {name}: it is one of {', '.join(sorted(entries))}, or a file given as FILE.py."
        )
    return _from_module(entries[name].load(), name, None)


def names() -> list[str]:
    """The names of all installed experiments."""
    return sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP))


def save_record(workdir: Path, experiment: Experiment, fingerprint: str | None, *, init_from: Path | None = None) -> None:
    """Writes `experiment.json`, and the experiment's file if it was given as one.

    Args:
        workdir: of the run; made if it does not exist.
        experiment: with its resolved config.
        fingerprint: of the data set; None for imported networks that were not trained here yet.
        init_from: the workdir whose networks the run starts from.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    record = {
        "format": 1,
        "name": experiment.name,
        "sha256": None,
        "config": fields.to_dict(experiment.config),
        "fingerprint": fingerprint,
        "init_from": None if init_from is None else str(init_from.absolute()),
        "versions": versions(),
    }
    if experiment.file is not None:
        copy = workdir / "experiment.py"
        if experiment.file.resolve() != copy.resolve():
            shutil.copyfile(experiment.file, copy)
        record["sha256"] = hash_file(copy)
        _trust(record["sha256"])
    with whole(workdir / RECORD) as unfinished:
        unfinished.write_text(json.dumps(record, indent=2) + "\n")


def read_record(workdir: Path) -> dict[str, Any]:
    """What `save_record` wrote.

    Raises:
        ValueError: the folder is no workdir, or its record cannot be read.
    """
    path = workdir / RECORD
    if not path.is_file():
        raise ValueError(f"{workdir} is not the workdir of a run: it holds no {RECORD}; give the folder you trained in.")
    try:
        record = json.loads(path.read_text())
        known = record["format"] == 1
        missing = {"name", "sha256", "config", "fingerprint", "init_from", "versions"} - set(record)
    except (ValueError, KeyError, TypeError):
        record, known, missing = {}, True, {"format"}
    if known and missing:
        raise ValueError(f"{path} is damaged: restore it from a copy, or train anew with --overwrite.")
    if not known:
        raise ValueError(f"{path} has format {record['format']}, but this version reads 1: use the version that wrote it.")
    return record


def load(workdir: Path, *, trust: bool = False) -> Experiment:
    """Rebuilds the experiment of a run, with the config it ran with.

    Args:
        workdir: of the run.
        trust: run the Python file in it even though it was not put there by this user.

    Raises:
        ValueError: the folder is no workdir, or its code is not trusted or was changed.
    """
    record = read_record(workdir)
    if record["sha256"] is None:
        found = find(record["name"])
    else:
        path = workdir / "experiment.py"
        if not path.is_file() or hash_file(path) != record["sha256"]:
            raise ValueError(f"{path} is not the file this run was made with: put the original back.")
        if not trust and record["sha256"] not in _trusted():
            raise ValueError(
                f"{path} is code that you did not put there: read it, then give --trust to let it run on this machine."
            )
        found = _from_module(_load_file(path), record["name"], path)
    return found._replace(config=fields.from_dict(type(found.config), record["config"]))


def versions() -> dict[str, str]:
    """The versions of what a run depends on."""
    packages = ("p2p-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "pillow")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _load_file(path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(path.stem, str(path))
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    loader.exec_module(module)
    return module


def _from_module(module: ModuleType, name: str, file: Path | None) -> Experiment:
    if not isinstance(getattr(module, "CONFIG", None), configs.Config):
        raise ValueError(f"the experiment {name} has no CONFIG: it needs CONFIG = Config(...) of p2p_jax.config.")
    return Experiment(name, module.CONFIG, getattr(module, "build", build_as_the_paper), file)


def build_as_the_paper(config: configs.Config) -> Any:
    """The composition of an experiment that has none of its own."""
    from p2p_jax import pix2pix

    return pix2pix.build(config)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _trust_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "p2p_jax" / "trusted"


def _trusted() -> set[str]:
    path = _trust_file()
    return set(path.read_text().split()) if path.is_file() else set()


def _trust(sha256: str) -> None:
    """Remembers that this user ran this code; where the home folder cannot be written, --trust will be asked for."""
    path = _trust_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as unfinished:
            unfinished.write_text("\n".join(sorted(_trusted() | {sha256})) + "\n")
    except OSError:
        return
