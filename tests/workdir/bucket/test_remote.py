"""A bucket writes nowhere but into its local copy."""

import os
import tempfile
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from helpers.buckets import url, write_run

from p2p_jax.errors import UserError
from p2p_jax.workdir.bucket import fetch, mirror, remote
from p2p_jax.workdir.bucket.fetch import local_copy_of
from p2p_jax.workdir.bucket.remote import Remote


@pytest.fixture
def serve(monkeypatch):
    """Serves objects of any names under gs://bucket/run."""
    files = MemoryFileSystem(skip_instance_cache=True)
    files.store, files.pseudo_dirs = {}, [""]

    def add(objects: dict[str, str]) -> None:
        for name, content in objects.items():
            files.store[f"/bucket/run/{name}"] = fsspec.implementations.memory.MemoryFile(
                files, f"/bucket/run/{name}", content.encode()
            )

    monkeypatch.setattr(files, "find", lambda root, **_: list(files.store))
    monkeypatch.setattr(files, "get_file", lambda path, place, **_: Path(place).write_bytes(files.store[path].getvalue()))
    monkeypatch.setattr(files, "exists", lambda path: path in files.store)
    monkeypatch.setattr(files, "expand_path", lambda paths, **_: list(paths))

    def get(paths, places):
        for path, place in zip(paths, places, strict=True):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            Path(place).write_bytes(files.store[path].getvalue())

    monkeypatch.setattr(files, "get", get)
    for module in (mirror, remote):
        monkeypatch.setattr(module, "open_remote", lambda _: Remote(files, "/bucket/run"))
    return add


@pytest.mark.parametrize(
    "name",
    ["../evil", "samples/../../evil", "checkpoints/../../../evil", "/evil", "a/../b", "..", "report/..", "samples/x\0y"],
)
def test_objects_outside_of_the_folder_are_refused_and_nothing_is_written(bucket, serve, name):
    serve({"experiment.json": "{}", name: "evil"})
    before = set(bucket.parent.rglob("*"))
    message = r"the bucket folder /bucket/run holds '.*', a path outside of it: do not use it"
    with pytest.raises(UserError, match=message), local_copy_of("gs://bucket/run"):
        pass
    assert set(bucket.parent.rglob("*")) == before


def test_other_names_are_fetched(bucket, serve):
    serve({"experiment.json": "{}", "samples/a..b/c d.png": "1", "folder/": "", "..x": "2"})
    with local_copy_of("gs://bucket/run") as folder:
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert found == {"experiment.json", "samples/a..b/c d.png", "..x", ".bucket"}


@pytest.mark.parametrize("name", [".bucket", "lock", "samples/.bucket", "a.tmp"])
def test_a_bucket_does_not_replace_files_that_are_only_local(bucket, serve, name):
    serve({"experiment.json": "{}", name: "gs://other/\x1b[2J"})
    with local_copy_of("gs://bucket/run") as folder:
        assert (folder / ".bucket").read_text() == "gs://bucket/run"
        assert name == ".bucket" or not (folder / name).exists()


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_the_name_of_a_url_does_not_move_the_local_copy(bucket, serve, name):
    serve({"experiment.json": "{}"})
    with local_copy_of(f"gs://bucket/{name}") as folder:
        assert folder.name == "run" or folder.name == "bucket"
        assert folder.parent.parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize("kind", ["link", "link to a lock", "folder of all", "of another user"])
def test_planted_local_copies_are_left_alone(bucket, monkeypatch, kind):
    write_run(bucket / "run", "run", [3])
    victim = bucket.parent / "victim"
    victim.mkdir()
    (victim / "lock").write_text("precious")
    planted = Path(tempfile.gettempdir()) / f"{mirror.FOLDER_PREFIX}x"
    if kind == "link":
        planted.symlink_to(victim)
        os.utime(planted, (0, 0), follow_symlinks=False)
        os.utime(victim, (0, 0))
    else:
        planted.mkdir(mode=0o700)
        (planted / "lock").symlink_to(victim / "lock")
        if kind == "folder of all":
            planted.chmod(0o777)
        if kind == "of another user":
            monkeypatch.setattr(os, "getuid", lambda: 12345)
        os.utime(planted, (0, 0))
    with local_copy_of(url(bucket / "run")):
        pass
    assert (victim / "lock").read_text() == "precious"
    assert os.path.lexists(planted)
    assert fetch.FOLDER_PREFIX in planted.name
