"""The line that trains on a set: only what differs from the defaults of `p2p-jax train pix2pix`."""

import shlex
from collections import Counter
from pathlib import Path

import numpy as np

from p2p_jax.data.doctor.findings import Findings, usable
from p2p_jax.data.doctor.kinds import Advice, advise
from p2p_jax.errors import PROGRAM

USUAL, LARGEST = 256, 512  # the paper's size; the largest that is trained on as it is, without being asked for
SMALLEST = 24  # pixels a side: the least that the default discriminator takes
SKIPPED = ("channels_differ", "depths_differ", "mask")  # problems of single pairs, besides what is wrong with a file
BORDER = 286 / 256  # the paper's size before its crop, as a share of that after it


def advise_sides(findings: Findings) -> dict[str, Advice]:
    """What each side takes: {"input": of A, "target": of B}."""
    return {"input": advise(findings.pairs, "A"), "target": advise(findings.pairs, "B")}


def train_line(path: Path, findings: Findings) -> str:
    """The command that trains on the set, A to B, quoted for a shell.

    Args:
        path: of the set.
        findings: of `examine`.
    """
    words = [PROGRAM, "train", "pix2pix", "--data.path", str(path)]
    sides = advise_sides(findings)
    for name, advice in sides.items():
        words += _side(f"--data.{name}", advice)
    if any(advice.drop for advice in sides.values()):
        words += ["--data.transparency", "drop"]
    words += _size(findings)
    if any(pair.wrong for pair in findings.pairs) or any(finding.kind in SKIPPED for finding in findings.problems):
        words += ["--data.on-error", "skip"]
    return shlex.join(words)


def _side(option: str, advice: Advice) -> list[str]:
    words = []
    if advice.channels != (3,):
        words += [f"{option}.channels", *map(str, advice.channels)]
    if advice.depth != "8":
        words += [f"{option}.depth", advice.depth]
    if advice.range is not None:
        words += [f"{option}.range", *(f"{value:g}" for value in advice.range)]
    if advice.labels:
        words += [f"{option}.kind", "labels"]
    if advice.classes is not None:
        words += [f"{option}.classes", str(advice.classes)]
    return words


def _size(findings: Findings) -> list[str]:
    sizes = Counter(next(iter(pair.looks.values())).size for pair in findings.pairs if usable(pair))
    if not sizes:
        return []
    if len(sizes) > 1:
        # Not the very smallest: one small picture among many large ones is enlarged.
        shorter = np.array([min(size) for size in sizes.elements()])
        return _square(int(np.quantile(shorter, 0.1, method="lower")))
    (height, width), _ = sizes.most_common()[0]
    if height == width:
        return _square(height)
    if max(height, width) <= LARGEST and min(height, width) >= SMALLEST:
        return ["--image-size", str(height), str(width)]
    return [*_square(min(height, width)), *_keeping_the_ratio(height, width)]


def _square(side: int) -> list[str]:
    return ["--image-size", str(max(side, SMALLEST))] if side < USUAL else []


def _keeping_the_ratio(height: int, width: int) -> list[str]:
    """Scaled so that the shorter side is a little longer than the square crop, as the width sets the scale."""
    words = ["--data.preprocess", "scale_width_and_crop"]
    if height > width:
        return words
    load = round(min(max(height, SMALLEST), USUAL) * BORDER)
    return [*words, "--data.load-size", str(load), str(round(load * width / height))]
