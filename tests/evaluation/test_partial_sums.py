"""Partial sums are loaded only under the key that they were saved with."""

import pytest

from p2p_jax.evaluation.partial_sums import PartialSums


def test_sums_are_loaded_under_their_own_key_only(tmp_path):
    first = PartialSums((1, 2), tmp_path, ["a"])
    first.sums += 0.1
    first.done, first.replaced = 3, {1, 2}
    first.save(now=True)
    again, other = PartialSums((1, 2), tmp_path, ["a"]), PartialSums((1, 2), tmp_path, ["b"])
    assert (again.done, again.sums.tolist(), again.replaced) == (3, [[0.1, 0.1]], {1, 2})
    assert (other.done, other.sums.tolist(), other.replaced) == (0, [[0, 0]], set())


@pytest.mark.parametrize(
    "text",
    [
        "{", "", "[]", "[" * 100_000, '{"done": -1, "sums": [[0, 0]], "replaced": []}', '{"done": 1, "sums": [[0, 0]]}',
        '{"done": 1, "sums": [[0, NaN]], "replaced": []}', '{"done": 1, "sums": "x", "replaced": []}',
        '{"done": 1, "sums": [[0, 0, 0]], "replaced": []}', '{"done": 1e999, "sums": [[0, 0]], "replaced": []}',
        '{"done": 1, "sums": [[0, 0]], "replaced": ["x"]}', '{"done": true, "sums": [[0, 0]], "replaced": []}',
    ],
)  # fmt: skip
def test_a_damaged_file_causes_a_warning_and_starts_with_zeros(tmp_path, text):
    PartialSums((1, 2), tmp_path, ["a"]).save(now=True)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    with pytest.warns(UserWarning, match="is damaged: its pairs are measured again"):
        found = PartialSums((1, 2), tmp_path, ["a"])
    assert (found.done, found.sums.tolist(), found.replaced) == (0, [[0, 0]], set())


def test_sums_of_other_metrics_are_dropped(tmp_path):
    for columns in ([], ["a", "b"]):
        old = PartialSums((1, 2), tmp_path, "key", columns)
        old.done = 3
        old.save(now=True)
        with pytest.warns(UserWarning, match="holds other metrics than these: its pairs are measured again"):
            assert PartialSums((1, 2), tmp_path, "key", ["a", "c"]).done == 0
        assert PartialSums((1, 2), tmp_path, "key", columns).done == 3
        old.remove()
