"""Runs lessons and writes their numbers, figures and page."""

import hashlib
import importlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.fundamentals import LESSONS, page
from experiments.fundamentals.lesson import Figure, Lesson, Pictures, holds
from experiments.fundamentals.prose import compose, read_text
from p2p_jax.cli import compilation_cache as programs
from p2p_jax.cli import run_command
from p2p_jax.cli.parsing import parse
from p2p_jax.console import open_console, progress_bar
from p2p_jax.evaluation.samples import save_grid
from p2p_jax.files.outputs import check_outputs
from p2p_jax.workdir.record import versions


@dataclass(frozen=True)
class Options:
    """Run lessons of the course, and write them to a self-contained page."""

    workdir: Path = Path("runs/fundamentals")
    """Output folder: the page of all lessons (index.html) and a folder for each lesson."""
    overwrite: bool = False
    """Run every lesson again, and replace files that the course did not write. By default a lesson runs again only if the
    code or text of the package or course changed."""


def run_lessons(names: Sequence[str]) -> None:
    """The command line of one lesson or of all; ends the program, with exit code 1 if a claim does not hold."""
    program = "experiments.fundamentals" + (f".{names[0]}" if len(names) == 1 else "")
    sys.exit(run_command(lambda argv: _run(names, parse(Options, argv, program)), sys.argv[1:], program))


def run_lesson(file: str) -> None:
    """The command line of the lesson in this file."""
    run_lessons([Path(file).stem])


def _run(names: Sequence[str], options: Options) -> int:
    programs.turn_on()
    console = open_console()
    path = options.workdir / "index.html" if len(names) > 1 else options.workdir / names[0] / "index.html"
    if not options.overwrite:
        _refuse_files_of_others(options.workdir, names, path)
    articles, broken = {}, []
    with progress_bar(console) as progress:
        task = progress.add_task("lessons", total=len(names))
        for index, name in enumerate(names, start=1):
            folder = options.workdir / name
            kept = None if options.overwrite else read_kept(folder)
            if kept is None:
                folder.mkdir(parents=True, exist_ok=True)
                console.print(f"{index}/{len(names)} {name} ...")
                started = time.perf_counter()
                lesson = make_lesson(name)
                kept = write_lesson(folder, lesson)
                console.print(f"    {len(lesson.claims)} claims measured in {time.perf_counter() - started:.0f} s")
            else:
                console.print(f"{index}/{len(names)} {name}: kept, nothing has changed since it ran")
            articles[name] = kept["article"]
            broken += [f"{name}: {text}" for text in kept["broken"]]
            progress.advance(task)
    page.write_atomically(path, page.render_page(articles))
    console.print(f"Wrote {path}; open it in a browser.")
    for text in broken:
        console.print(f"This does not hold here: {text}")
    return 1 if broken else 0


def _refuse_files_of_others(workdir: Path, names: Sequence[str], path: Path) -> None:
    """Refuses to replace a page, or to write into the folder of a lesson, that the course did not write.

    Raises:
        UserError: there are such files.
    """
    folders = [workdir / name for name in names]
    others = [file for folder in folders if folder.is_dir() and not _is_own(folder) for file in folder.iterdir()]
    if path.is_file() and page.MAIN not in path.read_text(encoding="utf-8", errors="replace"):
        others.append(path)
    check_outputs(workdir, dict.fromkeys(others, ()), option="--workdir")


def _is_own(folder: Path) -> bool:
    """Whether the course has written into the folder of a lesson."""
    try:
        return {"claims", "numbers"} <= set(json.loads((folder / "numbers.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False


def make_lesson(name: str, **options: Any) -> Lesson:
    """Runs a lesson's experiment; options are those of its `measure`."""
    module = importlib.import_module(f"experiments.fundamentals.{name}")
    with jax.default_matmul_precision("highest"):  # so that accelerators are exact enough for the claims
        numbers = to_host(module.measure(**options))
    told = importlib.import_module(f"experiments.fundamentals.text.{name}").tell(numbers)
    blocks = compose(read_text(name), told)
    return Lesson(name, module.TITLE, module.QUESTION, module.HOMES, numbers, module.claims(numbers), blocks)


def write_lesson(folder: Path, lesson: Lesson) -> dict[str, Any]:
    """Writes the numbers (JSON), the figures (PNG) and the record of the lesson for the page, and returns the record."""
    said = [{**claim._asdict(), "holds": holds(claim)} for claim in lesson.claims]
    record = json.dumps(to_json({"claims": said, "numbers": lesson.numbers}), indent=1, allow_nan=False)
    page.write_atomically(folder / "numbers.json", record + "\n")
    for block in lesson.blocks:
        if isinstance(block, Figure):
            block.drawing.savefig(folder / f"{block.name}.png", dpi=180)
        elif isinstance(block, Pictures):
            save_grid(folder / f"{block.name}.png", dict(block.columns))
    kept = {
        "code": hash_code(),
        "article": page.render_article(lesson, folder, number=LESSONS.index(lesson.name) + 1),
        "broken": [f"{claim.text} {page.compare(claim)}" for claim in lesson.claims if not holds(claim)],
    }
    page.write_atomically(folder / "lesson.json", json.dumps(kept) + "\n")
    return kept


def read_kept(folder: Path) -> dict[str, Any] | None:
    """The record that `write_lesson` wrote, or None if there is none or it is from other code."""
    try:
        kept = json.loads((folder / "lesson.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = {"code": str, "article": str, "broken": list}
    whole = isinstance(kept, dict) and all(isinstance(kept.get(key), kind) for key, kind in kinds.items())
    return kept if whole and kept["code"] == hash_code() else None


def to_host(value: Any) -> Any:
    """Replaces JAX arrays by NumPy arrays and keeps the order of dicts (`jax.device_get` sorts them)."""
    if isinstance(value, dict):
        return {key: to_host(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_host(item) for item in value)
    return np.asarray(value) if isinstance(value, jax.Array) else value


def to_json(value: Any) -> Any:
    """Converts to numbers, strings, lists and dicts, without pictures; NaN and infinities become strings."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items() if not is_picture(item)}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value if not is_picture(item)]
    value = np.asarray(value).tolist() if hasattr(value, "dtype") else value
    if isinstance(value, list):
        return to_json(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def is_picture(value: Any) -> bool:
    """Whether this is a picture: an array of uint8."""
    return getattr(value, "dtype", None) == np.uint8


@cache
def hash_code() -> str:
    """A hash of the files of the package and the course, and of the versions of Python and the libraries."""
    here = Path(__file__).parent
    package = Path(importlib.import_module("p2p_jax").__path__[0])
    kinds = (".py", ".md", ".js", ".css")
    files = sorted(path for root in (here, package) for path in root.rglob("*") if path.suffix in kinds)
    digest = hashlib.sha256(json.dumps(versions()).encode())
    for path in files:
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
