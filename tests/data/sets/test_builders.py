"""Sets of tensorflow-datasets: written, found and read, without TensorFlow."""

import fcntl
import gzip
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.small_archives import COUNTS, jpeg, pictures, write_archive
from PIL import Image

from p2p_jax.data.paper_sets import PAPER_SETS
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.builders import Pix2pix, prepare_archive, prepare_folder

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with what changes when it is written."""
    return {str(p.relative_to(root)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}


def read_all(records: Any) -> dict[str, bytes]:
    return {records[i]["name"].decode(): records[i]["pair"] for i in range(len(records))}


# The paper's sets


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


def test_prepared_again_does_nothing(facades: Path, root: Path) -> None:
    prepare_archive("facades", facades, data_dir=root)
    before = files(root)
    facades.unlink()
    result = prepare_archive("facades", facades, data_dir=root)
    assert not result.new
    assert result.pairs == COUNTS["facades"]
    assert files(root) == before


def test_shards_by_size(facades: Path, root: Path) -> None:
    size = sum(map(len, pictures("facades")["train"].values()))
    result = prepare_archive("facades", facades, data_dir=root, shard_bytes=size // 4)
    shards = sorted(path.name for path in result.path.glob("*train*"))
    assert shards[0] == "pix2pix-train.array_record-00000-of-00005"
    assert len(shards) == 5
    records = open_prepared("pix2pix/facades", root).splits["train"]
    assert [int(records[i]["name"]) for i in range(12)] == list(range(1, 13))
    assert read_all(records) == pictures("facades")["train"]


def test_progress(facades: Path, root: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    prepare_archive("facades", facades, data_dir=root, on_progress=lambda *x: seen.append(x))
    size = facades.stat().st_size
    assert [x for x in seen if x[0] == "read"][-1] == ("read", size, size)
    assert [x for x in seen if x[0] == "write"][-1] == ("write", 19, 19)


def test_mirrors_and_hidden_files(tmp_path: Path, root: Path) -> None:
    extra = {
        "./deep/facades/train/7.JPG": jpeg(7),
        "facades/train/._1.jpg": b"of a Mac",
        "facades/train/1.txt": b"text",
        "facades/README": b"text",
        "facades/others/1.jpg": jpeg(1),
    }
    prepare_archive("facades", write_archive(tmp_path / "a.tar.gz", "facades", {}, extra=extra), data_dir=root)
    splits = open_prepared("pix2pix/facades", root).splits
    assert set(splits) == {"train"}
    assert read_all(splits["train"]) == {"7": jpeg(7)}


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
def test_cut_off_archive(facades: Path, root: Path, share: float) -> None:
    data = facades.read_bytes()
    facades.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"facades\.tar\.gz is damaged or cut off \(.*\): download it again"):
        prepare_archive("facades", facades, data_dir=root)
    assert not root.exists(), "nothing is left"


def test_damaged_archives(facades: Path, root: Path, tmp_path: Path) -> None:
    data = bytearray(facades.read_bytes())
    data[-6] ^= 1  # in the checksum at the end: all pictures have been read by then
    facades.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged or cut off"):
        prepare_archive("facades", facades, data_dir=root)
    for content in (b"<html>Not found</html>", gzip.compress(b"no tar" * 200), b""):
        facades.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or cut off"):
            prepare_archive("facades", facades, data_dir=root)
    write_archive(facades, "facades", {}, extra={"facades/readme.txt": b"text"})
    with pytest.raises(ValueError, match="holds no train"):
        prepare_archive("facades", facades, data_dir=root)
    with pytest.raises(ValueError, match=r"nothing\.tar\.gz does not exist"):
        prepare_archive("facades", tmp_path / "nothing.tar.gz", data_dir=root)


@pytest.mark.parametrize("name", ["../../evil.jpg", "facades/train/../../../evil.jpg"])
def test_paths_out_of_the_archive(name: str, tmp_path: Path, root: Path) -> None:
    archive = write_archive(tmp_path / "a.tar.gz", "facades", {"train": {"1": jpeg(1)}}, extra={name: jpeg(2)})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"holds '.*evil\.jpg', which is no file inside it"):
        prepare_archive("facades", archive, data_dir=root)
    assert set(tmp_path.rglob("*")) == before


def test_links_out_of_the_archive(tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("facades/train/1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link, io.BytesIO())
    with pytest.raises(ValueError, match="which is no file inside it"):
        prepare_archive("facades", archive, data_dir=root)


@pytest.mark.parametrize("stop", [("read", 0), ("write", 1), ("write", 13), ("write", 19)])
def test_interrupted_leaves_nothing_and_can_be_done_again(facades: Path, root: Path, stop: tuple[str, int]) -> None:
    def interrupt(what: str, done: int, _total: int | None) -> None:
        if what == stop[0] and done >= stop[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_archive("facades", facades, data_dir=root, on_progress=interrupt)
    assert not root.exists()
    assert prepare_archive("facades", facades, data_dir=root).new


KILLED = """
import sys, os, signal
from pathlib import Path
from p2p_jax.data.sets.builders import prepare_archive
def kill(what, done, total):
    if what == "write" and done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
