"""Sets in a bucket: they are the sets of a folder, and what strangers put there neither runs nor leaves its folder."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
from helpers.sets import count_reads, prepare_set, shard_reads

from p2p_jax.config import Config, Data
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.prepared import open_prepared
from p2p_jax.data.sets.prepare import prepare_data
from p2p_jax.errors import NotFetched, UserError
from p2p_jax.storage import set_cache
from p2p_jax.storage.shards import close_all


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the version of a set, in a bucket."""
    return prepare_set(tmp_path / "sets")


@pytest.fixture
def url(folder: Path) -> str:
    return f"file://{folder.parents[1]}"


def test_a_set_in_a_bucket_is_the_set_in_a_folder(folder, url, monkeypatch):
    reads = count_reads(monkeypatch)
    local, remote = open_prepared("mine", folder.parents[1]), open_prepared("mine", url + "/")
    assert shard_reads(reads) == {}, "opening a set reads no pictures"
    assert remote.fingerprint == local.fingerprint
    assert remote.features == local.features
    assert {split: len(records) for split, records in remote.splits.items()} == {"train": 12, "val": 4, "test": 4}
    for split, records in local.splits.items():
        assert [remote.splits[split][i] for i in range(len(records))] == list(records)
    shards = {path.name: path.stat().st_size for path in folder.glob("*.array_record*")}
    assert shard_reads(reads) == shards, "each shard is fetched once"
    close_all()
    assert open_prepared("mine", url).splits["train"][3] == local.splits["train"][3]
    assert shard_reads(reads) == shards, "the cache is used again"


@pytest.mark.parametrize("gib", ["0.001", "1e-9"])
def test_a_set_that_is_larger_than_the_cache_is_refused_before_it_is_fetched(url, monkeypatch, gib):
    monkeypatch.setenv("P2P_JAX_SET_CACHE_GIB", gib)
    reads = count_reads(monkeypatch)
    with pytest.raises(
        UserError, match=r"the set in file://.*/mine/1.0.0 has 0.0017\d GiB, but the cache .* may hold .* GiB: set"
    ):
        open_prepared("mine", url)
    assert reads == []


def test_a_record_fetches_its_own_shard_alone(url, monkeypatch):
    records = pickle.loads(pickle.dumps(open_prepared("mine", url).splits["train"]))
    reads = count_reads(monkeypatch)
    assert records[11]["name"] == b"11"
    assert list(shard_reads(reads)) == [records.shard_of(11)] == [records.names[-1]]
    with pytest.raises(IndexError):
        records[12]


def test_versions_configs_and_the_papers_names_are_found(folder, url):
    shutil.copytree(folder, folder.parent / "2.10.0")
    shutil.copytree(folder, folder.parent / "2.9.0")
    assert "2.10.0" in open_prepared("mine", url).notes[0]
    assert "1.0.0" in open_prepared("mine:1.0.0", url).notes[0]
    shutil.copytree(folder, folder.parents[1] / "pix2pix" / "facades" / "1.0.0")
    assert len(open_prepared("facades", url).splits["train"]) == 12
    with pytest.raises(
        UserError, match=r"mine:3.0.0 is not prepared in file://.*: prepare it with p2p-jax data prepare in a"
    ):
        open_prepared("mine:3.0.0", url)
    with pytest.raises(UserError, match=r"pix2pix has several configs in file://.*: name one of pix2pix/facades"):
        open_prepared("pix2pix", url)


@pytest.mark.parametrize("name", ["nothing", "mine/small", "../sets/mine", "mine/..", "mine/../..", "/mine"])
def test_a_set_that_is_not_there_is_named(url, name):
    with pytest.raises(UserError, match=r"is not prepared in file://|is not the name of a set"):
        open_prepared(name, url)


@pytest.mark.parametrize("place", ["http://host/sets", "ftp://host/sets", "S3://bucket/sets", "hf://datasets/x"])
def test_other_urls_are_refused(place):
    with pytest.raises(UserError, match=f"{place} was given: prepared sets are in a folder, or in a bucket"):
        open_prepared("mine", place)


