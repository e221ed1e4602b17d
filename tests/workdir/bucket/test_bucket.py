import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from contextlib import nullcontext

import pytest
from fsspec.implementations.local import LocalFileSystem
from helpers.runs import LINEAR, SMALL, finished_run, leaves_of, steps_of, stop_after, train
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.errors import Stopped
from p2p_jax.inference.translate import load
from p2p_jax.workdir import lock
from p2p_jax.workdir.bucket import mirror
from p2p_jax.workdir.bucket.fetch import fetched
from p2p_jax.workdir.bucket.local_copy import LAST_FILE
from p2p_jax.workdir.bucket.paths import is_local_copy

FILES = ("training/data", "meta/metadata", LAST_FILE)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The folder in which a bucket lies; what is fetched goes into another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "here"))
    return tmp_path / "there"


@pytest.fixture
def sent(there):
    shutil.copytree(finished_run(), there / "run", ignore=shutil.ignore_patterns("lock"))
    return there / "run"


def url(folder):
    return f"file://{folder}"


def opened(there):
    return fetched(url(there / "run"), sending=True, alone=True)


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def kept(there):
    return list((there.parent / "here").iterdir())


def make(folder, record, checkpoints):
    """What a run has left: its record, rows up to its last checkpoint, and checkpoints of three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.json").write_text(record)
    (folder / "metrics.jsonl").write_text("".join(f"{step}\n" for step in range(1, max(checkpoints, default=0) + 1)))
    for path in (folder / "checkpoints").glob("*"):
        if int(path.name) not in checkpoints:
            shutil.rmtree(path)
    for step in checkpoints:
        for name in FILES:
            path = folder / "checkpoints" / str(step) / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{record} {step} {name}")


def look_at(folder):
    """(record, rows, checkpoints), all of which have to be whole."""
    record, rows = (folder / "experiment.json").read_text(), (folder / "metrics.jsonl").read_text().splitlines()
    steps = sorted(int(path.name) for path in (folder / "checkpoints").glob("*"))
    for step in steps:
        for name in FILES:
            assert (folder / "checkpoints" / str(step) / name).read_text() == f"{record} {step} {name}"
    return record, len(rows), steps


def cut_off(monkeypatch, after):
    """Has the connection end after some operations."""
    done = 0

    def counting(real):
        def operation(*args, **options):
            nonlocal done
            done += 1
            if done > after:
                raise ConnectionError("gone")
            return real(*args, **options)

        return operation

    for name in ("put_file", "rm_file", "pipe_file", "rm"):
        monkeypatch.setattr(LocalFileSystem, name, counting(getattr(LocalFileSystem, name)))


def test_a_run_in_a_bucket_is_the_run_in_a_folder(there, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        stop_after(patch, 4, lambda: signal.raise_signal(signal.SIGTERM))
        assert train(url(there / "run"), *LINEAR) == 75
    assert f"in file://{there}/run\n" in capsys.readouterr().out
    stopped = steps_of(there / "run")[-1]
    assert train(url(there / "run"), *LINEAR) == 0
    said = capsys.readouterr().out
    assert f"Report: file://{there}/run/report/index.html" in said
    assert f"Going on from step {stopped} of 8." in said
    assert steps_of(there / "run")[-2:] == [6, 8]
    assert leaves_of(there / "run", 8) == leaves_of(finished_run(), 8)
    written = {path.name for path in finished_run().iterdir()}
    assert {path.name for path in (there / "run").iterdir()} == (written - {"lock"}) | {"report", "writer"}
    assert not kept(there)


def test_checkpoints_are_there_while_the_run_goes_on(there, monkeypatch):
    def look():
        wait_until((there / "run/checkpoints/3" / LAST_FILE).exists)
        assert len((there / "run/metrics.jsonl").read_text().splitlines()) >= 1

    stop_after(monkeypatch, 5, look)
    assert train(url(there / "run"), *SMALL, "--steps", "8") == 0


def test_what_only_reads_leaves_a_bucket_as_it_is(sent, tmp_path, capsys):
    before = files_of(sent)
    assert main(["evaluate", url(sent)]) == 0
    drawn = tmp_path / "drawn.png"
    Image.new("RGB", (16, 16)).save(drawn)
    assert main(["translate", url(sent), str(drawn), "--output", str(tmp_path / "made")]) == 0
    assert main(["export-torch", "--output", str(tmp_path / "torch"), url(sent)]) == 2
    assert "PyTorch original" in capsys.readouterr().err  # which has no networks of these widths
    assert load(url(sent)).step == 8
    assert files_of(sent) == before
    assert not kept(sent.parent)


def test_a_report_is_sent(sent):
    shutil.rmtree(sent / "report")
    assert main(["report", url(sent)]) == 0
    assert (sent / "report" / "index.html").is_file()


def test_a_report_disturbs_no_run(there, monkeypatch):
    make(there / "run", "run", [3, 6])
    (there / "run/checkpoints/6" / LAST_FILE).unlink()
    with fetched(url(there / "run"), sending=True) as folder:
        (folder / "report").mkdir()
        (folder / "report/index.html").write_text("a page")
        make(there / "run", "run", [3, 6, 9])
    assert (there / "run/report/index.html").read_text() == "a page"
    assert look_at(there / "run") == ("run", 9, [3, 6, 9])


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (lambda: signal.raise_signal(signal.SIGTERM), 75)])
def test_an_interrupted_sending_loses_nothing(there, monkeypatch, end, code):
    def interrupted(*_args, **_options):
        if isinstance(error := end(), BaseException):
            raise error

    monkeypatch.setattr(mirror, "LOOK", 60.0)
    make(there / "run", "run", [3])
    first = opened(there)
    folder = first.__enter__()
    make(folder, "run", [3, 6])
    monkeypatch.setattr(LocalFileSystem, "put_file", interrupted)
    with pytest.raises(Stopped, match="what was not sent is kept in ") as stopped:
        first.__exit__(None, None, None)
    assert stopped.value.code == code
    assert look_at(folder) == ("run", 6, [3, 6])
    assert not is_local_copy(folder)


def test_a_name_that_is_not_known_to_be_written_is_not_taken_for_another_ones(there, monkeypatch):
    real, failures = LocalFileSystem.pipe_file, iter([True])

    def failing(files, path, value, **options):
        real(files, path, value, **options)
        if path.endswith("/writer") and next(failures, False):
            raise ConnectionError("no answer")

    make(there / "run", "run", [3])
    monkeypatch.setattr(LocalFileSystem, "pipe_file", failing)
    monkeypatch.setattr(mirror, "PAUSE", 0.1)
    with warnings.catch_warnings(record=True) as told, opened(there) as folder:
        warnings.simplefilter("always")
        make(folder, "run", [3, 6])
        wait_until((there / "run/checkpoints/6" / LAST_FILE).exists)
    assert [str(one.message).endswith("cannot be written for now (ConnectionError: no answer).") for one in told] == [True]
    assert look_at(there / "run") == ("run", 6, [3, 6])


@pytest.mark.parametrize("after", range(9))
def test_sending_may_be_cut_off_anywhere(there, monkeypatch, after):
    make(there / "run", "run", [3, 6])
    whole = after == 8
    expected = nullcontext() if whole else pytest.raises(Stopped, match="cannot be written")
    with expected as stopped, monkeypatch.context() as patch, opened(there) as folder:
        make(folder, "run", [6, 9])
        cut_off(patch, after)
    assert whole or stopped.value.code == 75
    assert len(kept(there)) == (not whole)
    with opened(there) as folder:
        _, rows, steps = look_at(folder)
        assert steps in ([3, 6], [3, 6, 9], [6, 9])
        assert rows >= steps[-1]
        assert not whole or (rows, steps) == (9, [6, 9])
        (folder / "metrics.jsonl").write_text("")
    assert {path.name for path in (there / "run/checkpoints").iterdir()} == {str(step) for step in steps}, (
        "half of one is left"
    )


@pytest.mark.parametrize("after", range(10))
def test_another_run_in_its_place_is_not_mixed_with_it(there, monkeypatch, after):
    make(there / "run", "run", [3, 6])
    whole = after == 9
    expected = nullcontext() if whole else pytest.raises(Stopped)
    with expected, monkeypatch.context() as patch, opened(there) as folder:
        make(folder, "run", [])
        make(folder, "other", [3])
        cut_off(patch, after)
    with fetched(url(there / "run")) as folder:
        record, _, steps = look_at(folder)
        assert (record, steps) == ("other", [3]) if whole else record in ("run", "other")


def test_of_two_runs_the_one_that_sends_later_ends(there):
    make(there / "run", "run", [3])
    said = "another run has written to file://.*, so this one ended; what was not sent is kept in "
    first, second = opened(there), opened(there)
    make(first.__enter__(), "run", [3, 9])
    with second as folder:
        make(folder, "run", [3, 6])
    with pytest.raises(Stopped, match=said) as stopped:
        first.__exit__(None, None, None)
    assert stopped.value.code == 2
    assert look_at(there / "run") == ("run", 6, [3, 6])
    assert look_at(kept(there)[0] / "run") == ("run", 9, [3, 9])


def test_a_run_ends_when_another_one_has_sent(there, monkeypatch, capsys):
    def other():
        (there / "run/writer").write_text("another")

    stop_after(monkeypatch, 5, other)
    assert train(url(there / "run"), *SMALL, "--steps", "8") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"p2p-jax: another run has written to file://{there}/run")
    assert said.count("\n") == 1


def test_a_bucket_that_cannot_be_written_for_a_while_is_written_later(there, monkeypatch, capsys):
    monkeypatch.setattr(mirror, "PAUSE", 0.1)
    real, failures = LocalFileSystem.put_file, iter([ConnectionError("no answer")] * 3)

    def failing(*args, **options):
        if (error := next(failures, None)) is not None:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(LocalFileSystem, "put_file", failing)
    assert train(url(there / "run"), *SMALL, "--steps", "8") == 0
    said = capsys.readouterr().err
    assert said == f"p2p-jax: warning: file://{there}/run cannot be written for now (ConnectionError: no answer).\n"
    assert steps_of(there / "run") == [3, 6, 8]


@pytest.mark.parametrize(
    ("line", "said"),
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
def test_what_cannot_be_reached_or_is_no_workdir_is_told(there, capsys, monkeypatch, line, said):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main(line.format(there).split(" ")) == 2
    message = capsys.readouterr().err
    assert said.format(there) in message
    assert message.count("\n") == 1
    assert not kept(there)


def test_a_checkpoint_that_is_removed_while_it_is_sent_is_not_missed(there, monkeypatch):
    make(there / "run", "run", [3])
    real = LocalFileSystem.put_file
    with opened(there) as folder:

        def vanishing(files, here, to, **options):
            if "checkpoints/6/training" in to and (folder / "checkpoints/6").exists():
                shutil.rmtree(folder / "checkpoints/6")
            return real(files, here, to, **options)

        monkeypatch.setattr(LocalFileSystem, "put_file", vanishing)
        make(folder, "run", [3, 6])
        wait_until(lambda: not (folder / "checkpoints/6").exists())
        make(folder, "run", [3, 9])
    with fetched(url(there / "run")) as folder:
        assert look_at(folder) == ("run", 9, [3, 9])


def test_a_checkpoint_that_is_half_removed_here_is_not_whole_there(there):
    make(there / "run", "run", [3, 6])
    with opened(there) as folder:
        (folder / "checkpoints/3/meta/metadata").unlink()
    with fetched(url(there / "run")) as folder:
        assert look_at(folder) == ("run", 6, [6])


def test_a_checkpoint_that_gets_its_name_while_files_are_looked_for_is_no_failure(there, monkeypatch):
    real, renamed = os.scandir, []

    def renaming(path):
        if str(path).endswith("tmp"):
            os.rename(path, str(path).removesuffix(".orbax-checkpoint-tmp"))
            renamed.append(path)
        return real(path)

    with opened(there) as folder:
        make(folder, "run", [])
        (folder / "checkpoints/3.orbax-checkpoint-tmp/meta").mkdir(parents=True)
        monkeypatch.setattr(os, "scandir", renaming)
    assert not renamed


def test_what_a_killed_process_left_is_removed_but_not_what_could_not_be_sent(sent, monkeypatch):
    here = sent.parent.parent / "here"
    left, unsent, other, young = (here / f"{mirror.PREFIX}{name}" for name in ("left", "unsent", "other", "young"))
    for path in (left, unsent, other, young):
        (path / "run").mkdir(parents=True)
    (unsent / mirror.KEPT).touch()
    for path in (left, unsent, other):
        os.utime(path, (0, 0))
    with lock.hold(other), fetched(url(sent)):
        pass
    assert {path.name for path in here.iterdir()} == {unsent.name, other.name, young.name}
