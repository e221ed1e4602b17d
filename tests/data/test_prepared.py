"""Finding and opening prepared sets, of this program and of others."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.small_archives import jpeg, pictures, write_archive
from PIL import Image

from p2p_jax.data.prepared import find_prepared, open_prepared
from p2p_jax.data.sets.builders import prepare_archive


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "facades.tar.gz", "facades", pictures("facades"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sets"


def test_the_fingerprint_depends_on_the_records(facades: Path, root: Path, tmp_path: Path) -> None:
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


def encoded(picture: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "NPY":
        np.save(file, picture)
    else:
        Image.fromarray(picture).save(file, kind)
    return file.getvalue()


class Other(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set as others make it: two pictures, an array, a class and text, shuffled."""

    VERSION = tfds.core.Version("2.1.0")
    name = "other"
    url_infos: Any = {}  # noqa: RUF012 (without it TFDS looks for a file of addresses, which needs one more package)

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


def test_sets_of_others_are_opened(other: Path, root: Path) -> None:
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


def test_the_latest_version_is_found(other: Path, root: Path) -> None:
    (other / "2.1.0").rename(other / "2.9.0")
    for version in ("2.10.0", "2.2.0"):
        subprocess.run(["cp", "-r", str(other / "2.9.0"), str(other / version)], check=True)
    (other / "3.0.0").mkdir()  # not prepared
    assert find_prepared("other", root).name == "2.10.0"
    assert find_prepared("other:2.2.0", root).name == "2.2.0"
    with pytest.raises(ValueError, match=r"other:3.0.0 is not prepared"):
        find_prepared("other:3.0.0", root)


def test_the_default_folder_is_that_of_tfds(facades: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(root))
    prepare_archive("facades", facades)
    assert root.exists()
    assert len(open_prepared("pix2pix/facades").splits["test"]) == 4
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(root.parent / "home"))
    with pytest.raises(ValueError, match=r"home/tensorflow_datasets: run p2p-jax data prepare facades\.$"):
        open_prepared("pix2pix/facades")


def test_missing_sets_are_named_with_the_command_that_prepares_them(other: Path, root: Path) -> None:
    with pytest.raises(ValueError, match=rf"run p2p-jax data prepare night2day --data-dir {root}\.$"):
        open_prepared("night2day", root)
    with pytest.raises(
        ValueError, match=r"--from FOLDER --name mine .*tfds\.builder\(\"mine\", file_format=\"array_record"
    ):
        open_prepared("mine", root)
    with pytest.raises(ValueError, match="is not the name of a set"):
        open_prepared("../other", root)
    with pytest.raises(ValueError, match="is not prepared"):
        open_prepared("other/small", root)
    (other / "2.1.0").rename(root / "moved")
    for config in ("small", "large"):
        (other / config).mkdir()
        subprocess.run(["cp", "-r", str(root / "moved"), str(other / config / "2.1.0")], check=True)
    with pytest.raises(ValueError, match=r"has several configs in .*: name one of other/large, other/small"):
        open_prepared("other", root)
    assert len(open_prepared("other/small:2.1.0", root).splits["test"]) == 2


def test_a_missing_shard_is_named(facades: Path, root: Path) -> None:
    folder = prepare_archive("facades", facades, data_dir=root).path
    next(folder.glob("*validation*")).unlink()
    with pytest.raises(ValueError, match=r"facades is not complete, .*validation.* is missing"):
        open_prepared("facades", root)


def test_formats_and_splits_that_cannot_be_read_are_refused(other: Path, root: Path) -> None:
    path = other / "2.1.0" / "dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    with pytest.raises(ValueError, match="is stored as tfrecord, which allows no random access"):
        open_prepared("other", root)
    for split in info["splits"]:
        split["name"] += "_more"
    path.write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"has the splits .*_more: it needs train, validation or test"):
        open_prepared("other", root)


def test_the_start_imports_no_tensorflow_datasets() -> None:
    code = "import sys, p2p_jax.data.sets.prepare, p2p_jax.data.prepared; print('tensorflow_datasets' in sys.modules)"
    start = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
    assert time.monotonic() - start < 30
