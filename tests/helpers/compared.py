"""Runs to compare: copies of one finished run that say to have other seeds or settings, and have other scores."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from helpers.runs import change_record, folder_run


def copy_run(workdir: Path, *, gain: float = 0.0, noise: float = 0.0, seed: int = 0, **changes: Any) -> Path:
    """A copy of `folder_run` with other scores in its report.

    Args:
        workdir: of the copy.
        gain: added to the SSIM of every pair.
        noise: standard deviation of what is added to that of each pair, which depends on the seed.
        seed: of its config.
        **changes: other fields of the config, by dotted names with two underscores for a dot.
    """
    shutil.copytree(folder_run(), workdir)
    config = json.loads((workdir / "experiment.json").read_text())["config"] | {"seed": seed}
    for name, value in changes.items():
        *groups, field = name.split("__")
        inner = config
        for group in groups:
            inner = inner[group]
        inner[field] = value
    change_record(workdir, config=config)
    path = workdir / "report" / "figures.json"
    figures = json.loads(path.read_text())
    values = figures["pictures"]["ssim"]
    added = gain + noise * np.random.default_rng(seed).standard_normal(len(values))
    figures["pictures"]["ssim"] = [value + float(more) for value, more in zip(values, added, strict=True)]
    path.write_text(json.dumps(figures))
    return workdir
