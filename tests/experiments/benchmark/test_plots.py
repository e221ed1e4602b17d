"""The plots."""

from helpers.benchmark import LIMITS, made_up_case

from experiments.benchmark import plots


def test_a_percentage_above_100_has_no_decimals():
    slower = {"jax": LIMITS["jax"] | {"float32": LIMITS["jax"]["float32"] / 2.5}}
    axes = plots.draw_case(made_up_case(), slower).axes[0]
    assert axes.texts[0].get_text() == "4 (125 % of 3.2)"
