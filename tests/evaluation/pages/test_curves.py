"""The curves of a report, as data and as pictures for a page without its script."""

import math
import re

import pytest

from p2p_jax.evaluation.pages.curves import MOST_POINTS, as_data, charts_of, draw, section, ticks

ROWS = [{"step": 10 * i, "generator_l1": 1 / i, "val_l1": 2 / i, "val_lpips_alex": 0.1 * i} for i in range(1, 6)]


def test_rows_become_charts_of_lines():
    charts = charts_of([*ROWS, {"step": 60, "generator_l1": math.nan, "loss_of_somebody": 1.0}])
    assert [chart.title for chart in charts] == ["Generator: distance to the target", "Validation: LPIPS (AlexNet)"]
    training, validation = charts[0].lines
    assert (training.label, validation.label) == ("training L1", "validation L1")
    assert training.steps == [10, 20, 30, 40, 50, 60]
    assert training.values == [1.0, 0.5, 0.333333, 0.25, 0.2, None]
    assert as_data(charts)[0]["lines"][1]["values"][0] == 2.0


def test_what_a_step_with_further_pieces_logs_is_drawn():
    names = ("generator_matching", "generator_perceptual", "augmentation_probability", "augmentation_sign")
    charts = charts_of([dict.fromkeys(names, 0.5) | {"step": 1}])
    assert [[line.label for line in chart.lines] for chart in charts] == [
        ["feature matching", "perceptual"],
        ["probability", "mean sign of the logits of targets"],
    ]


def test_long_runs_are_drawn_as_means_of_several_rows():
    rows = [{"step": i, "learning_rate": float(i % 2)} for i in range(1, 2 * MOST_POINTS + 1)]
    (line,) = charts_of(rows)[0].lines
    assert len(line.steps) == MOST_POINTS
    assert set(line.values) == {0.5}
    assert line.label.endswith("(means of 2 rows)")
    assert line.steps[-1] == 2 * MOST_POINTS


@pytest.mark.parametrize("value", [0.0, -3.0, 1e300, math.inf, math.nan])
def test_any_values_are_drawn(value):
    for rows in ([{"step": 5, "generator_l1": value}], [{"step": i, "generator_l1": value * i} for i in range(3)]):
        picture = draw(charts_of(rows)[0])
        assert picture.startswith("<svg")
        assert not re.search("nan|inf|None", picture)


def test_lines_can_be_told_apart_without_colours():
    picture = draw(charts_of(ROWS)[0])
    dashes = re.findall('class="line line-[0-9]" stroke-dasharray="([^"]*)"', picture)
    assert len(set(dashes)) == len(dashes) == 2
    assert "a3.2 3.2" in picture  # circles; the other markers are squares
    assert re.search('class="marker line-1"', picture)


def test_the_controls_are_hidden_where_the_script_does_not_run():
    page = section(charts_of(ROWS))
    assert page.count('<div class="controls" hidden>') == 2
    assert '<div class="settings" hidden>' in page
    assert page.count('role="img" aria-label="') == 2
    assert "no rows" in section([])


def test_ticks_are_round_numbers_inside():
    assert ticks(0, 300, 5) == [0, 100, 200, 300]
    assert ticks(0.183, 0.317, 5) == [0.2, 0.25, 0.3]
    assert ticks(7, 7, 5) == [7]
    assert ticks(math.nan, 1, 5) == []
