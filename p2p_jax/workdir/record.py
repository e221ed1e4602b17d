"""The record of a run, `WORKDIR/experiment.json`, from which every later command rebuilds the run."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.config.tree import from_dict, to_dict
from p2p_jax.errors import UserError
from p2p_jax.experiment import FROM_PYTHON, Experiment, find_installed, from_module, load_file, names
from p2p_jax.files.decode import Mismatch, decode_fields, is_sha256, json_checksum, parse_json
from p2p_jax.files.writing import atomic_file, write_text

RECORD = "experiment.json"

FORMAT = 1

FIELDS = {
    "format": int,
    "name": str,
    "sha256": str | None,
    "config": dict[str, Any],
    "fingerprint": str | None,
    "init_from": str | None,
    "versions": dict[str, str],
    "command": str | None,
    "started": str | None,
    "machine": str | None,
    "commit": str | None,
    "checksum": int | None,
}
"""The fields of a record."""

ORIGIN = ("command", "started", "machine", "commit")
"""The fields that say how a run was started, see `origin.describe_origin`; older versions did not write them."""

COLOUR = re.compile("#[0-9a-fA-F]{6}|cmp")
"""A word of a stored palette. The file of a palette was read when the run began, and is never read again."""


def save_record(
    workdir: Path,
    experiment: Experiment,
    fingerprint: str | None,
    *,
    init_from: Path | None = None,
    origin: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes `experiment.json`, and a copy of the experiment's file if it has one.

    Args:
        workdir: of the run; made if it does not exist.
        experiment: with its resolved config.
        fingerprint: of the data set; None for imported networks that have not been trained here.
        init_from: workdir whose networks the run starts from, or None.
        origin: how the run is started, some of the fields `ORIGIN`; a run that was started before keeps its own.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    record = {
        "format": FORMAT,
        "name": experiment.name,
        "sha256": None,
        "config": to_dict(experiment.config),
        "fingerprint": fingerprint,
        "init_from": None if init_from is None else str(init_from.absolute()),
        "versions": versions(),
        **_earlier_origin(workdir, origin),
    }
    if experiment.file is not None:
        copy = workdir / "experiment.py"
        if experiment.file.resolve() != copy.resolve():
            with atomic_file(copy) as file:
                file.write(experiment.file.read_bytes())
        record["sha256"] = hash_file(copy)
        trust_hash(record["sha256"])
    record["checksum"] = json_checksum(record)
    write_text(workdir / RECORD, json.dumps(record, indent=2) + "\n")


def _earlier_origin(workdir: Path, origin: Mapping[str, str]) -> dict[str, str]:
    """How the run in a workdir was started; `origin` if there is none, or only imported networks."""
    with suppress(UserError, OSError):
        record = read_record(workdir)
        if record["fingerprint"] is not None:
            return {field: record[field] for field in ORIGIN if record.get(field) is not None}
    return {field: origin[field] for field in ORIGIN if field in origin}


def read_record(workdir: Path) -> dict[str, Any]:
    """Reads the record that `save_record` wrote.

    Raises:
        UserError: the folder is not a workdir, or its record cannot be read.
    """
    path = workdir / RECORD
    if not path.is_file():
        raise UserError(f"{workdir} is not the workdir of a run: it holds no {RECORD}; give the folder you trained in.")
    is_changed, advice = False, "restore it from a copy, or give another --workdir"
    try:
        record = parse_json(path.read_bytes())
        version = decode_fields({"format": int}, record)["format"]
        if version == FORMAT:
            decode_fields(FIELDS, record)
            if missing := FIELDS.keys() - record.keys() - {"checksum", *ORIGIN}:
                raise Mismatch(f"{min(missing)} is missing")
            if record["sha256"] is not None and not is_sha256(record["sha256"]):
                raise Mismatch("sha256 is no checksum")
            checksum = record.pop("checksum", None)  # older versions did not write it
            is_changed = checksum not in (None, json_checksum(record))
    except Mismatch as mismatch:
        raise UserError(f"{path} is damaged ({mismatch}): {advice}.") from None
    if version != FORMAT:
        raise UserError(f"{path} has format {version}, but this version reads format 1: use the version that wrote it.")
    if is_changed:
        raise UserError(
            f"{path} was changed after the run had written it (its checksum differs): {advice}, or if you changed it "
            "yourself, remove its field checksum."
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
        found = _find_stored(workdir, record["name"])
    else:
        path = workdir / "experiment.py"
        source = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if hashlib.sha256(source).hexdigest() != record["sha256"]:
            raise UserError(f"{path} is missing or is not the file that this run was made with: put that file back.")
        if not trust and record["sha256"] not in trusted_hashes():
            raise UserError(
                f"{path} is code that you did not put there: read it, then give --trust to let it run on this machine."
            )
        found = from_module(load_file(path, source), record["name"], path)
    return found._replace(config=_decode_config(type(found.config), record["config"], workdir / RECORD))


def _decode_config(cls: type, values: dict[str, Any], path: Path) -> Any:
    """Returns the config of a record.

    Raises:
        UserError: a field is unknown, or a value is of another type, no choice, out of bounds, or names a file to read.
    """
    try:
        config = from_dict(cls, values)
        check_config(config)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from None
    for name in ("input", "target"):
        for word in getattr(config.data, name).palette or ():
            if not COLOUR.fullmatch(word):
                raise UserError(f"{path} cannot be used: the palette of the {name}s holds {word}, which is no colour.")
    return config


def _find_stored(workdir: Path, name: str) -> Experiment:
    """Returns the installed experiment that a record names. A record never names a file: anybody may have written it.

    Raises:
        UserError: no such experiment is installed.
    """
    if name not in names():
        raise UserError(
            f"the run in {workdir} was made with the experiment {name}, which is not installed: install the package that "
            f"has it (installed are {', '.join(names())})."
        )
    return find_installed(name)


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
    return set(path.read_text(encoding="utf-8", errors="replace").split()) if path.is_file() else set()


def trust_hash(sha256: str) -> None:
    """Stores the SHA-256 of a file that this user trains with; if that fails, later commands require --trust."""
    path = _trust_file()
    try:
        write_text(path, "\n".join(sorted(trusted_hashes() | {sha256})) + "\n")
    except OSError:
        return
