"""The pure functions of the report's script."""

import re

import pytest
from py_mini_racer import MiniRacer

from p2p_jax.evaluation.pages import curves, parts


@pytest.fixture(scope="module")
def script() -> MiniRacer:
    engine = MiniRacer()
    engine.eval((parts.WEB / "plot.js").read_text() + "\nnull;")
    for function in (
        "linear = (low, high, from, to, log, values) => values.map(scale(low, high, from, to, log))",
        "drawn = (steps, values, log) => linePath(steps, values, (x) => x, (y) => y, log)",
    ):
        engine.eval(f"const {function}; null;")
    return engine


@pytest.mark.slow
def test_smoothing_is_a_moving_average_without_the_bias_of_its_start(script):
    assert script.call("smooth", [3, 1, 2], 0) == [3, 1, 2]
    assert script.call("smooth", [5, 5, 5], 0.9) == pytest.approx([5, 5, 5])
    few, many = ({"values": [0] * (count - 1) + [1]} for count in (9, 10))
    assert script.call("softened", few, 0.5) == few
    assert script.call("softened", many, 0.5)["values"][-1] < 0.6
    assert script.call("smooth", [1, None, 3], 0.5) == pytest.approx([1, None, (0.25 * 1 + 0.5 * 3) / 0.75])


@pytest.mark.slow
def test_the_nearest_point_is_found(script):
    steps = [0, 10, 20, 40]
    for value in range(-5, 60):
        found = script.call("nearest", steps, value)
        assert abs(steps[found] - value) == min(abs(step - value) for step in steps)
    assert script.call("nearest", [], 3) == -1
    assert script.call("nearest", [7], 3) == 0


@pytest.mark.slow
@pytest.mark.parametrize("ends", [(0, 300), (0.183, 0.317), (-4, 9), (2, 2), (0, 1e-12)])
def test_ticks_are_those_of_the_picture_without_script(script, ends):
    assert script.call("ticks", *ends, 5) == pytest.approx(curves.ticks(*ends, 5))


@pytest.mark.slow
def test_ticks_of_a_logarithmic_axis(script):
    assert script.call("logTicks", 0.001, 1000, 5) == pytest.approx([0.001, 0.1, 10, 1000])
    assert script.call("logTicks", 0.9, 6, 5) == pytest.approx([1, 2, 5])
    assert script.call("logTicks", 0.31, 0.36, 5) == pytest.approx([0.31, 0.32, 0.33, 0.34, 0.35, 0.36])


@pytest.mark.slow
def test_scales_are_linear_or_logarithmic(script):
    assert script.call("linear", 0, 10, 100, 200, False, [0, 5, 10]) == [100, 150, 200]
    assert script.call("linear", 0.1, 10, 0, 100, True, [0.1, 1, 10]) == pytest.approx([0, 50, 100])
    assert script.call("linear", 3, 3, 0, 100, False, [3]) == [50]


@pytest.mark.slow
def test_zooming_stays_inside_and_keeps_the_centre(script):
    assert script.call("zoomed", [0, 100], 2, 50, [0, 100]) == [25, 75]
    assert script.call("zoomed", [0, 100], 2, 100, [0, 100]) == [50, 100]
    assert script.call("zoomed", [25, 75], 0.1, 50, [0, 100]) == [0, 100]
    assert script.call("zoomed", [5, 5.5], 2, 5, [0, 100]) == [5, 6]
    assert script.call("moved", [10, 30], 0.5, [0, 100]) == [20, 40]
    assert script.call("moved", [90, 100], 0.5, [0, 100]) == [90, 100]


@pytest.mark.slow
def test_a_line_is_interrupted_where_a_value_is_missing(script):
    assert script.call("drawn", [1, 2, 3, 4], [1, None, 3, 4], False) == "M1.0 1.0M3.0 3.0L4.0 4.0"
    assert script.call("drawn", [1, 2, 3], [1, 0, 3], True) == "M1.0 1.0M3.0 3.0"


@pytest.mark.slow
def test_the_extent_counts_what_is_shown(script):
    lines = [{"steps": [1, 2, 3], "values": [0, 10, None]}, {"steps": [2], "values": [20]}]
    assert script.call("extent", lines, [2, 3], False) == pytest.approx([9.5, 20.5])
    assert script.call("extent", lines, [1, 1], True) is None
    assert script.call("wholeRange", lines) == [1, 3]
    assert script.call("allSteps", lines) == [1, 2, 3]


@pytest.mark.slow
def test_values_are_read_out_with_their_steps(script):
    lines = [{"label": "training L1", "steps": [10, 20], "values": [0.5, 0.25]},
             {"label": "validation L1", "steps": [20], "values": [None]}]  # fmt: skip
    soft = [{"values": [0.5, 0.375]}, {"values": [None]}]
    said = script.call("readOut", lines, soft, 20)
    assert said == "Step 20: training L1 0.25, smoothed 0.375; validation L1 not finite."
    assert "at step 20" in script.call("readOut", lines, soft, 10)


@pytest.mark.slow
@pytest.mark.parametrize(("best", "first"), [("higher", 0), ("lower", 3), ("near 1", 3)])
def test_pairs_are_sorted_by_how_bad_they_are(script, best, first):
    order = script.call("ordered", [0.2, 1.1, None, 4.0], best, True)
    assert (order[0], order[-1]) == (first, 2)
    assert script.call("ordered", [0.2, 1.1, None, 4.0], best, False)[-1] == 2


def test_the_script_uses_no_other_place():
    forbidden = r"fetch\(|XMLHttp|import\(|eval\(|innerHTML|document\.write|https?:(?!//www.w3.org/2000/svg)"
    assert not re.search(forbidden, parts.read_script())
