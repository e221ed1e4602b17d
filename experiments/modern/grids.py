"""Pictures of several settings side by side: figures alone do not decide."""

from pathlib import Path

import numpy as np

import p2p_jax
from experiments.modern.sets import DRAWN
from p2p_jax.config.tree import with_fields
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import open_dataset
from p2p_jax.evaluation.evaluate import translate_all
from p2p_jax.evaluation.samples import Columns, sample_columns, save_grid
from p2p_jax.workdir.record import load_experiment

ROWS = 6
"""Test pictures of a grid, spread over the split."""


def save_settings(path: Path, runs: dict[str, Path]) -> list[str]:
    """Writes a grid: a row for each test picture, with its input, the output of each run, and its target.

    Args:
        path: of the PNG.
        runs: {title: workdir}; those that do not exist are left out. The inputs are shown as the first one reads them.

    Returns:
        the titles of the runs that are shown; no picture is written if there are none.
    """
    there = {title: folder for title, folder in runs.items() if (folder / "experiment.json").is_file()}
    if not there:
        return []
    shown: Columns = {}
    target: Columns = {}
    for title, folder in there.items():
        config = with_fields(load_experiment(folder).config, {"seed": 0, "data.count": DRAWN})
        pairs = open_dataset(config).splits["test"]
        examples = [pairs.read(int(index), fit_of_evaluation(config)) for index in np.linspace(0, pairs.count() - 1, ROWS)]
        outputs = translate_all(p2p_jax.load(folder), examples)
        found = sample_columns(examples, outputs, config.data)
        shown.setdefault("input", found["input"])
        shown[title], target = found["output"], {"target": found["target"]}
    save_grid(path, shown | target)
    return list(there)