def test_a_bucket_cannot_be_prepared_in(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://bucket/sets")
    with pytest.raises(UserError, match="gs://bucket/sets was given, but sets are prepared in a folder"):
        prepare_data("facades")
    assert list(Path().glob("gs:*")) == []


@pytest.mark.parametrize("place", ["gs://bucket/pictures", "http://host/pictures", "s3://bucket"])
def test_pictures_of_pairs_are_not_read_from_a_url(place):
    with pytest.raises(UserError, match=f"data.path was given {place}, but pictures are read from a folder"):
        open_dataset(Config(data=Data(path=place)))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_missing_shard_is_named(folder, url, split):
    sorted(folder.glob(f"*{split}*"))[1].unlink()
    with pytest.raises(UserError, match=rf"mine is not complete, file://.*mine-{split}.array_record-00001.* is missing"):
        open_prepared("mine", url)


@pytest.mark.parametrize(
    "template", ["../{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", "/etc/{SPLIT}", "a/b/{SHARD_INDEX}"]
)
def test_a_shard_that_would_lie_elsewhere_is_refused(folder, url, template):
    path = folder / "dataset_info.json"
    info = json.loads(path.read_text())
    for split in info["splits"]:
        split["filepathTemplate"] = template
    path.write_text(json.dumps(info))
    before = sorted(set_cache.find_root().parent.rglob("*"))
    with pytest.raises((UserError, ValueError)):
        open_prepared("mine", url)
    outside = {*set_cache.find_root().parent.parent.rglob("*.array_record*")} - {*before}
    assert not outside


def test_names_that_lead_out_of_the_folder_are_not_fetched(folder, url, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    real, asked = LocalFileSystem.find, count_reads(monkeypatch)

    def find(self, path, *args, **options):
        found = real(self, path, *args, **options)
        if isinstance(found, dict) and str(path).endswith("1.0.0"):
            evil = next(iter(found.values()))
            names = (
                "../evil.json",
                "../../evil.array_record-0",
                ".hidden.json",
                "a/b.json",
                "..",
                "c\\d.txt",
                "\x1b[2J.json",
            )
            found |= {f"{path}/{name}": evil for name in names}
        return found

    monkeypatch.setattr(LocalFileSystem, "find", find)
    open_prepared("mine", url)
    assert {name for name, _ in asked} == {"dataset_info.json", "features.json", "p2p_jax.json"}
    assert not list(set_cache.find_root().parent.rglob("*evil*"))


@pytest.mark.parametrize("named", ["evil.Feature", "antigravity.Fly", "tensorflow_datasets.testing.Evil", "os.path"])
def test_a_set_in_a_bucket_runs_no_code(folder, url, named, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    path = folder / "features.json"
    features = json.loads(path.read_text())
    features["featuresDict"]["features"]["pair"]["pythonClassName"] = named
    path.write_text(json.dumps(features))
    with pytest.raises(UserError, match=f"names the class {named}, for which code outside of"):
        open_prepared("mine", url)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"shards": 3}', b"\xff\xfe"])
def test_a_damaged_record_is_named(folder, url, content):
    (folder / "p2p_jax.json").write_bytes(content)
    with pytest.raises(UserError, match=r"file://.*/p2p_jax.json is damaged: copy the set to the bucket again"):
        open_prepared("mine", url)


def test_the_record_of_a_set_holds_the_checksums_of_its_shards(folder, url):
    record = json.loads((folder / "p2p_jax.json").read_text())
    assert set(record["shards"]) == {path.name for path in folder.glob("*.array_record*")}
    shard = sorted(folder.glob("*train*"))[0]
    content = bytearray(shard.read_bytes())
    content[70_000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(NotFetched, match="does not have the checksum in the set's record"):
        open_prepared("mine", url).splits["train"][0]
    del record["shards"]  # sets that older versions prepared have no checksums
    (folder / "p2p_jax.json").write_text(json.dumps(record))
    assert len(open_prepared("mine", url).splits["train"]) == 12


def test_a_set_that_was_prepared_again_is_fetched_again(folder, url):
    first = open_prepared("mine", url)
    before = first.splits["train"][0]
    shutil.rmtree(folder.parents[1])
    shutil.rmtree(folder.parents[2] / "mine-pictures")
    prepare_set(folder.parents[1], {"train": 3})
    second = open_prepared("mine", url)
    assert len(second.splits["train"]) == 3
    assert second.fingerprint != first.fingerprint
    assert first.splits["train"][0] == before, "what was fetched stays as it was"
    with pytest.raises(NotFetched, match=r"replaced after the set was opened|is no longer there"):
        first.splits["train"][11]
