"""Where the URL of a bucket may stand in a command line: a workdir, and the place of prepared sets."""

import sys

import pytest

from p2p_jax.cli import main


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train quickstart --data.source folder --data.tfds mine --data.tfds-dir gs://b/sets", "install p2p-jax[gcs], or"),
        ("train quickstart --data.source folder --data.tfds mine --data.tfds_dir=s3://b", "install p2p-jax[s3], or give a"),
        ("train quickstart --data.source folder --data.tfds mine --data.tfds-dir az://b/s", "install p2p-jax[azure], or"),
        (
            "train quickstart --data.source folder --data.tfds mine --data.tfds-dir file:///proc/nothing",
            "mine is not prepared in file:///proc/nothing: prepare it with p2p-jax data prepare in a folder, and copy what",
        ),
        (
            "train quickstart --data.source folder --data.tfds mine --data.tfds-dir http://host/sets",
            "http://host/sets was given: prepared sets are in a folder, or in a bucket (gs://, s3://, az://",
        ),
        ("data prepare facades --data-dir gs://b/sets", "gs://b/sets was given, but sets are prepared in a folder: give"),
        ("data prepare facades --data_dir=s3://b", "s3://b was given, but sets are prepared in a folder: give --data-dir"),
        ("data check gs://b/pairs", "gs://b/pairs was given, but only a workdir can be in a bucket, and prepared sets"),
        ("compare runs/a runs/b --data-path s3://b/pairs", "s3://b/pairs was given, but only a workdir can be in a bucket"),
        ("compare --json runs/a http://b/run", "http://b/run was given: a workdir is a folder, or lies in a bucket (gs://"),
        ("compare --json runs/a s3://b/run", "install p2p-jax[s3], or"),
        ("evaluate runs/a --data-path s3://b/pairs", "s3://b/pairs was given, but only a workdir can be in a bucket"),
        ("train quickstart --data.path s3://b/pairs", "s3://b/pairs was given, but only a workdir can be in a bucket"),
    ],
)
def test_each_url_works_or_is_answered_with_one_sentence(capsys, monkeypatch, tmp_path, line, message):
    monkeypatch.chdir(tmp_path)
    for package in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_both_urls_may_be_given_at_once(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    command = f"train quickstart --workdir file://{tmp_path}/b/run --data.tfds-dir file://{tmp_path}/b/sets --show-config"
    assert main(command.split()) == 0
    assert f"data.tfds_dir = file://{tmp_path}/b/sets" in capsys.readouterr().out.replace("\n", "")
