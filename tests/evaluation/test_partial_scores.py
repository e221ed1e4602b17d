"""Partial scores are loaded only under the key that they were saved with."""

import base64
import json

import numpy as np
import pytest

from p2p_jax.evaluation.partial_scores import PartialScores

ROWS = base64.b64encode(np.full((1, 2), 0.1).tobytes()).decode()


def test_scores_are_loaded_under_their_own_key_only(tmp_path):
    first = PartialScores((4, 1, 2), tmp_path, ["a"])
    first.rows[:3] = [[[0.1, np.nan]], [[0.2, np.inf]], [[-0.3, 1e-300]]]
    first.done, first.replaced = 3, {1, 2}
    first.save(now=True)
    again, other = PartialScores((4, 1, 2), tmp_path, ["a"]), PartialScores((4, 1, 2), tmp_path, ["b"])
    assert (again.done, again.replaced) == (3, {1, 2})
    np.testing.assert_array_equal(again.rows, first.rows)
    assert (other.done, other.rows.any(), other.replaced) == (0, False, set())


@pytest.mark.parametrize(
    "text",
    [
        "{", "", "[]", "[" * 100_000, '{"rows": 1, "replaced": []}', '{"rows": "" }',
        '{"rows": "AAAA", "replaced": []}', '{"rows": "?", "replaced": []}', '{"rows": "", "replaced": [1]}',
        json.dumps({"rows": ROWS, "replaced": ["x"]}), json.dumps({"rows": ROWS * 3, "replaced": []}),
    ],
)  # fmt: skip
def test_a_damaged_file_causes_a_warning_and_starts_with_none(tmp_path, text):
    PartialScores((2, 2), tmp_path, ["a"]).save(now=True)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    with pytest.warns(UserWarning, match="is damaged: its pairs are measured again"):
        found = PartialScores((2, 2), tmp_path, ["a"])
    assert (found.done, found.rows.any(), found.replaced) == (0, False, set())


def test_scores_of_other_metrics_are_dropped(tmp_path):
    for columns in ([], ["a", "b"]):
        old = PartialScores((4, 2), tmp_path, "key", columns)
        old.done = 3
        old.save(now=True)
        with pytest.warns(UserWarning, match="holds other metrics than these: its pairs are measured again"):
            assert PartialScores((4, 2), tmp_path, "key", ["a", "c"]).done == 0
        assert PartialScores((4, 2), tmp_path, "key", columns).done == 3
        old.remove()
