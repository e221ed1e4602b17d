"""metrics.jsonl and the events of TensorBoard."""

import shutil
from pathlib import Path

import pytest
from helpers.full_disk import assert_full_disk_was_reported, fail_to_write
from helpers.runs import LINEAR, finished_run, steps_of, train

from p2p_jax.workdir.metrics_file import time_fractions


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


@pytest.mark.slow
def test_events_that_cannot_be_written_end_the_run(tmp_path, monkeypatch, capsys):
    """The writer of the package would wait for its thread forever."""
    writer = pytest.importorskip("tensorboardX.record_writer")
    real, count = writer.RecordWriter.write, [0]

    def write(self, data):
        count[0] += 1
        return real(self, data) if count[0] < 4 else fail_to_write()

    monkeypatch.setattr(writer.RecordWriter, "write", write)
    assert train(tmp_path / "run", *LINEAR, "--tensorboard") == 2
    assert_full_disk_was_reported(capsys)
    assert steps_of(tmp_path / "run") == [3, 4], "the state is saved before the run ends"


def test_fractions_of_time_weight_rows_by_their_seconds():
    rows = [{"seconds": 1.0, "data_wait": 0.5}, {"seconds": 3.0, "data_wait": 0.1, "sample_wait": 0.2}, {"step": 9}]
    fractions = time_fractions(rows)
    assert fractions["waiting for data"] == pytest.approx((0.5 + 0.3) / 4)
    assert fractions["translating for sample grids"] == pytest.approx(0.6 / 4)
    assert fractions["training"] == pytest.approx(1 - 1.4 / 4)
    assert sum(fractions.values()) == pytest.approx(1)
    assert time_fractions([]) == time_fractions([{"step": 1}]) == {}
