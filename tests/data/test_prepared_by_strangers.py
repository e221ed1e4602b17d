"""A prepared set of a stranger runs no code and reads no files outside of its folder."""

import json
import sys
from pathlib import Path

import pytest
from helpers.small_archives import pictures, write_archive

from p2p_jax.data.prepared import count_pairs, fingerprint, open_prepared, read_record
from p2p_jax.data.sets.builders import prepare_archive
from p2p_jax.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive = write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))
    return prepare_archive("facades", archive, data_dir=tmp_path / "sets").path


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_no_module_is_imported_that_a_set_names(folder, tmp_path, monkeypatch, key):
    (tmp_path / "evil_features.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    features = json.loads((folder / "features.json").read_text())
    inner = features["featuresDict"]["features"]["name"]
    del inner["pythonClassName"]
    inner[key] = "evil_features.Evil"
    (folder / "features.json").write_text(json.dumps(features))
    with pytest.raises(UserError, match=r"names the class evil_features\.Evil"):
        open_prepared("facades", tmp_path / "sets")
    assert not (tmp_path / "ran").exists()
    assert "evil_features" not in sys.modules


@pytest.mark.parametrize("template", ["../../other/{SPLIT}.{FILEFORMAT}", "/etc/{SPLIT}.{FILEFORMAT}", "a/../../{SPLIT}"])
def test_shards_outside_of_the_folder_are_refused(folder, tmp_path, template):
    info = json.loads((folder / "dataset_info.json").read_text())
    for split in info["splits"]:
        split["filepathTemplate"] = template
    (folder / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(UserError, match="a path outside of it"):
        open_prepared("facades", tmp_path / "sets")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"3", b"[" * 100_000, b'{"splits": [{"name": 1}]}'])
def test_damaged_descriptions_end_in_one_sentence(folder, content):
    (folder / "dataset_info.json").write_bytes(content)
    for read in (count_pairs, fingerprint):
        with pytest.raises(UserError, match=r"dataset_info\.json is damaged"):
            read(folder)
    (folder / "p2p_jax.json").write_bytes(b"[1]" if content == b"[]" else content.replace(b'{"splits"', b'{"splits'))
    with pytest.raises(UserError, match=r"p2p_jax\.json is damaged"):
        read_record(folder)
