"""The record of a run, `WORKDIR/experiment.json`, from which every later command rebuilds the run."""

import hashlib
import importlib.machinery
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p2p_jax.config import Config
from p2p_jax.config.tree import from_dict, to_dict
from p2p_jax.errors import UserError
from p2p_jax.experiment import FROM_PYTHON, Experiment, find, from_module, load_file
from p2p_jax.workdir.disk import atomic_write

RECORD = "experiment.json"


def save_record(workdir: Path, experiment: Experiment, fingerprint: str | None, *, init_from: Path | None = None) -> None:
    """Writes `experiment.json`, and a copy of the experiment's file if it has one.

    Args:
        workdir: of the run; made if it does not exist.
        experiment: with its resolved config.
        fingerprint: of the data set; None for imported networks that have not been trained here.
        init_from: workdir whose networks the run starts from, or None.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    record = {
        "format": 1,
        "name": experiment.name,
        "sha256": None,
        "config": to_dict(experiment.config),
        "fingerprint": fingerprint,
        "init_from": None if init_from is None else str(init_from.absolute()),
        "versions": versions(),
    }
    if experiment.file is not None:
        copy = workdir / "experiment.py"
        if experiment.file.resolve() != copy.resolve():
            shutil.copyfile(experiment.file, copy)
        record["sha256"] = hash_file(copy)
        trust_hash(record["sha256"])
    with atomic_write(workdir / RECORD) as unfinished:
        unfinished.write_text(json.dumps(record, indent=2) + "\n")


def read_record(workdir: Path) -> dict[str, Any]:
    """Reads the record that `save_record` wrote.

    Raises:
        UserError: the folder is not a workdir, or its record cannot be read.
    """
    path = workdir / RECORD
    if not path.is_file():
        raise UserError(f"{workdir} is not the workdir of a run: it holds no {RECORD}; give the folder you trained in.")
    try:
        record = json.loads(path.read_text())
        known = record["format"] == 1
        missing = {"name", "sha256", "config", "fingerprint", "init_from", "versions"} - set(record)
    except (ValueError, KeyError, TypeError):
        record, known, missing = {}, True, {"format"}
    if known and missing:
        raise UserError(f"{path} is damaged: restore it from a copy, or give another --workdir.")
    if not known:
        raise UserError(
            f"{path} has format {record['format']}, but this version reads format 1: use the version that wrote it."
        )
    return record


def load_experiment(workdir: Path, *, trust: bool = False, build: Callable[[Any], Any] | None = None) -> Experiment:
    """Rebuilds the experiment of a run, with the config of that run.

    Args:
        workdir: of the run.
        trust: run the experiment file in the workdir even though it was put there by somebody else.
        build: `(config) -> Pix2Pix` of a run that was trained from Python with its own `build`.

    Raises:
        UserError: the folder is not a workdir, its code is not trusted or was changed, or `build` is missing.
    """
    record = read_record(workdir)
    if build is not None:
        found = Experiment(FROM_PYTHON, Config(), build)
    elif record["name"] == FROM_PYTHON:
        raise UserError(
            f"the run in {workdir} was trained from Python with a build function of its own: use it from Python, and give "
            "that function as build=."
        )
    elif record["sha256"] is None:
        found = find(record["name"])
    else:
        path = workdir / "experiment.py"
        if not path.is_file() or hash_file(path) != record["sha256"]:
            raise UserError(f"{path} is missing or is not the file that this run was made with: put that file back.")
        if not trust and record["sha256"] not in trusted_hashes():
            raise UserError(
                f"{path} is code that you did not put there: read it, then give --trust to let it run on this machine."
            )
        found = from_module(load_file(path), record["name"], path)
    return found._replace(config=from_dict(type(found.config), record["config"]))


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a run depends on."""
    packages = ("p2p-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "pillow")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def hash_file(path: Path) -> str:
    """Computes the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _trust_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "p2p_jax" / "trusted"


def trusted_hashes() -> set[str]:
    """Returns the SHA-256 of all experiment files that this user has trained with."""
    path = _trust_file()
    return set(path.read_text().split()) if path.is_file() else set()


def trust_hash(sha256: str) -> None:
    """Stores the SHA-256 of a file that this user trains with; if that fails, later commands require --trust."""
    path = _trust_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as unfinished:
            unfinished.write_text("\n".join(sorted(trusted_hashes() | {sha256})) + "\n")
    except OSError:
        return
