"""Diagnoses of training, each on a run made to go wrong, and none on healthy ones.

    python -m experiments.checks.diagnoses --output runs/diagnoses

Five tiny runs have a fault each: few pairs (overfitting), a generator that hardly learns (the discriminator wins), a
discriminator that does not learn (it loses), inputs that are all equal (outputs alike), and inputs of other pairs (outputs
that ignore them). Three healthy ones have quickstart's settings, shortened: two seeds and another preset. The first table
shows what was said and when, the second what each threshold of `evaluation.diagnoses` was compared with. Curves of each run
are in its report. The exit code is 1 if a fault was not found, or something was said of a healthy run. Runs that have
finished are not trained again.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from PIL import Image
from rich.console import Console
from rich.table import Table

import p2p_jax
from experiments import quickstart
from p2p_jax.cli import compilation_cache
from p2p_jax.config import Config, Data, Discriminator, Generator, Optimizer
from p2p_jax.config.presets import apply_preset
from p2p_jax.data.procedural import facade
from p2p_jax.evaluation import diagnoses
from p2p_jax.workdir.metrics_file import Row, read_rows

SIZE = 32
"""Pixels a side of the faulty runs."""


@dataclass(frozen=True)
class Diagnoses:
    """Train the runs, and compare what is said with what is wrong."""

    output: Path = Path("runs/diagnoses")
    """Folder for the runs."""
    only: tuple[str, ...] = ()
    """Names of the runs to train; by default all."""


class Case(NamedTuple):
    """A run.

    Attributes:
        fault: the kind of diagnosis that it must have; None for a healthy one.
        config: of the run.
        make_input: `(labels of all pairs, index) -> input` of a pair, in place of the labels of the same pair.
    """

    fault: str | None
    config: Config
    make_input: Callable[[list[np.ndarray], int], np.ndarray] | None = None


def cases() -> dict[str, Case]:
    """All runs by name."""
    often = {"log_every": 25, "sample_every": 100, "checkpoint_every": 100, "keep": 1}
    tiny = replace(
        quickstart.CONFIG, image_size=SIZE, steps=700, generator=Generator(widths=(16, 32, 64)),
        discriminator=Discriminator(width=16, num_layers=2), data=Data(source="procedural", load_size=SIZE), **often,
    )  # fmt: skip
    healthy = replace(quickstart.CONFIG, steps=600, **often)
    frozen, learning = 1e-6, 2e-4
    return {
        "few pairs": Case("overfitting", replace(tiny, steps=1500, data=replace(tiny.data, count=16))),
        "frozen generator": Case("discriminator wins", replace(tiny, optimizer=Optimizer(frozen, learning))),
        "frozen discriminator": Case("discriminator loses", replace(tiny, optimizer=Optimizer(learning, frozen))),
        "equal inputs": Case("outputs alike", tiny, lambda labels, index: np.full_like(labels[index], 128)),
        "inputs of others": Case("outputs unrelated", tiny, lambda labels, index: labels[index - 1]),
        "quickstart": Case(None, healthy),
        "quickstart, seed 1": Case(None, replace(healthy, seed=1)),
        "quickstart, preset lua": Case(None, apply_preset(healthy, "lua")),
    }


def train(name: str, case: Case, output: Path) -> tuple[list[Row], float]:
    """Trains a run, or resumes it; returns its rows and the seconds."""
    started, workdir, config = time.monotonic(), output / name.replace(", ", "_").replace(" ", "_"), case.config
    if case.make_input is not None:
        config = replace(config, data=Data(path=str(write_pairs(workdir.with_suffix(".pairs"), case)), load_size=SIZE))
    rows = read_rows(workdir / "metrics.jsonl")
    if not rows or rows[-1]["step"] != config.steps:
        p2p_jax.train(config, workdir)
        rows = read_rows(workdir / "metrics.jsonl")
    return rows, time.monotonic() - started


def write_pairs(folder: Path, case: Case) -> Path:
    """Draws pairs of changed inputs and photos: 400 for training, 50 each for validation and test."""
    assert case.make_input is not None
    drawn = [facade(0, index, size=SIZE) for index in range(500)]
    labels = [pair[1] for pair in drawn]
    for index, (photo, _) in enumerate(drawn):
        split = "train" if index < 400 else "val" if index < 450 else "test"
        (folder / split).mkdir(parents=True, exist_ok=True)
        both = np.concatenate([case.make_input(labels, index), photo], axis=1)
        Image.fromarray(both).save(folder / split / f"{index:03d}.png")
    return folder


def measures(rows: list[Row], config: Config) -> list[str]:
    """What the thresholds are compared with, at its most striking: columns of the second table."""
    seen = diagnoses.at_validations(rows, config.best_metric)
    best = min(seen, key=lambda row: row["val_l1"])
    after = [row for row in seen if row["step"] > best["step"]]
    worst = max(after, key=lambda row: row["val_l1"], default=best)
    guessing = diagnoses.guessing_loss(config) or 1.0
    long = diagnoses.long_means(rows, config)
    losses = [mean["discriminator_loss"] / guessing for mean in long]
    accuracy = [(mean["discriminator_real_accuracy"] + mean["discriminator_fake_accuracy"]) / 2 for mean in long]
    grids = [row for row in rows if row["step"] >= diagnoses.LONG_STEPS]
    smallest = lambda name: min((row[name] for row in grids if name in row), default=float("nan"))
    return [
        f"{worst['val_l1'] / best['val_l1'] - 1:+.1%}",
        f"{worst['generator_l1'] / best['generator_l1'] - 1:+.1%}",
        f"{min(losses):.3f} to {max(losses):.3f}",
        f"{min(accuracy):.3f} to {max(accuracy):.3f}",
        f"{smallest(diagnoses.VARIATION):.3f}",
        f"{smallest(diagnoses.AGREEMENT):.3f}",
    ]


def main() -> int:
    """Trains all runs and prints both tables; returns the exit code."""
    options = tyro.cli(Diagnoses, prog="experiments.checks.diagnoses")
    console = Console(soft_wrap=True)
    compilation_cache.turn_on()  # some runs share their programs
    said = Table("run", "fault", "said, at step", "right", "seconds", title="What was said")
    compared = Table(
        "run", "val L1 after its best", "training L1 meanwhile", "D's loss / guessing's", "D's accuracy", "variation",
        "agreement", title="What the thresholds were compared with",
    )  # fmt: skip
    right = True
    for name, case in cases().items():
        if options.only and name not in options.only:
            continue
        rows, seconds = train(name, case, options.output)
        found = diagnoses.diagnose(rows, case.config)
        kinds = {each.kind for each in found}
        fits = case.fault in kinds if case.fault else not kinds
        right = right and fits
        for each in found:
            console.print(f"{name}: {each.sentence}")
        shown = ", ".join(f"{each.kind} {each.step}" for each in found) or "-"
        said.add_row(name, case.fault or "-", shown, "yes" if fits else "NO", f"{seconds:.0f}")
        compared.add_row(name, *measures(rows, case.config))
    console.print(said)
    console.print(compared)
    console.print(f"Curves: {options.output}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
