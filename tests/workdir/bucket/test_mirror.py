"""Uploads: interrupted anywhere, several writers, buckets that fail for a while."""

import shutil
import signal
import warnings
from contextlib import nullcontext

import pytest
from fsspec.implementations.local import LocalFileSystem
from helpers.buckets import break_connection, kept_folders, open_run, read_run, url, wait_until, write_run
from helpers.runs import SMALL, steps_of, stop_after, train

from p2p_jax.errors import RESTART, USAGE_ERROR, Stopped
from p2p_jax.workdir.bucket import mirror
from p2p_jax.workdir.bucket.fetch import local_copy_of
from p2p_jax.workdir.bucket.local_copy import MARKER
from p2p_jax.workdir.bucket.paths import is_local_copy


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (lambda: signal.raise_signal(signal.SIGTERM), 75)])
def test_an_interrupted_upload_loses_nothing(bucket, monkeypatch, end, code):
    def interrupted(*_args, **_options):
        if isinstance(error := end(), BaseException):
            raise error

    monkeypatch.setattr(mirror, "POLL_INTERVAL", 60.0)
    write_run(bucket / "run", "run", [3])
    first = open_run(bucket)
    folder = first.__enter__()
    write_run(folder, "run", [3, 6])
    monkeypatch.setattr(LocalFileSystem, "put_file", interrupted)
    with pytest.raises(Stopped, match="files that were not uploaded are kept in ") as stopped:
        first.__exit__(None, None, None)
    assert stopped.value.code == code
    assert read_run(folder) == ("run", 6, [3, 6])
    assert not is_local_copy(folder)


def test_a_run_knows_its_own_name_after_a_write_without_an_answer(bucket, monkeypatch):
    real, failures = LocalFileSystem.pipe_file, iter([True])

    def failing(files, path, value, **options):
        real(files, path, value, **options)
        if path.endswith("/writer") and next(failures, False):
            raise ConnectionError("no answer")

    write_run(bucket / "run", "run", [3])
    monkeypatch.setattr(LocalFileSystem, "pipe_file", failing)
    monkeypatch.setattr(mirror, "RETRY_INTERVAL", 0.1)
    with warnings.catch_warnings(record=True) as caught, open_run(bucket) as folder:
        warnings.simplefilter("always")
        write_run(folder, "run", [3, 6])
        wait_until((bucket / "run/checkpoints/6" / MARKER).exists)
    expected = "cannot be written for now (ConnectionError: no answer)."
    assert [str(each.message).endswith(expected) for each in caught] == [True]
    assert read_run(bucket / "run") == ("run", 6, [3, 6])


@pytest.mark.parametrize("after", range(9))
def test_an_upload_may_break_off_anywhere(bucket, monkeypatch, after):
    write_run(bucket / "run", "run", [3, 6])
    complete = after == 8
    expected = nullcontext() if complete else pytest.raises(Stopped, match="cannot be written")
    with expected as stopped, monkeypatch.context() as patch, open_run(bucket) as folder:
        write_run(folder, "run", [6, 9])
        break_connection(patch, after)
    assert complete or stopped.value.code == RESTART
    assert len(kept_folders(bucket)) == (not complete)
    with open_run(bucket) as folder:
        _, rows, steps = read_run(folder)
        assert steps in ([3, 6], [3, 6, 9], [6, 9])
        assert rows >= steps[-1]
        assert not complete or (rows, steps) == (9, [6, 9])
        (folder / "metrics.jsonl").write_text("")
    remote_steps = {path.name for path in (bucket / "run/checkpoints").iterdir()}
    assert remote_steps == {str(step) for step in steps}, "an incomplete checkpoint is left"


@pytest.mark.parametrize("after", range(10))
def test_a_new_run_is_not_mixed_with_the_run_that_it_replaces(bucket, monkeypatch, after):
    write_run(bucket / "run", "run", [3, 6])
    complete = after == 9
    expected = nullcontext() if complete else pytest.raises(Stopped)
    with expected, monkeypatch.context() as patch, open_run(bucket) as folder:
        write_run(folder, "run", [])
        write_run(folder, "other", [3])
        break_connection(patch, after)
    with local_copy_of(url(bucket / "run")) as folder:
        record, _, steps = read_run(folder)
        assert (record, steps) == ("other", [3]) if complete else record in ("run", "other")


def test_of_two_runs_the_second_to_upload_ends(bucket):
    write_run(bucket / "run", "run", [3])
    message = "another run has written to file://.*, so this one ended; files that were not uploaded are kept in "
    first, second = open_run(bucket), open_run(bucket)
    write_run(first.__enter__(), "run", [3, 9])
    with second as folder:
        write_run(folder, "run", [3, 6])
    with pytest.raises(Stopped, match=message) as stopped:
        first.__exit__(None, None, None)
    assert stopped.value.code == USAGE_ERROR
    assert read_run(bucket / "run") == ("run", 6, [3, 6])
    assert read_run(kept_folders(bucket)[0] / "run") == ("run", 9, [3, 9])


@pytest.mark.slow
def test_a_run_ends_when_another_run_has_uploaded(bucket, monkeypatch, capsys):
    stop_after(monkeypatch, 5, lambda: (bucket / "run/writer").write_text("another"))
    assert train(url(bucket / "run"), *SMALL, "--steps", "8") == USAGE_ERROR
    *announced, message = capsys.readouterr().err.splitlines()
    assert message.startswith(f"p2p-jax: another run has written to file://{bucket}/run")
    assert all("stopping after this step and saving" in line for line in announced)


@pytest.mark.slow
def test_an_upload_that_fails_for_a_while_is_repeated(bucket, monkeypatch, capsys):
    monkeypatch.setattr(mirror, "RETRY_INTERVAL", 0.1)
    real, failures = LocalFileSystem.put_file, iter([ConnectionError("no answer")] * 3)

    def failing(*args, **options):
        if (error := next(failures, None)) is not None:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(LocalFileSystem, "put_file", failing)
    assert train(url(bucket / "run"), *SMALL, "--steps", "8") == 0
    message = capsys.readouterr().err
    assert message == f"p2p-jax: warning: file://{bucket}/run cannot be written for now (ConnectionError: no answer).\n"
    assert steps_of(bucket / "run") == [3, 6, 8]


def test_a_checkpoint_may_be_removed_while_it_is_uploaded(bucket, monkeypatch):
    write_run(bucket / "run", "run", [3])
    real = LocalFileSystem.put_file
    with open_run(bucket) as folder:

        def removing(files, here, to, **options):
            if "checkpoints/6/training" in to and (folder / "checkpoints/6").exists():
                shutil.rmtree(folder / "checkpoints/6")
            return real(files, here, to, **options)

        monkeypatch.setattr(LocalFileSystem, "put_file", removing)
        write_run(folder, "run", [3, 6])
        wait_until(lambda: not (folder / "checkpoints/6").exists())
        write_run(folder, "run", [3, 9])
    with local_copy_of(url(bucket / "run")) as folder:
        assert read_run(folder) == ("run", 9, [3, 9])


def test_a_checkpoint_that_is_partly_removed_here_is_not_complete_in_the_bucket(bucket):
    write_run(bucket / "run", "run", [3, 6])
    with open_run(bucket) as folder:
        (folder / "checkpoints/3/meta/metadata").unlink()
    with local_copy_of(url(bucket / "run")) as folder:
        assert read_run(folder) == ("run", 6, [6])
