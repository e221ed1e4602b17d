"""Preparing the paper's sets from their archives, by this program and by tensorflow-datasets."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from helpers.small_archives import COUNTS, pictures, read_all, write_archive

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.builders import Pix2pix, prepare_archive


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with what changes when it is written."""
    return {str(p.relative_to(root)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", PAPER_SETS)
def test_every_set_keeps_every_byte_in_natural_order(name: str, tmp_path: Path, root: Path) -> None:
    content = pictures(name)
    archive = write_archive(tmp_path / "a.tar.gz", name, content)
    result = prepare_archive(name, archive, data_dir=root)
    assert result.new
    assert result.pairs == COUNTS[name]
    assert set(PAPER_SETS[name].pairs) == set(COUNTS[name])
    opened = open_prepared(f"pix2pix/{name}", root)
    assert {split: read_all(records) for split, records in opened.splits.items()} == content
    if name in ("facades", "maps"):
        assert [opened.splits["train"][i]["name"] for i in (0, 1, 9)] == [b"1", b"2", b"10"]


def test_a_prepared_set_is_kept(facades: Path, root: Path) -> None:
    prepare_archive("facades", facades, data_dir=root)
    before = files(root)
    facades.unlink()
    result = prepare_archive("facades", facades, data_dir=root)
    assert not result.new
    assert result.pairs == COUNTS["facades"]
    assert files(root) == before


def test_the_number_of_shards_depends_on_their_size(facades: Path, root: Path) -> None:
    size = sum(map(len, pictures("facades")["train"].values()))
    result = prepare_archive("facades", facades, data_dir=root, shard_bytes=size // 4)
    shards = sorted(path.name for path in result.path.glob("*train*"))
    assert shards[0] == "pix2pix-train.array_record-00000-of-00005"
    assert len(shards) == 5
    records = open_prepared("pix2pix/facades", root).splits["train"]
    assert [int(records[i]["name"]) for i in range(12)] == list(range(1, 13))
    assert read_all(records) == pictures("facades")["train"]


def test_progress_is_reported(facades: Path, root: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    prepare_archive("facades", facades, data_dir=root, on_progress=lambda *x: seen.append(x))
    size = facades.stat().st_size
    assert [x for x in seen if x[0] == "read"][-1] == ("read", size, size)
    assert [x for x in seen if x[0] == "write"][-1] == ("write", 19, 19)


def test_tfds_prepares_the_same_set(facades: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    builder = tfds.builder("pix2pix/facades", data_dir=root)
    assert isinstance(builder, Pix2pix)
    assert set(Pix2pix.builder_configs) == set(PAPER_SETS)
    builder.archive = facades
    builder.download_and_prepare()
    opened = open_prepared("pix2pix/facades", root)
    assert read_all(opened.splits["test"]) == pictures("facades")["test"]
    record = builder.as_data_source("validation")[0]
    assert record["pair"].shape == (16, 32, 3)
    assert "left" in builder.builder_config.description
    assert list((tmp_path / "temporary").iterdir()) == []


def test_nothing_is_printed_and_tensorflow_is_not_needed(facades: Path, root: Path) -> None:
    code = """
import sys
from pathlib import Path
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.builders import prepare_archive
prepare_archive("facades", Path(sys.argv[1]), data_dir=Path(sys.argv[2]))
open_prepared("facades", sys.argv[2]).splits["train"][3]
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code, str(facades), str(root)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
