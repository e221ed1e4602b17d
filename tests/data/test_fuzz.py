"""A hundred damaged files among good ones: none crashes or hangs the program, and each unreadable one is named."""

from contextlib import suppress
from itertools import islice

import numpy as np
import pytest
import tifffile
from helpers.runs import NO_REPORT, quick_experiment
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.config import Config, Data
from p2p_jax.data.loading import open_dataset, open_reader
from p2p_jax.data.pictures import Encoded, decode, of_file, write_picture
from p2p_jax.errors import UserError
from p2p_jax.training import trainer

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
ENDINGS = (".png", ".jpg", ".webp", ".bmp", ".tiff", ".npy", ".npz")
HUGE = 2**31 - 1


def encoded(folder, random):
    """One good file of every kind: {ending: bytes}."""
    pixels = random.integers(0, 256, (32, 64, 3), np.uint8)
    found = {}
    for ending in ENDINGS:
        path = folder / f"good{ending}"
        np.savez(path, pixels) if ending == ".npz" else write_picture(path, pixels)
        found[ending] = path.read_bytes()
        path.unlink()
    deep = folder / "deep.png"
    write_picture(deep, pixels.astype(np.uint16) * 257)
    found["deep.png"] = deep.read_bytes()
    deep.unlink()
    return found


def damaged(good, random):
    """Yields damaged files without end, (ending, bytes): truncated, bit-flipped, misnamed, zeroed, huge in the header."""
    while True:
        for ending, data in good.items():
            yield ending, data[: random.integers(1, len(data))]
            flipped = bytearray(data)
            for place in random.integers(0, min(len(data), 400), 8):
                flipped[place] ^= 1 << random.integers(8)
            yield ending, bytes(flipped)
            yield ending, good[ENDINGS[random.integers(len(ENDINGS))]][: random.integers(4, 40)]
            yield ending, b"\0" * random.integers(0, 500)
            place = random.integers(0, 60)
            yield ending, data[:place] + HUGE.to_bytes(4, "big" if random.random() < 0.5 else "little") + data[place + 4 :]


@pytest.fixture
def fuzzed(tmp_path):
    """A folder of 100 damaged files beside 20 good ones."""
    random = np.random.default_rng(0)
    folder = tmp_path / "pairs"
    folder.mkdir()
    for i in range(20):
        Image.fromarray(random.integers(0, 256, (32, 64, 3), np.uint8)).save(folder / f"good{i}.png")
    files = damaged(encoded(folder, random), random)
    for i in range(100):
        ending, data = next(files)
        (folder / f"bad{i}{ending}").write_bytes(data)
    return folder


def complaint(path):
    """The message about a file, or None if it is a picture nevertheless."""
    try:
        decode(of_file(path))
    except UserError as error:
        return str(error)


def test_every_damaged_file_is_a_picture_or_a_sentence_with_its_name(fuzzed):
    said = {path: complaint(path) for path in fuzzed.glob("bad*")}
    refused = {path: sentence for path, sentence in said.items() if sentence is not None}
    assert len(refused) > 60, "most of them cannot be read"
    for path, sentence in refused.items():
        assert str(path) in sentence
        assert "\n" not in sentence


def test_a_damaged_file_raises_no_other_error(tmp_path):
    random = np.random.default_rng(5)
    good = encoded(tmp_path, random)
    write_picture(tmp_path / "deep.tiff", random.integers(0, 65536, (32, 64, 5)).astype(np.uint16))
    pages = random.integers(0, 65536, (4, 32, 64)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "pages.tiff", pages, photometric="minisblack", metadata=None)
    good |= {name: (tmp_path / name).read_bytes() for name in ("deep.tiff", "pages.tiff")}
    for _, data in islice(damaged(good, random), 1000):
        for indices in (False, True):
            with suppress(UserError):
                decode(Encoded("x", data), indices=indices)


@pytest.mark.slow
def test_training_uses_the_other_files_and_names_each_unreadable_one(fuzzed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trainer, "write_report", NO_REPORT)
    config = Config(image_size=16, data=Data(path=str(fuzzed), load_size=18, on_error="skip"))
    pairs = open_dataset(config).splits["train"]
    open_reader(pairs, config)
    assert not any(pairs.name(index).startswith("good") for index in pairs.skipped)
    line = ["train", quick_experiment(tmp_path), "--workdir", str(tmp_path / "run"), "--data.path", str(fuzzed)]
    assert main([*line, "--data.on-error", "skip"]) == 0
    assert f"{len(pairs.skipped)} pairs could not be read" in capsys.readouterr().out
    named = (tmp_path / "run" / "replaced.txt").read_text().splitlines()
    assert len(named) == len(pairs.skipped) > 60
    for index, sentence in zip(sorted(pairs.skipped), named, strict=True):
        assert f"{fuzzed}/{pairs.name(index)}" in sentence
