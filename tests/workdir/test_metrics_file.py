"""The rows of metrics.jsonl."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.runs import finished_run, skip_report, train

from p2p_jax.workdir.metrics_file import drop_rows, read_rows, time_fractions


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


def test_fractions_of_time_weight_rows_by_their_seconds():
    rows = [{"seconds": 1.0, "data_wait": 0.5}, {"seconds": 3.0, "data_wait": 0.1, "sample_wait": 0.2}, {"step": 9}]
    fractions = time_fractions(rows)
    assert fractions["waiting for data"] == pytest.approx((0.5 + 0.3) / 4)
    assert fractions["translating for sample grids"] == pytest.approx(0.6 / 4)
    assert fractions["training"] == pytest.approx(1 - 1.4 / 4)
    assert sum(fractions.values()) == pytest.approx(1)
    assert time_fractions([]) == time_fractions([{"step": 1}]) == {}


DAMAGES = {
    "cut off": b'{"step": 4, "gener',
    "no JSON": b"mine",
    "empty": b"",
    "zeros of a power failure": bytes(40),
    "not UTF-8": b'{"step": 4, "l1\xff": 1}',
    "a list": b"[4]",
    "a number": b"4",
    "without a step": b'{"generator_l1": 0.5}',
    "a step of text": b'{"step": "4"}',
    "a step with a fraction": b'{"step": 4.5}',
    "a value of text": b'{"step": 4, "generator_l1": "<script>"}',
    "deep": b"[" * 100_000,
}


def write_rows(path, damaged, steps=(2, 3, 6, 8)):
    """Rows of some steps, with a damaged line after the second."""
    lines = [json.dumps({"step": step, "generator_l1": step / 10}).encode() for step in steps]
    path.write_bytes(b"\n".join([*lines[:2], damaged, *lines[2:]]) + b"\n")


@pytest.mark.parametrize("damage", DAMAGES)
def test_rows_after_a_damaged_line_are_read(tmp_path, damage):
    write_rows(tmp_path / "metrics.jsonl", DAMAGES[damage])
    with pytest.warns(UserWarning, match=r"metrics.jsonl has damaged lines, which are skipped: 3\."):
        rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 3, 6, 8]


@pytest.mark.filterwarnings("ignore:.* has damaged lines")
@pytest.mark.parametrize("damage", DAMAGES)
def test_rows_after_a_damaged_line_are_kept(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    write_rows(path, DAMAGES[damage])
    before = path.read_bytes()
    drop_rows(path, 8)
    assert path.read_bytes() == before
    drop_rows(path, 6)
    assert [row["step"] for row in read_rows(path)] == [2, 3, 6]
    assert DAMAGES[damage] in path.read_bytes()
    drop_rows(path, 3)
    assert path.read_bytes() == b"\n".join(before.split(b"\n")[:2]) + b"\n", "it lies among rows that are written again"


def test_a_last_line_that_was_cut_off_is_removed_without_a_warning(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2}\n{"step": 3, "l')
    assert [row["step"] for row in read_rows(path)] == [2]
    drop_rows(path, 8)
    assert path.read_text() == '{"step": 2}\n'


def test_a_last_row_without_the_end_of_its_line_is_kept(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 2}\n{"step": 3}')
    drop_rows(path, 8)
    assert path.read_text() == '{"step": 2}\n{"step": 3}\n'


def test_many_damaged_lines_are_named_in_one_warning(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("x\n" * 99)
    with pytest.warns(UserWarning, match=r"skipped: 1, 2, .*, 10, …\.") as told:
        assert read_rows(tmp_path / "metrics.jsonl") == []
    assert len(told) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_goes_on_beside_a_damaged_row(finished, monkeypatch, capsys):
    skip_report(monkeypatch)
    path = finished / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"damaged", *lines[1:]]))
    shutil.rmtree(finished / "checkpoints" / "8")
    assert train(finished) == 0
    assert "damaged lines, which are skipped: 2" in capsys.readouterr().err
    assert b"damaged" in path.read_bytes()
    assert len(path.read_bytes().split(b"\n")) == len(lines) + 1
