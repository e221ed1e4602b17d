"""Commands that read a run in a bucket fetch only the checkpoint that is wanted, and of it only what they need."""

import json
import shutil
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from helpers.buckets import kept_folders, url
from helpers.runs import finished_run, leaves_of

from p2p_jax.cli import main
from p2p_jax.errors import UserError
from p2p_jax.inference.translate import load
from p2p_jax.workdir import checkpoint
from p2p_jax.workdir.bucket.fetch import local_copy_of


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all files that are fetched, in order."""
    paths = []
    real = LocalFileSystem.get_file

    def get_file(self, path, *args, **options):
        paths.append(path)
        return real(self, path, *args, **options)

    monkeypatch.setattr(LocalFileSystem, "get_file", get_file)
    return paths


def items_of(paths: list[str]) -> set[tuple[str, str]]:
    """(step, item) of every fetched file of a checkpoint's arrays."""
    parts = [path.partition("/checkpoints/")[2].split("/") for path in paths if "/checkpoints/" in path]
    return {(each[0], each[1]) for each in parts if len(each) > 2} - {
        (each[0], item) for each in parts for item in ("meta", "metrics")
    }


def size_of(paths: list[str]) -> int:
    return sum(Path(path).stat().st_size for path in paths if Path(path).is_file())


def validated(run: Path, best: int) -> None:
    """Gives the checkpoints of a run validation figures of which one is the best."""
    for path in (run / "checkpoints").glob("[0-9]*/meta/metadata"):
        meta = json.loads(path.read_text())
        meta["validation"] = {"val_ssim": 0.9 if path.parts[-3] == str(best) else 0.1}
        del meta["checksum"]
        path.write_text(json.dumps(meta))


@pytest.mark.parametrize(("step", "found"), [("latest", "8"), ("best", "3"), (6, "6"), ("6", "6")])
def test_only_the_generator_of_the_wanted_checkpoint_is_fetched(uploaded, fetched, step, found):
    validated(uploaded, best=3)
    translator = load(url(uploaded), checkpoint_step=step)
    assert translator.step == int(found)
    assert items_of(fetched) == {(found, "generator")}
    assert not [path for path in fetched if "/samples/" in path or "/report/" in path]
    assert size_of(fetched) < sum(path.stat().st_size for path in uploaded.rglob("*") if path.is_file()) / 4
    assert not kept_folders(uploaded.parent)


def test_a_report_fetches_the_pictures_that_it_shows_and_uploads_no_checkpoint(uploaded, fetched):
    before = {path: path.stat().st_mtime_ns for path in (uploaded / "checkpoints").rglob("*")}
    shutil.rmtree(uploaded / "report")
    assert main(["report", url(uploaded)]) == 0
    assert items_of(fetched) == {("8", "generator")}
    assert [path for path in fetched if "/samples/" in path]
    assert (uploaded / "report" / "index.html").is_file()
    assert {path: path.stat().st_mtime_ns for path in (uploaded / "checkpoints").rglob("*")} == before


@pytest.mark.parametrize("kind", ["damaged", "lost description"])
def test_where_the_latest_is_damaged_the_one_before_is_fetched(uploaded, fetched, kind):
    newest = uploaded / "checkpoints" / "8"
    if kind == "damaged":
        path = max((newest / "generator").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        shutil.rmtree(newest / "meta")
    with pytest.warns(UserWarning, match="checkpoint 8 .* is damaged"):
        assert load(url(uploaded)).step == 6
    assert ("6", "generator") in items_of(fetched)
    assert ("3", "generator") not in items_of(fetched)


def test_training_fetches_all_checkpoints(uploaded, fetched):
    with local_copy_of(url(uploaded), upload=True, exclusive=True) as folder:
        assert leaves_of(folder, 3) == leaves_of(finished_run(), 3)
    assert {step for step, _ in items_of(fetched)} == {"3", "6", "8"}


def test_every_item_can_be_restored_and_is_fetched_once(uploaded, fetched):
    with local_copy_of(url(uploaded), whole=False) as folder:
        assert leaves_of(folder, 6) == leaves_of(finished_run(), 6)
        number = len(fetched)
        assert leaves_of(folder, 6) == leaves_of(finished_run(), 6)
        assert len(fetched) == number
    assert items_of(fetched) == {("6", item) for item in ("generator", "discriminator", "training")}


def test_a_checkpoint_that_is_removed_meanwhile_is_named(uploaded):
    with local_copy_of(url(uploaded), whole=False) as folder:
        shutil.rmtree(uploaded / "checkpoints" / "8")
        with pytest.raises(
            UserError, match=r"checkpoint 8 of file://.* was removed meanwhile, .*: give the same command again"
        ):
            checkpoint.restore_params(folder)
