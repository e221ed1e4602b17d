"""Sets for `p2p-jax data check`, and its findings."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from p2p_jax.cli.options import train_options
from p2p_jax.cli.parsing import parse
from p2p_jax.config import Config
from p2p_jax.config.checks import check_config
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.doctor.examine import check_data
from p2p_jax.data.doctor.findings import Findings
from p2p_jax.data.doctor.train_line import train_line
from p2p_jax.data.fit import fit_of_training
from p2p_jax.data.layout import find_pairs
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade
from p2p_jax.data.records import FileRecords

TRAIN, TEST, SIZE = 24, 6, 64


def draw_pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """(labels, photo) of drawn facades."""
    return [facade(3, i, size=SIZE)[::-1] for i in range(TRAIN + TEST)]


def write_good_set(folder: Path, drawn: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """Writes trainA, trainB, testA and testB, in which nothing is wrong."""
    for i, pair in enumerate(drawn):
        split = "train" if i < TRAIN else "test"
        for letter, pixels in zip("AB", pair, strict=True):
            write_picture(folder / f"{split}{letter}" / f"{i}.png", pixels)
    return folder


def check(folder: Path, **options: Any) -> Findings:
    return check_data(folder, threads=2, **options)


def kinds(findings: Findings) -> dict[str, list[str]]:
    """{kind: items} of all problems and warnings."""
    return {finding.kind: list(finding.items) for finding in [*findings.problems, *findings.warnings]}


def options_of(folder: Path, findings: Findings) -> dict[str, list[str]]:
    """The options of the command that trains on a set, without its path.

    Checks that the options are valid and, where there are no problems, that every pair can be read with them.
    """
    words = shlex.split(train_line(folder, findings))
    assert words[:5] == ["p2p-jax", "train", "pix2pix", "--data.path", str(folder)]
    config = parse(train_options("pix2pix", Config()), words[3:], "p2p-jax train").config
    check_config(config)
    for files in find_pairs(folder).values() if not findings.problems else ():
        pairs = RecordedPairs(FileRecords(files), config.data)
        examples = [pairs.read(i, fit_of_training(config)) for i in range(pairs.count())]
        assert len({example["input"].shape for example in examples}) == 1
    found: dict[str, list[str]] = {}
    for word in words[5:]:
        if word.startswith("--"):
            found[word] = []
        else:
            found[list(found)[-1]].append(word)
    return found


def exchange(first: Path, second: Path) -> None:
    """Exchanges the contents of two files."""
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def copy_pair(folder: Path, source: str, target: str, letters: str = "AB") -> None:
    """Copies a pair, such as "train/2.png", to another name or split."""
    for letter in letters:
        shutil.copy(folder / source.replace("/", f"{letter}/"), folder / target.replace("/", f"{letter}/"))


def make_set(folder: Path, a: Callable[[int], Any], b: Callable[[int], Any], count: int = 12, suffix: str = ".png") -> Path:
    """Writes pairs in folders A and B, whose pictures two functions make from the number of a pair."""
    for i in range(count):
        for letter, make in (("A", a), ("B", b)):
            made = make(i)
            is_array = isinstance(made, np.ndarray)
            path = folder / letter / f"{i}{'.tiff' if is_array and made.dtype == np.float32 else suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, made) if is_array else made.save(path)
    return folder


def to_ids(labels: np.ndarray) -> np.ndarray:
    """The class numbers of a label map, (h, w) uint8."""
    return (labels[:, :, None] == COLOURS).all(-1).argmax(-1).astype(np.uint8)


def to_palette(labels: np.ndarray, colours: np.ndarray = COLOURS) -> Image.Image:
    """A label map as a palette picture."""
    picture = Image.fromarray(to_ids(labels))
    picture.putpalette(colours.ravel().tolist())
    return picture
