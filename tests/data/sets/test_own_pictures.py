"""Preparing one's own pictures: every byte is kept, and only changed sets are written again."""

import io
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.own_pictures import prepare_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with what changes when it is written."""
    return {str(p.relative_to(root)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


def encoded(picture: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "NPY":
        np.save(file, picture)
    else:
        Image.fromarray(picture).save(file, kind)
    return file.getvalue()


@pytest.fixture
def own_pictures(tmp_path: Path) -> dict[str, list[tuple[str, dict[str, Path]]]]:
    """Writes pairs of a 16-bit PNG, a TIFF, an NPY of floats and a mask; returns {split: (name, files) of each pair}."""
    random = np.random.default_rng(1)
    folder = tmp_path / "own"
    splits: dict[str, list[tuple[str, dict[str, Path]]]] = {"train": [], "val": [], "test": []}
    for i, split in enumerate(["train"] * 7 + ["val"] * 2):
        parts = {
            "A1": ("png", encoded(random.integers(0, 65536, (8, 9), np.uint16), "PNG")),
            "A2": ("tiff", encoded(random.integers(0, 256, (8, 9, 3), np.uint8), "TIFF")),
            "B": ("npy", encoded(random.normal(size=(8, 9, 5)).astype(np.float32), "NPY")),
            "mask": ("png", b"\x00\xff\r\n\x00" + random.bytes(30) + b"\x00"),
        }
        named = {}
        for part, (ending, data) in parts.items():
            named[part] = folder / part / f"ü{i}.{ending}"
            named[part].parent.mkdir(parents=True, exist_ok=True)
            named[part].write_bytes(data)
        splits[split].append((f"sub/ü{i}", named))
    return splits


@pytest.mark.parametrize("place", ["", "sets", "A1/sets", "../own", "link/sets"])
def test_no_set_is_written_among_the_pictures(own_pictures: dict[str, Any], tmp_path: Path, place: str) -> None:
    (tmp_path / "own" / "link").symlink_to(tmp_path / "own")
    before = sorted((tmp_path / "own").rglob("*"))
    with pytest.raises(ValueError, match=r"--data-dir was given .*, which lies in the input"):
        prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=tmp_path / "own" / place)
    assert sorted((tmp_path / "own").rglob("*")) == before


def test_every_byte_is_kept(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    result = prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=root, shard_bytes=1000)
    assert result.pairs == {"train": 7, "val": 2}
    assert len(list(result.path.glob("mine-train.array_record-*"))) > 1
    splits = open_prepared("mine", root).splits
    assert set(splits) == {"train", "val"}
    for split, records in splits.items():
        for i, (name, named) in enumerate(own_pictures[split]):
            assert records[i] == {"name": name.encode(), **{part: path.read_bytes() for part, path in named.items()}}


def read_one(task: tuple[Any, int]) -> bytes:
    return task[0][task[1]]["mask"]


def test_threads_and_processes_can_read(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=root, shard_bytes=1000)
    records = open_prepared("mine", root).splits["train"]
    expected = [named["mask"].read_bytes() for _, named in own_pictures["train"]]
    assert read_one((records, 0)) == expected[0], "opened before it is pickled"
    assert len(pickle.dumps(records)) < 100_000
    tasks = [(records, i % 7) for i in range(140)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read_one, tasks)) == expected * 20
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(read_one, tasks[:7])) == expected


def test_changed_and_other_pictures_need_overwrite(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "own"
    assert prepare_folder(folder, "mine", own_pictures, data_dir=root).new
    before = files(root)
    assert not prepare_folder(folder, "mine", own_pictures, data_dir=root).new
    with pytest.raises(ValueError, match=rf"holds the pictures of another folder, {folder}: give another --name"):
        prepare_folder(tmp_path / "other", "mine", {"train": own_pictures["val"]}, data_dir=root)
    changed = own_pictures["train"][3][1]["mask"]
    changed.write_bytes(changed.read_bytes()[::-1])
    os.utime(changed, ns=(1, 1))
    with pytest.raises(ValueError, match="have changed since mine was prepared: add --overwrite"):
        prepare_folder(folder, "mine", own_pictures, data_dir=root)
    assert files(root) == before
    old = open_prepared("mine", root).fingerprint
    assert prepare_folder(folder, "mine", own_pictures, data_dir=root, overwrite=True).new
    opened = open_prepared("mine", root)
    assert opened.splits["train"][3]["mask"] == changed.read_bytes()
    assert opened.fingerprint != old, "though all sizes are the same"
    assert [path.name for path in (root / "mine").iterdir()] == ["1.0.0"]


def test_a_failed_overwrite_keeps_the_old_set(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=root)
    before = files(root)

    def fail(_what: str, done: int, _total: int | None) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=root, overwrite=True, on_progress=fail)
    assert files(root) == before


def test_names_and_pairs_that_are_refused(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "own"
    for name in ("pix2pix", "maps", "downloads"):
        with pytest.raises(ValueError, match=f"--name was given {name}, which is taken"):
            prepare_folder(folder, name, own_pictures, data_dir=root)
    for name in ("Mine", "../mine", "my-set", "", "1st"):
        with pytest.raises(ValueError, match="give lower-case letters"):
            prepare_folder(folder, name, own_pictures, data_dir=root)
    with pytest.raises(ValueError, match="holds no pairs"):
        prepare_folder(folder, "mine", {"train": []}, data_dir=root)
    without = [
        (name, {part: path for part, path in named.items() if part != "mask"}) for name, named in own_pictures["val"]
    ]
    with pytest.raises(ValueError, match="do not all have the same pictures"):
        prepare_folder(folder, "mine", {**own_pictures, "val": without}, data_dir=root)
    gone = own_pictures["val"][0][1]["B"]
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(ValueError, match=f"{gone} does not exist"):
        prepare_folder(folder, "mine", own_pictures, data_dir=root)
    gone.write_bytes(content)
    assert not root.exists()
    (root / "mine" / "2.0.0").mkdir(parents=True)
    with pytest.raises(ValueError, match="already holds something else"):
        prepare_folder(folder, "mine", own_pictures, data_dir=root)


def test_a_file_that_is_removed_meanwhile_is_named(own_pictures: dict[str, Any], tmp_path: Path, root: Path) -> None:
    def remove(_what: str, _done: int, _total: int | None) -> None:
        own_pictures["val"][1][1]["B"].unlink(missing_ok=True)

    with pytest.raises(ValueError, match=r"ü8\.npy does not exist"):
        prepare_folder(tmp_path / "own", "mine", own_pictures, data_dir=root, on_progress=remove)
    assert not root.exists()