prepare_archive("facades", Path(sys.argv[1]), data_dir=Path(sys.argv[2]), on_progress=kill)
"""


def test_killed_while_writing(facades: Path, root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(facades), str(root), "13"])
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="is not prepared"):
        open_prepared("pix2pix/facades", root)
    assert list(root.rglob("incomplete*"))
    assert prepare_archive("facades", facades, data_dir=root).new
    assert [path.name for path in (root / "pix2pix" / "facades").iterdir()] == ["1.0.0"]
    assert len(open_prepared("pix2pix/facades", root).splits["train"]) == 12


def test_killed_while_old_and_new_change_places(facades: Path, root: Path) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path.parent
    (folder / "1.0.0").rename(folder / "incomplete.old_1.0.0")
    (folder / "incomplete.new_1.0.0").mkdir()
    assert not prepare_archive("facades", facades, data_dir=root).new
    assert [path.name for path in folder.iterdir()] == ["1.0.0"]


def test_two_at_once_are_refused(facades: Path, root: Path) -> None:
    folder = root / "pix2pix" / "facades"
    folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ValueError, match="another process is preparing"):
        prepare_archive("facades", facades, data_dir=root)
    os.close(handle)
    assert prepare_archive("facades", facades, data_dir=root).new


FULL = """
import resource, signal, sys
from pathlib import Path
from p2p_jax.data.sets.builders import prepare_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
folder = Path(sys.argv[1])
try:
    prepare_folder(folder, "mine", {"train": [("1", {"pair": folder / "1.png"})]}, data_dir=Path(sys.argv[2]))
except OSError as error:
    print(type(error).__name__, error.strerror)
