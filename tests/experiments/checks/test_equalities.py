"""Equality across devices, processes and shardings: only the last digits of float64 may differ."""

import sys

import numpy as np
import pytest

from experiments.checks import equalities
from experiments.checks.equalities import BOUND, GROUPS, Case, Equalities, all_cases, compare, differences


def test_all_devices_processes_and_shardings_are_compared():
    cases = [case for case in all_cases(Equalities()) if case.dtype == "float64"]
    for devices in (1, 2, 4, 8):
        for sharding in ("replicated", "sharded"):
            assert (Case(devices, 1, sharding, 1, "float64") in cases) == (devices > 1 or sharding == "replicated")
            assert (Case(devices, 2, sharding, 1, "float64") in cases) == (devices > 1)
    assert any(case.model > 1 for case in cases)


def test_differences_are_found_in_their_group():
    expected = {"generator_l1": np.ones(3), ".generator.params['a']": np.full(2, 10.0), ".generator.opt_state": np.zeros(2)}
    assert differences(expected, expected) == dict.fromkeys(GROUPS, 0.0)
    found = {**expected, ".generator.params['a']": np.array([10.0, 11.0])}
    assert differences(found, expected) == {"losses": 0.0, "parameters": pytest.approx(0.1), "rest": 0.0}
    assert differences({**expected, "generator_l1": np.array([1, np.nan, 1])}, expected)["losses"] == np.inf


def test_a_file_that_exists_is_told_before_anything_is_trained(monkeypatch, tmp_path, capsys):
    (tmp_path / "rows.json").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["equalities", "--output", str(tmp_path / "rows.json")])
    monkeypatch.setattr(equalities, "compare", None)
    assert equalities.main() == 2
    assert "rows.json exists already" in capsys.readouterr().err
    assert (tmp_path / "rows.json").read_text() == "mine"


@pytest.mark.exhaustive
def test_all_cases_train_alike_and_a_repetition_has_the_same_bits():
    rows = compare(Equalities(steps=2, devices=(1, 2), dtypes=("float64",)))
    assert [(row["devices"], row["processes"], row["sharding"], row["model"]) for row in rows] == [
        (1, 1, "replicated", 1), (2, 1, "replicated", 1), (2, 1, "sharded", 1), (2, 2, "replicated", 1),
        (2, 2, "sharded", 1),
    ]  # fmt: skip
    for row in rows:
        for name in GROUPS:
            assert row[name] <= (0 if row["again"] else BOUND), row
