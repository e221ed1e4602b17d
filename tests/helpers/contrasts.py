"""Comparisons that no run was trained for, from made-up scores."""

from collections.abc import Sequence

import numpy as np

from p2p_jax.evaluation.columns import Columns
from p2p_jax.evaluation.comparison import sentences
from p2p_jax.evaluation.comparison.costs import Cost
from p2p_jax.evaluation.comparison.result import ComparedRun, ComparedSetting, Comparison, Contrasts, Scope
from p2p_jax.evaluation.comparison.statistics import Measured, contrast, measure_runs

PAIRS = 12


def comparison_of(gains: Sequence[Sequence[float]], *, scope: Scope) -> tuple[Comparison, dict[str, Measured]]:
    """A comparison of settings whose runs have these gains in SSIM over the same pictures, without noise.

    Args:
        gains: of the runs of each setting.
        scope: of all differences.
    """
    pictures = np.linspace(0.2, 0.6, PAIRS)
    wave = 0.01 * np.sin(np.arange(PAIRS))  # so that pictures differ in what they gain
    rows = [np.stack([1 - pictures, pictures + gain * (1 + wave)], 1) for group in gains for gain in group]
    found, _ = measure_runs(Columns(("l1", "ssim")), rows)
    letters = [letter for letter, group in zip("ABC", gains, strict=False) for _ in group]
    runs = [
        ComparedRun(
            f"run_{i}", letter, i, 8, {n: float(each.values[i]) for n, each in found.items()}, {}, Cost(60, 8, 9, {}), True
        )
        for i, letter in enumerate(letters)
    ]
    places = {letter: [i for i, each in enumerate(letters) if each == letter] for letter in dict.fromkeys(letters)}
    fields = lambda letter: {"loss.adversarial_weight": float(letter != "A")} if len(places) > 1 else {}
    settings = [
        ComparedSetting(
            letter, tuple(runs[i].name for i in own), fields(letter),
            {name: float(each.values[own].mean()) for name, each in found.items()},
            {name: float(each.values[own].std(ddof=1)) for name, each in found.items()} if len(own) > 1 else {}, {},
        )
        for letter, own in places.items()
    ]  # fmt: skip
    sides = [("A", letter, places["A"], own) for letter, own in places.items() if letter != "A"]
    if not sides:
        sides = [("run_0", runs[i].name, [0], [i]) for i in places["A"][1:]]
    contrasts = [
        Contrasts(
            first, second, scope, {name: contrast(each, one, other) for name, each in found.items()},
            {name: (float(each.values[one].mean()), float(each.values[other].mean())) for name, each in found.items()},
        )
        for first, second, one, other in sides
    ]  # fmt: skip
    names = tuple(f"picture <{i}>" for i in range(PAIRS))
    told = tuple(sentences.verdicts(settings, contrasts))
    return Comparison("test", names, tuple(runs), tuple(settings), tuple(contrasts), told, ()), found