"""


def test_failed_writes_are_os_errors(tmp_path: Path, root: Path) -> None:
    (tmp_path / "1.png").write_bytes(np.random.default_rng(0).bytes(1_000_000))
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path), str(root)], capture_output=True, text=True)
    assert done.stdout.strip() == "OSError File too large", done.stderr
    assert not root.exists()


# The way of tensorflow-datasets itself


def test_tfds_builder(facades: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_nothing_is_said_and_no_tensorflow_is_needed(facades: Path, root: Path) -> None:
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


# One's own pictures


def encoded(picture: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "NPY":
        np.save(file, picture)
    else:
        Image.fromarray(picture).save(file, kind)
    return file.getvalue()


@pytest.fixture
def own(tmp_path: Path) -> dict[str, list[tuple[str, dict[str, Path]]]]:
    """Pairs of a PNG of 16 bits, a TIFF, NPY of real numbers and a mask, and what they are."""
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


def test_own_pictures_keep_every_byte(own: dict[str, Any], tmp_path: Path, root: Path) -> None:
    result = prepare_folder(tmp_path / "own", "mine", own, data_dir=root, shard_bytes=1000)
    assert result.pairs == {"train": 7, "val": 2}
    assert len(list(result.path.glob("mine-train.array_record-*"))) > 1
    splits = open_prepared("mine", root).splits
    assert set(splits) == {"train", "val"}
    for split, records in splits.items():
        for i, (name, named) in enumerate(own[split]):
            assert records[i] == {"name": name.encode(), **{part: path.read_bytes() for part, path in named.items()}}


def read_one(task: tuple[Any, int]) -> bytes:
    return task[0][task[1]]["mask"]


def test_threads_and_processes(own: dict[str, Any], tmp_path: Path, root: Path) -> None:
    prepare_folder(tmp_path / "own", "mine", own, data_dir=root, shard_bytes=1000)
    records = open_prepared("mine", root).splits["train"]
    expected = [named["mask"].read_bytes() for _, named in own["train"]]
    assert read_one((records, 0)) == expected[0], "opened before it is pickled"
    assert len(pickle.dumps(records)) < 100_000
    tasks = [(records, i % 7) for i in range(140)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read_one, tasks)) == expected * 20
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(read_one, tasks[:7])) == expected


def test_own_again_changed_or_another(own: dict[str, Any], tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "own"
    assert prepare_folder(folder, "mine", own, data_dir=root).new
    before = files(root)
    assert not prepare_folder(folder, "mine", own, data_dir=root).new
    with pytest.raises(ValueError, match=rf"holds the pictures of another folder, {folder}: give another --name"):
        prepare_folder(tmp_path / "other", "mine", {"train": own["val"]}, data_dir=root)
    changed = own["train"][3][1]["mask"]
    changed.write_bytes(changed.read_bytes()[::-1])
    os.utime(changed, ns=(1, 1))
    with pytest.raises(ValueError, match="have changed since mine was prepared: add --overwrite"):
        prepare_folder(folder, "mine", own, data_dir=root)
    assert files(root) == before
    old = open_prepared("mine", root).fingerprint
    assert prepare_folder(folder, "mine", own, data_dir=root, overwrite=True).new
    opened = open_prepared("mine", root)
    assert opened.splits["train"][3]["mask"] == changed.read_bytes()
    assert opened.fingerprint != old, "though all sizes are the same"
    assert [path.name for path in (root / "mine").iterdir()] == ["1.0.0"]


def test_a_failed_overwrite_keeps_what_was(own: dict[str, Any], tmp_path: Path, root: Path) -> None:
    prepare_folder(tmp_path / "own", "mine", own, data_dir=root)
    before = files(root)

    def fail(_what: str, done: int, _total: int | None) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_folder(tmp_path / "own", "mine", own, data_dir=root, overwrite=True, on_progress=fail)
    assert files(root) == before


def test_what_own_sets_are_refused(own: dict[str, Any], tmp_path: Path, root: Path, facades: Path) -> None:
    folder = tmp_path / "own"
    for name in ("pix2pix", "maps", "downloads"):
        with pytest.raises(ValueError, match=f"--name was given {name}, which is taken"):
            prepare_folder(folder, name, own, data_dir=root)
    for name in ("Mine", "../mine", "my-set", "", "1st"):
        with pytest.raises(ValueError, match="it must be of small letters"):
            prepare_folder(folder, name, own, data_dir=root)
    with pytest.raises(ValueError, match="holds no pairs"):
        prepare_folder(folder, "mine", {"train": []}, data_dir=root)
    without = [(name, {part: path for part, path in named.items() if part != "mask"}) for name, named in own["val"]]
    with pytest.raises(ValueError, match="do not all have the same pictures"):
        prepare_folder(folder, "mine", {**own, "val": without}, data_dir=root)
    gone = own["val"][0][1]["B"]
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(ValueError, match=f"{gone} does not exist"):
        prepare_folder(folder, "mine", own, data_dir=root)
    gone.write_bytes(content)
    assert not root.exists()
    (root / "mine" / "2.0.0").mkdir(parents=True)
    with pytest.raises(ValueError, match="already holds something else"):
        prepare_folder(folder, "mine", own, data_dir=root)


def test_a_file_that_vanishes_meanwhile(own: dict[str, Any], tmp_path: Path, root: Path) -> None:
    def remove(_what: str, _done: int, _total: int | None) -> None:
        own["val"][1][1]["B"].unlink(missing_ok=True)

    with pytest.raises(ValueError, match=r"ü8\.npy does not exist"):
        prepare_folder(tmp_path / "own", "mine", own, data_dir=root, on_progress=remove)
    assert not root.exists()


# Finding and opening


def test_fingerprint(facades: Path, root: Path, tmp_path: Path) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path
    first = open_prepared("facades", root).fingerprint
    prepare_archive("facades", facades, data_dir=root, overwrite=True)
    assert open_prepared("facades", root).fingerprint == first, "the same pictures"
    root.rename(tmp_path / "moved")
    assert open_prepared("facades", tmp_path / "moved").fingerprint == first
    (tmp_path / "moved").rename(root)
    content = pictures("facades")
    content["test"]["1"] = content["test"]["2"]
    write_archive(facades, "facades", content)
    prepare_archive("facades", facades, data_dir=root, overwrite=True)
    second = open_prepared("facades", root).fingerprint
    assert second != first
    (folder / "p2p_jax.json").unlink()
    third = open_prepared("facades", root).fingerprint
    with next(folder.glob("*test*")).open("ab") as file:
        file.write(b"more")
    assert len({first, second, third, open_prepared("facades", root).fingerprint}) == 4


class Other(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set as others make it: two pictures, an array, a class and text, shuffled."""

    VERSION = tfds.core.Version("2.1.0")
    name = "other"

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "depth": tfds.features.Image(shape=(None, None, 1), dtype=np.uint16, encoding_format="png"),
            "pixels": tfds.features.Tensor(shape=(2, 3), dtype=np.uint8),
            "label": tfds.features.ClassLabel(num_classes=4),
            "text": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(6), "test": self._generate_examples(2)}

    def _generate_examples(self, count: int) -> Any:
        for i in range(count):
            depth = encoded(np.full((4, 5), 999 + i, np.uint16), "PNG")
            example = {"image": jpeg(i), "depth": depth, "pixels": np.full((2, 3), i, np.uint8)}
            yield str(i), {**example, "label": i % 4, "text": str(i)}


