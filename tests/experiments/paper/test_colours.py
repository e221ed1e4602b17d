"""The paper's figure 7: intersections of whole sets, what is said of them, and the page."""

import numpy as np
import pytest

from experiments.paper import colours
from experiments.paper.distribution_page import Line, render
from experiments.paper.distributions import share
from p2p_jax.evaluation.intervals import Difference, Interval


def counts(seed: int, pictures: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 20, (pictures, 3, 55)).astype(float)


def test_sets_are_compared_as_wholes_and_the_same_pictures_are_resampled():
    targets = counts(0)
    shared = share([targets[::-1], counts(1)], targets)
    assert list(shared) == ["L", "a", "b"]
    for channel, figure in enumerate(shared.values()):
        # The order of the pictures matters in no set, but in a resample.
        np.testing.assert_allclose(figure.values[0], 1, rtol=1e-6)
        assert figure.resampled[0].min() < 0.999
        made, real = (each.sum(0)[channel] / each.sum(0)[channel].sum() for each in (counts(1), targets))
        np.testing.assert_allclose(figure.values[1], np.minimum(made, real).sum(), rtol=1e-6)
        assert (figure.resampled.shape[0], figure.pictures) == (2, 6)


@pytest.mark.parametrize(
    ("closer", "low", "high", "said"),
    [
        (True, 0.1, 0.3, "holds here"),
        (True, -0.3, -0.1, "does not hold here: it is the other way round"),
        (True, -0.1, 0.3, "cannot be told here, where the interval holds 0"),
        (False, -0.3, -0.1, "holds here"),
        (False, 0.1, 0.3, "does not hold here: it is the other way round"),
        (False, -0.1, 0.3, "agrees with what is seen here, where the interval holds 0"),
    ],
)
def test_a_finding_holds_only_where_the_interval_excludes_zero(closer, low, high, said):
    assert colours.answer(closer, Difference((low + high) / 2, Interval(low, high), np.nan)) == said


def test_the_page_draws_every_line_in_every_panel_and_runs_nothing():
    lines = [Line(title, counts(seed).sum(0) / counts(seed).sum()) for seed, title in enumerate(["targets", "<i>", "L1"])]
    page = render(lines, [["", "L"], ["<i>", "0.9\n0.8 to 1.0"]], "shared", ["before"], ["found"])
    assert page.count('<path class="line"') == 3 + 3 * 3
    assert [page.count(f">{letter}</text>") for letter in "TAB"] == [3, 3, 3]
    assert "<i>" not in page
    assert "<script" not in page
    assert page.index("before") < page.index("<svg") < page.index("0.9, 0.8\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}1.0")
