"""`p2p-jax report --follow` shows a run while it trains, and disturbs nothing."""

import json
import re
import shutil
from pathlib import Path

import pytest
from helpers.runs import change_record, finished_run

from p2p_jax.cli import main
from p2p_jax.errors import UserError
from p2p_jax.evaluation.follow import follow
from p2p_jax.workdir import lock


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """A run that looks as if it had done 3 of its 8 steps."""
    workdir = Path(shutil.copytree(finished_run(), tmp_path / "run"))
    shutil.rmtree(workdir / "report")
    shutil.rmtree(workdir / "checkpoints" / "8")
    (workdir / "samples" / "step_00000008.png").rename(tmp_path / "later.png")
    rows = (workdir / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows").write_text("".join(rows[2:]))
    (workdir / "metrics.jsonl").write_text("".join(rows[:2]))
    return workdir


def test_the_page_is_written_again_as_rows_arrive_until_the_run_is_finished(running, tmp_path):
    pages, waits = [], []

    def train(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            with (running / "metrics.jsonl").open("a") as file:
                file.write((tmp_path / "rows").read_text())
            shutil.copy(tmp_path / "later.png", running / "samples" / "step_00000008.png")
        if len(waits) == 6:
            (running / "checkpoints" / "8").mkdir()

    def note(page: Path, progress) -> None:
        pages.append((progress, page.read_text()))

    with lock.hold(running):  # as the training does
        before = {path: path.read_bytes() for path in running.rglob("*") if path.is_file()}
        page = follow(running, interval=1, on_written=note, sleep=train)
    assert page == running / "report" / "live.html"
    assert [tuple(progress) for progress, _ in pages] == [(3, 8, False), (8, 8, False), (8, 8, True)]
    assert ['<meta http-equiv="refresh" content="1">' in text for _, text in pages] == [True, True, False]
    assert "Step 3 of 8" in pages[0][1]
    assert "step 8" not in pages[0][1]
    assert ">step 8</th>" in pages[1][1]
    assert 'href="index.html"' in pages[2][1]
    changed = {path for path, content in before.items() if path.read_bytes() != content}
    assert changed == {running / "metrics.jsonl"}  # which the test itself changed
    assert {path.name for path in (running / "report").iterdir()} == {"live.html"}


def test_the_page_has_the_figures_of_validation(running, tmp_path):
    rows = [{"step": 2, "val_ssim": 0.5, "val_l1": 0.4}, {"step": 4, "val_ssim": 0.3, "val_l1": 0.3}]
    (running / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (running / "checkpoints" / "8").mkdir()
    page = follow(running).read_text()
    cells = [re.findall("<td[^>]*>([^<]*)", row) for row in page.split("<tr>")]
    assert ["L1", "0.3000", "4", "0.3000", "4"] in cells
    assert ["SSIM", "0.3000", "4", "0.5000", "2"] in cells
    assert page.count("Content-Security-Policy") == 1


def test_a_run_of_a_stranger_is_shown_without_its_code(running):
    (running / "checkpoints" / "8").mkdir()
    (running / "experiment.py").write_text("raise SystemExit(99)")
    change_record(running, sha256="0" * 64, name="<b>theirs")
    assert "&lt;b&gt;theirs" in follow(running).read_text()


def test_a_run_that_has_only_begun_is_shown(running):
    for name in ("samples", "checkpoints"):
        shutil.rmtree(running / name)
    (running / "metrics.jsonl").unlink()
    written = []

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(running, on_written=lambda page, progress: written.append(page.read_text()), sleep=stop)
    assert "There are no rows of metrics yet" in written[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--interval", "5"), "--interval was given without --follow"),
        (("--follow", "--interval", "0"), "it must be at least 1 second"),
        (("--follow", "--checkpoint", "best"), "--follow evaluates no checkpoint"),
    ],
)
def test_options_that_do_not_go_together_are_refused(running, capsys, options, said):
    assert main(["report", str(running), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_a_run_and_the_copy_of_a_bucket_are_refused(tmp_path):
    with pytest.raises(UserError, match="is not the workdir of a run"):
        follow(tmp_path)
    (tmp_path / ".bucket").write_text("gs://bucket/run")
    with pytest.raises(UserError, match="needs the folder in which the run trains"):
        follow(tmp_path)