@pytest.fixture
def other(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(root.parent))  # TFDS leaves an empty folder there
    builder = Other(data_dir=root, file_format="array_record")
    builder.download_and_prepare()
    capsys.readouterr()
    return root / "other"


def test_sets_of_others(other: Path, root: Path) -> None:
    for name in ("other", "other:2.1.0"):
        opened = open_prepared(name, root)
        assert {split: len(records) for split, records in opened.splits.items()} == {"train": 6, "test": 2}
        for record in opened.splits["train"]:
            i = int(record["text"])
            assert record["image"] == jpeg(i), "not decoded"
            assert np.asarray(Image.open(io.BytesIO(record["depth"])))[0, 0] == 999 + i
            np.testing.assert_array_equal(record["pixels"], np.full((2, 3), i))
            assert record["pixels"].dtype == np.uint8
            assert record["label"] == i % 4


def test_versions(other: Path, root: Path) -> None:
    (other / "2.1.0").rename(other / "2.9.0")
    for version in ("2.10.0", "2.2.0"):
        subprocess.run(["cp", "-r", str(other / "2.9.0"), str(other / version)], check=True)
    (other / "3.0.0").mkdir()  # not prepared
    from p2p_jax.data.prepared import find_prepared

    assert find_prepared("other", root).name == "2.10.0"
    assert find_prepared("other:2.2.0", root).name == "2.2.0"
    with pytest.raises(ValueError, match=r"other:3.0.0 is not prepared"):
        find_prepared("other:3.0.0", root)


def test_default_folder(facades: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    prepare_archive("facades", facades)
    assert root.exists()
    assert len(open_prepared("pix2pix/facades").splits["test"]) == 4
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(root.parent / "home"))
    with pytest.raises(ValueError, match=r"home/tensorflow_datasets: run p2p-jax data prepare facades\.$"):
        open_prepared("pix2pix/facades")


def test_what_is_said_of_sets_that_are_not_there(other: Path, root: Path) -> None:
    with pytest.raises(ValueError, match=rf"run p2p-jax data prepare night2day --data-dir {root}\.$"):
        open_prepared("night2day", root)
    with pytest.raises(
        ValueError, match=r"--from FOLDER --name mine .*tfds\.builder\(\"mine\", file_format=\"array_record"
    ):
        open_prepared("mine", root)
    with pytest.raises(ValueError, match="is no name of a set"):
        open_prepared("../other", root)
    with pytest.raises(ValueError, match="is not prepared"):
        open_prepared("other/small", root)
    (other / "2.1.0").rename(root / "moved")
    for config in ("small", "large"):
        (other / config).mkdir()
        subprocess.run(["cp", "-r", str(root / "moved"), str(other / config / "2.1.0")], check=True)
    with pytest.raises(ValueError, match=r"has several kinds in .*: name one of other/large, other/small"):
        open_prepared("other", root)
    assert len(open_prepared("other/small:2.1.0", root).splits["test"]) == 2


def test_missing_shard(facades: Path, root: Path) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path
    next(folder.glob("*validation*")).unlink()
    with pytest.raises(ValueError, match=r"facades is not whole, .*validation.* is missing"):
        open_prepared("facades", root)


def test_formats_and_splits_that_cannot_be_used(other: Path, root: Path) -> None:
    path = other / "2.1.0" / "dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    with pytest.raises(ValueError, match="is stored as tfrecord, which cannot be read in any order"):
        open_prepared("other", root)
    for split in info["splits"]:
        split["name"] += "_more"
    path.write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"has the splits .*_more: it needs train, validation or test"):
        open_prepared("other", root)


def test_start_up_imports_no_tfds() -> None:
    code = "import sys, p2p_jax.data.sets.prepare, p2p_jax.data.sets.prepared; print('tensorflow_datasets' in sys.modules)"
    start = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
    assert time.monotonic() - start < 30
