"""Which words are URLs of a bucket, and how messages name files of a local copy."""

from pathlib import Path

import pytest

from p2p_jax.storage.urls import is_url
from p2p_jax.workdir.bucket.local_copy import URL_FILE
from p2p_jax.workdir.bucket.paths import display_name, is_local_copy


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gs://bucket/run", True),
        ("s3://bucket/run", True),
        ("az://bucket/run", True),
        ("file:///bucket/run", True),
        ("http://host/run", False),
        ("runs/gs", False),
        ("x gs://bucket", False),
    ],
)
def test_urls_are_known_by_their_scheme(word, expected):
    assert is_url(word) == expected


def test_files_of_a_local_copy_are_named_by_their_url(tmp_path):
    (tmp_path / "run").mkdir()
    assert not is_local_copy(tmp_path / "run")
    assert display_name(tmp_path / "run" / "report") == str(tmp_path / "run" / "report")
    (tmp_path / "run" / URL_FILE).write_text("gs://bucket/run")
    assert is_local_copy(tmp_path / "run")
    assert display_name(tmp_path / "run") == "gs://bucket/run"
    assert display_name(Path(tmp_path / "run" / "report" / "index.html")) == "gs://bucket/run/report/index.html"
