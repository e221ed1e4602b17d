"""Settings: runs that differ in nothing but the seed, and what differs between settings."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from p2p_jax.config.tree import to_dict
from p2p_jax.errors import UserError
from p2p_jax.evaluation.comparison.candidates import Candidate
from p2p_jax.experiment import build_paper

IRRELEVANT = (
    "seed", "sharding", "model_parallel", "steps_per_call", "steps_per_epoch", "native", "log_every", "sample_every",
    "checkpoint_every", "keep", "tensorboard", "data.path", "data.layout", "data.tfds_dir", "data.threads",
    "data.processes", "data.cache", "data.cache_mib",
)  # fmt: skip
"""Fields of the config that make no other setting: the seed; where the pictures are, which are checked to be the same; how
they are read ahead; what is logged and kept; and how the work is distributed, which changes results by rounding only."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

ABSENT = "(none)"
"""Shown for a field that the config of a run does not have."""


class Setting(NamedTuple):
    """Runs that differ in nothing but the seed.

    Attributes:
        letter: "A", "B", … in the order of the runs.
        runs: their indices.
        values: {name of a field: its value} of all fields that matter.
    """

    letter: str
    runs: tuple[int, ...]
    values: dict[str, Any]


def find_settings(runs: Sequence[Candidate], steps: Sequence[int] | None) -> list[Setting]:
    """Groups runs that differ in nothing but the seed.

    Args:
        runs: to compare.
        steps: of their checkpoints; None if these may differ, because each run's best one is compared.

    Raises:
        UserError: two runs have the same setting and the same seed, or there are more settings than letters.
    """
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for index, run in enumerate(runs):
        values = _values(run, None if steps is None else steps[index])
        group = next((members for known, members in groups if known == values), None)
        if group is None:
            groups.append((values, [index]))
            continue
        for other in group:
            if runs[other].config.seed == run.config.seed:
                raise UserError(
                    f"{runs[other].name} and {run.name} have the same settings and the same seed {run.config.seed}, so one "
                    "repeats the other: give only one of them."
                )
        group.append(index)
    if len(groups) > len(LETTERS):
        raise UserError(f"{len(groups)} settings were given: compare at most {len(LETTERS)} at a time.")
    return [Setting(letter, tuple(found), values) for letter, (values, found) in zip(LETTERS, groups, strict=False)]


def differing(settings: Sequence[Setting]) -> dict[str, list[Any]]:
    """{name of a field: its value in each setting}, for the fields that differ between settings."""
    names = dict.fromkeys(name for setting in settings for name in setting.values)
    found = {name: [setting.values.get(name, ABSENT) for setting in settings] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _values(run: Candidate, step: int | None) -> dict[str, Any]:
    values = {name: value for name, value in _flat(to_dict(run.config)).items() if name not in IRRELEVANT}
    # Installed experiments with the paper's networks differ in their configs alone.
    code = ABSENT if run.experiment.build is build_paper else run.record["sha256"] or run.record["name"]
    values |= {"code of the experiment": code, "init_from": run.record["init_from"] or ABSENT}
    return values if step is None else values | {"step of the checkpoint": step}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
