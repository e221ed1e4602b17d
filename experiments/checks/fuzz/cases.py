"""The cases: each tampers with one file in a folder of its own, and calls the package's reader."""

import gzip
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.checks.fuzz.originals import CODE, Originals
from experiments.checks.fuzz.tamper import tamper_bytes, tamper_json, tamper_png, tamper_rows, tamper_tar
from p2p_jax.data.loading import describe_data
from p2p_jax.data.pictures import Encoded, decode, of_file
from p2p_jax.data.sets.archives import spool
from p2p_jax.weight_files.state_dict import read_state_dict
from p2p_jax.workdir.checkpoint import restore_params
from p2p_jax.workdir.metrics_file import describe, read_rows, time_fractions
from p2p_jax.workdir.record import RECORD, load_experiment

NATURE = ("picture", "record", "archive", "rows", "checkpoint")
SHARES = (40, 25, 20, 10, 5)
"""The kinds of cases, and how often each comes."""

ARRAY_EVIL = b"\x80\x02cposix\nsystem\nX\x10\x00\x00\x00touch ../canary.\x85R."


def choose_kind(seed: int, number: int) -> tuple[str, random.Random]:
    """The kind of a case, and the source of its random choices."""
    rng = random.Random(f"{seed}/{number}")
    return rng.choices(NATURE, SHARES)[0], rng


def run_case(kind: str, originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    """Tampers with a file and reads it.

    Args:
        kind: of the file.
        originals: the undamaged files.
        sandbox: an empty folder for the case.
        canary: the file that appears if a stranger's code runs.
        rng: source of all random choices.

    Raises:
        Exception: the error of the reader; anything but `UserError` is a fault.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        READERS[kind](originals, sandbox, canary, rng)


def _read_tampered_record(originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    for name in ("experiment.py", "evil.py"):
        (sandbox / name).write_text(CODE.format(path=str(canary)))
    data = tamper_json((originals.run / RECORD).read_bytes(), rng)
    if rng.random() < 0.2:
        name = rng.choice((str(sandbox / "evil.py"), "evil.py", f"{sandbox.name}/evil.py", str(sandbox / "experiment.py")))
        data = data.replace(b'"quickstart"', f'"{name}"'.encode())
    (sandbox / RECORD).write_bytes(data)
    describe_data(load_experiment(sandbox).config.data)


def _read_tampered_rows(originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    path = sandbox / "metrics.jsonl"
    path.write_bytes(tamper_rows((originals.run / path.name).read_bytes(), rng))
    rows = read_rows(path)
    time_fractions(rows)
    for row in rows:
        describe(row)


def _read_tampered_checkpoint(originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    shutil.copytree(originals.run / "checkpoints", sandbox / "checkpoints")
    files = sorted(path for path in (sandbox / "checkpoints").rglob("*") if path.is_file())
    for path in rng.sample(files, rng.choice((1, 1, 2, 4))):
        data = path.read_bytes()
        path.write_bytes(tamper_json(data, rng) if data[:1] in (b"{", b"[") else tamper_bytes(data, rng, data))
    restore_params(sandbox, rng.choice(("latest", "latest", "best", "1")))


def _read_tampered_archive(originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    if rng.random() < 0.5:
        packed = gzip.compress(tamper_tar(rng.choice(originals.tars), rng), 1, mtime=0)
        path = sandbox / "a.tar.gz"
        path.write_bytes(tamper_bytes(packed, rng) if rng.random() < 0.1 else packed)
        with spool(path, sandbox).file:
            return
    name = rng.choice(sorted(originals.arrays))
    data = originals.arrays[name]
    path = sandbox / name
    path.write_bytes(tamper_bytes(data, rng, rng.choice((data, ARRAY_EVIL))))
    if name.endswith(".npz"):
        decode(of_file(path), indices=rng.random() < 0.5)
    else:
        read_state_dict(path)


def _read_tampered_picture(originals: Originals, sandbox: Path, canary: Path, rng: random.Random) -> None:
    name = rng.choice(sorted(originals.pictures))
    data = originals.pictures[name]
    if name.endswith(".png") and rng.random() < 0.6:
        data = tamper_png(data, rng)
    else:
        data = tamper_bytes(data, rng, originals.pictures[rng.choice(sorted(originals.pictures))])
    if rng.random() < 0.5:
        decode(Encoded("x", data), indices=rng.random() < 0.5)
        return
    path = sandbox / "1.png"
    path.write_bytes(data)
    decode(of_file(path), indices=rng.random() < 0.5)


READERS: dict[str, Callable[[Originals, Path, Path, random.Random], Any]] = {
    "picture": _read_tampered_picture,
    "record": _read_tampered_record,
    "archive": _read_tampered_archive,
    "rows": _read_tampered_rows,
    "checkpoint": _read_tampered_checkpoint,
}


def new_sandbox(folder: Path) -> Path:
    """Makes an empty folder for a case."""
    return Path(tempfile.mkdtemp(prefix="case-", dir=folder))
