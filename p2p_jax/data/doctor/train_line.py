"""The command that trains on a set, with only those options that differ from the defaults of `p2p-jax train pix2pix`."""

import shlex
from collections import Counter
from pathlib import Path

import numpy as np

from p2p_jax.data.doctor.advice import Advice, advise_sides
from p2p_jax.data.doctor.findings import Findings, is_usable, size_of
from p2p_jax.errors import PROGRAM

DEFAULT_SIZE = 256  # pixels a side, as in the paper
MAX_SIZE = 512  # pixels a side of rectangles that keep their size; larger pictures need more memory than many devices have
MIN_SIZE = 24  # pixels a side, the smallest that the default discriminator accepts
SKIPPABLE = ("channels_differ", "depths_differ")  # problems of single pairs, besides unreadable files
LOAD_FACTOR = 286 / 256  # the paper's size before its crop, divided by that after it


def train_line(path: str | Path, findings: Findings) -> str:
    """The command that trains on the set, A to B, quoted for a shell.

    Args:
        path: of the set.
        findings: of `examine.check_data`.
    """
    words = [PROGRAM, "train", "pix2pix", "--data.path", str(path)]
    if findings.layout != "auto":
        words += ["--data.layout", findings.layout]
    sides = advise_sides(findings.pairs)
    for name, advice in sides.items():
        words += _list_options(f"--data.{name}", advice)
    if any(advice.drop for advice in sides.values()):
        words += ["--data.transparency", "drop"]
    words += _choose_size(findings)
    found = {finding.kind for finding in findings.problems}
    unusable = any(pair.problems for pair in findings.pairs) or bool(found & set(SKIPPABLE))
    if unusable and "no_training_pairs" not in found:  # otherwise there is nothing to train on after skipping
        words += ["--data.on-error", "skip"]
    return shlex.join(words)


def _list_options(prefix: str, advice: Advice) -> list[str]:
    words = []
    if advice.channels != (3,):
        words += [f"{prefix}.channels", *map(str, advice.channels)]
    if advice.depth != "8":
        words += [f"{prefix}.depth", advice.depth]
    if advice.range is not None:
        words += [f"{prefix}.range", *(f"{value:g}" for value in advice.range)]
    if advice.labels:
        words += [f"{prefix}.kind", "labels"]
    if advice.classes is not None:
        words += [f"{prefix}.classes", str(advice.classes)]
    if advice.ignore is not None:
        words += [f"{prefix}.ignore", f"{advice.ignore:.9g}"]
    return words


def _choose_size(findings: Findings) -> list[str]:
    sizes = Counter(size_of(pair) for pair in findings.pairs if is_usable(pair))
    if not sizes:
        return []
    if len(sizes) > 1:
        # A low quantile instead of the smallest size, so that one small picture does not shrink all others.
        shorter = np.array([min(size) for size in sizes.elements()])
        return _square(int(np.quantile(shorter, 0.1, method="lower")))
    (height, width), _ = sizes.most_common()[0]
    if height == width:
        return _square(height)
    if max(height, width) <= MAX_SIZE and min(height, width) >= MIN_SIZE:
        return ["--image-size", str(height), str(width)]
    return [*_square(min(height, width)), *_keep_ratio(height, width)]


def _square(length: int) -> list[str]:
    return ["--image-size", str(max(length, MIN_SIZE))] if length < DEFAULT_SIZE else []


def _keep_ratio(height: int, width: int) -> list[str]:
    """Options that scale so that the shorter side is slightly longer than the square crop; the width sets the scale."""
    words = ["--data.preprocess", "scale_width_and_crop"]
    if height > width:
        return words
    load = round(min(max(height, MIN_SIZE), DEFAULT_SIZE) * LOAD_FACTOR)
    return [*words, "--data.load-size", str(load), str(round(load * width / height))]
