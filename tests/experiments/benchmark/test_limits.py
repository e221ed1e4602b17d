"""The limits of the machine."""

from rich.console import Console

from experiments.benchmark import command, limits
from experiments.benchmark.options import Options
from p2p_jax.console import progress_bar


def test_limits_are_measured():
    rates = limits.measure_jax(limits.Sizes(side=16, values=64, calls=2))
    assert all(rates[name] > 0 for name in ("float32", "bfloat16", "copy"))


def test_the_highest_rates_so_far_are_the_limits(fake_worker):
    fake_worker("import json; input(); print(json.dumps({'answer': {'float32': 2.0, 'bfloat16': 5.0, 'copy': 1.0}}))")
    console, known = Console(), {"jax": {"float32": 3.0, "bfloat16": 4.0, "copy": 1.0}}
    found = command.measure_limits(Options(), console, progress_bar(console), known, torch=False)
    assert found == {"jax": {"float32": 3.0, "bfloat16": 5.0, "copy": 1.0}}
