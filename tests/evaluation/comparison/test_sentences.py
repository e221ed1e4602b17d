"""What a comparison says: no more than the runs can show."""

import json

import pytest
from helpers.contrasts import comparison_of

from p2p_jax.evaluation.comparison import sentences
from p2p_jax.evaluation.comparison.result import Contrasts
from p2p_jax.evaluation.comparison.statistics import Contrast
from p2p_jax.evaluation.intervals import Difference, Interval


def test_seeds_of_one_setting_are_never_called_better():
    found, _ = comparison_of([[0.0, 0.1, 0.2]], scope="one setting")
    assert found.verdicts[0] == (
        "No difference between settings: these runs differ only in their seed (run_0, run_1, run_2)."
    )
    assert all(each.metrics["ssim"].difference.interval.excludes_zero() for each in found.contrasts)
    assert {each.verdict(name) for each in found.contrasts for name in each.metrics} == {None}
    assert not [word for sentence in found.verdicts for word in ("better", "worse") if word in sentence]
    titles, *rows = sentences.contrast_table(found.contrasts[0])
    assert titles == ["", "run_1 - run_0", "95 % interval", "run_0", "run_1", "error of pictures"]
    assert found.contrasts[0].won("ssim") is None
    assert not {"better", "worse"} & {cell for row in rows for cell in row}
    spread = sentences.spread_table(found)
    assert next(row for row in spread if row[0] == "SSIM")[2] == f"{found.settings[0].seed_spread['ssim']:.5f}"


def test_one_run_of_each_setting_is_better_on_these_pictures_only():
    found, _ = comparison_of([[0.0], [0.1]], scope="these pictures")
    assert found.contrasts[0].verdict("ssim") == "better"
    assert found.contrasts[0].verdict("l1") == "no difference"
    assert found.verdicts[0] == (
        "B against A, on these pictures and with these checkpoints: B is better by SSIM; no difference by L1. Another seed "
        "may change this, because A and B have only one: train at least 3 seeds of each (--seed 1, --seed 2, …), and "
        "compare all of them at once."
    )
    assert "A has only one" in comparison_of([[0.0], [0.1, 0.2]], scope="these pictures")[0].verdicts[0]


def test_seeds_of_two_settings_are_compared_with_both_sources_of_chance():
    found, _ = comparison_of([[0.0, 0.001, 0.002], [-0.1, -0.101, -0.102]], scope="pictures and seeds")
    assert found.verdicts[0] == (
        "B against A: B is worse by SSIM; no difference by L1. The intervals hold the chance of the pictures and of the "
        "seeds (3 and 3 runs)."
    )
    assert found.verdicts[1] == "Of 2 intervals of 95%, 0.1 exclude 0 by chance on average even where nothing differs."
    few, _ = comparison_of([[0.0, 0.1], [0.05, 0.02]], scope="pictures and seeds")
    assert "B is neither better nor worse by any metric." in few.verdicts[0]
    assert few.verdicts[0].endswith("With 3 seeds of each the intervals would be much narrower.")


def test_the_share_of_pictures_won_is_that_of_the_better_ones():
    found, _ = comparison_of([[0.0], [0.1], [-0.1]], scope="these pictures")
    second, third = found.contrasts
    assert (second.won("ssim"), third.won("ssim"), second.won("l1")) == (1, 0, 0.5)
    table = sentences.contrast_table(second)
    assert table[0] == ["", "B is", "B - A", "95 % interval", "A", "B", "B wins", "error of pictures"]
    assert table[2][:3] == ["SSIM", "better", "+0.1000"]
    assert table[2][4:7] == ["0.4000", "0.5000", "100%"]


@pytest.mark.parametrize(
    ("means", "interval", "verdict"),
    [
        ((0.4, 0.6), (0.1, 0.3), "better"),
        ((0.6, 0.4), (-0.3, -0.1), "worse"),
        ((1.2, 1.6), (0.3, 0.5), "worse"),
        ((0.9, 1.1), (0.1, 0.3), None),
        ((0.4, 0.6), (-0.1, 0.5), "no difference"),
    ],
)
def test_a_metric_that_is_best_near_1_decides_where_both_are_on_one_side(means, interval, verdict):
    difference = Difference(means[1] - means[0], Interval(*interval), 1.0)
    metrics = {"sharpness": Contrast(difference, None, None)}
    found = Contrasts("A", "B", "these pictures", metrics, {"sharpness": means})
    assert (found.verdict("sharpness"), found.won("sharpness")) == (verdict, None)
    assert found._replace(scope="one setting").verdict("sharpness") is None


def test_tables_have_rows_of_one_length_and_json_has_what_they_show():
    for gains, scope in (([[0.0, 0.1]], "one setting"), ([[0.0, 0.1], [0.2, 0.3], [0.4]], "pictures and seeds")):
        found, _ = comparison_of(gains, scope=scope)
        tables = [sentences.runs_table(found), sentences.figures_table(found), sentences.spread_table(found)]
        tables += [sentences.settings_table(found), *(sentences.contrast_table(each) for each in found.contrasts)]
        for table in tables:
            assert len({len(row) for row in table}) == 1
        stored = json.loads(json.dumps(found.as_json(), allow_nan=False))
        assert stored["pairs"] == len(stored["names"]) == 12
        assert stored["contrasts"][0]["scope"] == scope
        assert set(stored["contrasts"][0]["metrics"]["ssim"]) >= {"difference", "interval", "won", "verdict"}
        assert stored["runs"][0]["cost"]["seconds"] == 60
