"""Which files of a local copy are uploaded, and how changes are detected."""

import os
import shutil

from helpers.buckets import open_run, write_run

from p2p_jax.workdir.bucket.local_copy import list_files, read_progress


def test_locks_and_unfinished_files_are_not_listed(tmp_path):
    write_run(tmp_path, "run", [3])
    before = list_files(tmp_path)
    assert "checkpoints/3/meta/metadata" in before
    for name in (".bucket", "lock", "metrics.jsonl.tmp", "checkpoints/6.orbax-checkpoint-tmp/meta/metadata"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert list_files(tmp_path) == before


def test_a_changed_or_replaced_file_has_another_version(tmp_path):
    write_run(tmp_path, "run", [])
    before = list_files(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("1\n")
    shutil.copy2(tmp_path / "experiment.json", tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / "experiment.json")
    after = list_files(tmp_path)
    assert [name for name in before if before[name] != after[name]] == [*before]


def test_a_complete_checkpoint_is_progress_and_an_unfinished_one_is_not(tmp_path):
    write_run(tmp_path, "run", [3])
    before = read_progress(tmp_path)
    (tmp_path / "checkpoints/6.orbax-checkpoint-tmp").mkdir()
    assert read_progress(tmp_path) == before
    (tmp_path / "checkpoints/6.orbax-checkpoint-tmp").rename(tmp_path / "checkpoints/6")
    assert read_progress(tmp_path) != before


def test_a_checkpoint_may_be_renamed_while_files_are_listed(bucket, monkeypatch):
    real, renamed = os.scandir, []

    def renaming(path):
        if str(path).endswith("tmp"):
            os.rename(path, str(path).removesuffix(".orbax-checkpoint-tmp"))
            renamed.append(path)
        return real(path)

    with open_run(bucket) as folder:
        write_run(folder, "run", [])
        (folder / "checkpoints/3.orbax-checkpoint-tmp/meta").mkdir(parents=True)
        monkeypatch.setattr(os, "scandir", renaming)
    assert not renamed
