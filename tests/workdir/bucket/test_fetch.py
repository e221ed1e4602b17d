"""Commands on a workdir in a bucket: they do what they do in a folder, and leave nothing behind."""

import os
import shutil
import signal
import sys

import pytest
from helpers.buckets import kept_folders, read_run, url, wait_until, write_run
from helpers.runs import LINEAR, SMALL, finished_run, leaves_of, steps_of, stop_after, train
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.errors import UserError
from p2p_jax.inference.translate import load
from p2p_jax.workdir import lock
from p2p_jax.workdir.bucket import mirror
from p2p_jax.workdir.bucket.fetch import local_copy_of
from p2p_jax.workdir.bucket.local_copy import MARKER


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_run_in_a_bucket_is_the_run_in_a_folder(bucket, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_after(patch, 4, lambda: signal.raise_signal(signal.SIGTERM))
        assert train(url(bucket / "run"), *LINEAR) == 75
    assert f"in file://{bucket}/run\n" in capsys.readouterr().out
    stopped = steps_of(bucket / "run")[-1]
    assert train(url(bucket / "run"), *LINEAR) == 0
    output = capsys.readouterr().out
    assert f"Report: file://{bucket}/run/report/index.html" in output
    assert f"Resuming from step {stopped} of 8." in output
    assert steps_of(bucket / "run")[-2:] == [6, 8]
    assert leaves_of(bucket / "run", 8) == leaves_of(finished_run(), 8)
    written = {path.name for path in finished_run().iterdir()}
    assert {path.name for path in (bucket / "run").iterdir()} == (written - {"lock"}) | {"report", "writer"}
    assert not kept_folders(bucket)


@pytest.mark.slow
def test_checkpoints_are_uploaded_during_the_run(bucket, monkeypatch):
    def look():
        wait_until((bucket / "run/checkpoints/3" / MARKER).exists)
        assert len((bucket / "run/metrics.jsonl").read_text().splitlines()) >= 1

    stop_after(monkeypatch, 5, look)
    assert train(url(bucket / "run"), *SMALL, "--steps", "8") == 0


def test_commands_that_only_read_leave_a_bucket_unchanged(uploaded, tmp_path, capsys):
    before = files_of(uploaded)
    assert main(["evaluate", url(uploaded)]) == 0
    drawn = tmp_path / "drawn.png"
    Image.new("RGB", (16, 16)).save(drawn)
    assert main(["translate", url(uploaded), str(drawn), "--output", str(tmp_path / "made")]) == 0
    assert main(["export-torch", "--output", str(tmp_path / "torch"), url(uploaded)]) == 2
    assert "PyTorch original" in capsys.readouterr().err  # which has no networks of these widths
    assert load(url(uploaded)).step == 8
    assert files_of(uploaded) == before
    assert not kept_folders(uploaded.parent)


@pytest.mark.slow
def test_a_report_is_uploaded(uploaded):
    shutil.rmtree(uploaded / "report")
    assert main(["report", url(uploaded)]) == 0
    assert (uploaded / "report" / "index.html").is_file()


def test_a_report_does_not_disturb_a_run(bucket):
    write_run(bucket / "run", "run", [3, 6])
    (bucket / "run/checkpoints/6" / MARKER).unlink()
    with local_copy_of(url(bucket / "run"), upload=True) as folder:
        (folder / "report").mkdir()
        (folder / "report/index.html").write_text("a page")
        write_run(bucket / "run", "run", [3, 6, 9])
    assert (bucket / "run/report/index.html").read_text() == "a page"
    assert read_run(bucket / "run") == ("run", 9, [3, 6, 9])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("evaluate file://{}/run", "file://{}/run is not the workdir of a run: it holds no experiment.json"),
        ("evaluate s3://bucket/run", "s3:// needs a package that is not installed: install p2p-jax[s3], or give a folder."),
        ("train quickstart --workdir=gs://bucket/run", "install p2p-jax[gcs], or give a folder."),
        ("train quickstart --workdir file:///proc/run", "file:///proc/run cannot be written and read (FileNotFoundError: "),
        (
            "train quickstart --workdir ftp://host/run",
            "ftp://host/run was given: a workdir is a folder, or lies in a bucket",
        ),
        ("evaluate http://host/run", "http://host/run was given: a workdir is a folder, or lies in a bucket (gs://, s3://"),
        ("translate -o out --skip_existing s3://bucket/run a.png", "install p2p-jax[s3], or give a folder."),
        ("translate -o gs://b/out runs/a a.png", "gs://b/out was given, but only a workdir can be in a bucket"),
        ("train quickstart --data.path gs://b/data", "gs://b/data was given, but only a workdir can be in a bucket"),
        ("train quickstart --init-from=gs://b/run", "gs://b/run was given, but only a workdir can be in a bucket"),
        ("translate runs/a gs://b/a.png --output out", "gs://b/a.png was given, but only a workdir can be in a bucket"),
        ("translate --native gs://b/run gs://b/b.png --output out", "gs://b/b.png was given, but only a workdir can be"),
        ("evaluate runs/a --partial gs://b/p", "gs://b/p was given, but only a workdir can be in a bucket"),
        ("evaluate runs/a --partial=gs://b/p", "gs://b/p was given, but only a workdir can be in a bucket"),
        ("translate --output gs://b/out gs://b/run a.png", "gs://b/out was given, but only a workdir can be in a bucket"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(bucket, capsys, monkeypatch, line, message):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main(line.format(bucket).split(" ")) == 2
    error = capsys.readouterr().err
    assert message.format(bucket) in error
    assert error.count("\n") == 1
    assert not kept_folders(bucket)


def test_local_copies_of_killed_processes_are_removed_unless_they_hold_files_to_upload(uploaded, monkeypatch):
    temporary = uploaded.parent.parent / "temporary"
    names = ("orphan", "to_upload", "locked", "young")
    orphan, to_upload, locked, young = (temporary / f"{mirror.FOLDER_PREFIX}{name}" for name in names)
    for path in (orphan, to_upload, locked, young):
        (path / "run").mkdir(parents=True)
    (to_upload / mirror.KEEP_FILE).touch()
    for path in (orphan, to_upload, locked):
        os.utime(path, (0, 0))
    with lock.hold(locked), local_copy_of(url(uploaded)):
        pass
    assert {path.name for path in temporary.iterdir()} == {to_upload.name, locked.name, young.name}


def test_a_users_mistake_names_the_url_and_other_errors_stay_as_they_are(uploaded):
    with pytest.raises(UserError, match=f"^{url(uploaded)}/x is damaged.$"), local_copy_of(url(uploaded)) as folder:
        raise UserError(f"{folder}/x is damaged.")
    with pytest.raises(ValueError, match="a mistake of the program in") as caught, local_copy_of(url(uploaded)) as folder:
        raise ValueError(f"a mistake of the program in {folder}")
    assert str(folder) in str(caught.value)
