"""Files that hold no state_dict, or a damaged one, are refused in one sentence."""

import copy
import pickle
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.torch_files import (
    BOTH,
    FILES,
    FOUR,
    MAGIC,
    SYSTEM,
    TENSOR,
    legacy_file,
    pickled,
    plain,
    refusal,
    table,
    tensor,
    zip_file,
)

from p2p_jax.errors import UserError
from p2p_jax.weight_files.state_dict import read_state_dict


@BOTH
@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            table(state_dict=table(a=TENSOR), epoch=plain(3)),
            "holds state_dict, epoch, of which state_dict is of type dict, where",
        ),
        (table(epoch=plain(3), netG=table(a=TENSOR)), "expected: save the part netG alone with torch.save"),
        (table(a=TENSOR, lr=plain(0.1)), "holds a, lr, of which lr is of type float, where a bare state_dict"),
        (table(a=TENSOR, b=plain(None)), "of which b is of type nonetype"),
        (
            table(a=plain("x"), **{f"w{i}": TENSOR for i in range(9)}),
            "holds a, w0, w1, w2, w3, w4 and 4 more, of which a is",
        ),
        (
            table(opt=plain({0: {"step": 1}})),
            "of which opt is of type dict, where a bare state_dict, tensors by name, is expected: save net",
        ),
        (b"}" + plain(0) + TENSOR + b"s", "holds a key of type int, of which"),
        (TENSOR, "holds one value of type tensor, where a bare state_dict, tensors by name"),
        (b"](" + TENSOR + b"e", "holds one value of type list"),
        (b"N", "holds one value of type nonetype"),
        (b"}" + plain("a") + b"ctorch\nFloatStorage\ns", "a is of type global"),
    ],
)
def test_values_that_are_no_state_dict_are_named(tmp_path, build, program, words):
    assert words in refusal(build(tmp_path / "1.pth", pickled(program)))


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**70},
        {"size": (2, 3)},
        {"size": (-2, -2)},
        {"size": (2,)},
        {"size": (2, 2.0)},
        {"size": [2, 2]},
        {"size": (True, True)},
        {"size": None},
        {"size": (1,) * 65, "stride": (1,) * 65},
        {"size": (0, 2**60), "stride": (1, 1)},
        {"size": (0, 2**31, 2**31), "stride": (1, 1, 1)},
        {"stride": (3, 1)},
        {"stride": (-2, 1)},
        {"stride": (2**62, 2**62)},
        {"size": (10**6, 10**6), "stride": (0, 0)},
        {"size": (5,), "stride": (0,)},
        {"stored": 3},
        {"stored": 5, "size": (5,), "stride": (1,)},
        {"stored": -4},
        {"kind": b"Double"},
        {"key": "1"},
        {"key": 0},
        {"stored": 2**40, "size": (2**20, 2**20), "stride": (2**20, 1)},
    ],
    ids=str,
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path, build, options):
    path = build(tmp_path / "1.pth", pickled(table(weight=tensor(**options))))
    said = refusal(path)
    assert "damaged" in said
    if path.read_bytes()[:2] == b"PK" and options.get("key") != 0 and options.get("stored", 0) >= 0:
        assert "its tensor weight" in said


@BOTH
def test_tensors_that_repeat_numbers_too_often_are_refused(tmp_path, build):
    names = {f"w{i}": tensor(stored=100_000, size=(100_000,), stride=(1,)) for i in range(20)}
    content = bytes(400_000)
    if build is zip_file:
        path = zip_file(tmp_path / "1.pth", pickled(table(**names)), **{"0": content})
    else:
        path = legacy_file(tmp_path / "1.pth", pickled(table(**names)), counts=[100_000])
        path.write_bytes(path.read_bytes()[: -len(FOUR)] + content)
    assert "holds tensors that need over 16 times the file's size in memory" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: download it or save it again"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a file of torch.save"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a failed download"),
        (b"<!DOCTYPE html>", "a failed download"),
        (b"a", "is not a file of torch.save"),
        (b"sys_info".ljust(257, b"\0") + b"ustar  \0".ljust(300, b"\0"), "is a tar file, as PyTorch before 0.1.10 wrote"),
        (b"\x08\0\0\0\0\0\0\0{}      ", "is a safetensors file"),
        (pickle.dumps({"a": 1}, 4), "is a pickle, but not one of torch.save"),
        (pickle.dumps(MAGIC + 1, 2), "is a pickle, but not one of torch.save"),
        (pickle.dumps(np.zeros(3), 2), "asks for numpy"),
        (b"\x80\x02\xff", "is cut off or damaged"),
    ],
)
def test_files_of_other_formats_are_refused(tmp_path, content, words):
    (tmp_path / "1.pth").write_bytes(content)
    assert words in refusal(tmp_path / "1.pth")


def test_missing_files_and_folders_are_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "is a folder" in refusal(tmp_path)


def test_unreadable_files_are_refused(tmp_path, monkeypatch):
    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "1.pth").write_bytes(b"PK")
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read (permission denied)" in refusal(tmp_path / "1.pth")


def test_other_zip_files_are_refused(tmp_path):
    path = tmp_path / "1.pth"
    np.savez(tmp_path / "1.npz", a=np.zeros(3))
    (tmp_path / "1.npz").rename(path)
    assert "is a zip file, but not one of torch.save" in refusal(path)
    assert "compressed or encrypted" in refusal(zip_file(path, pickled(table(a=TENSOR)), compression=zipfile.ZIP_DEFLATED))
    assert "big-endian" in refusal(zip_file(path, pickled(table(a=TENSOR)), order=b"big"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled(b"}"))
        archive.writestr("b/data.pkl", pickled(b"}"))
    assert "is a zip file, but not one of torch.save" in refusal(path)


@pytest.mark.parametrize("size", [0, 1000])
def test_overlapping_zip_entries_are_refused(tmp_path, size):
    path = tmp_path / "1.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(b"}"))
        archive.writestr("archive/data/0", bytes(1000))
        for i in range(100):
            entry = copy.copy(archive.filelist[1])
            entry.filename, entry.compress_size = f"archive/data/{i + 1}", size
            archive.filelist.append(entry)
    assert "is cut off or damaged" in refusal(path)


def test_other_legacy_headers_are_refused(tmp_path):
    path, program = tmp_path / "1.pth", pickled(table(a=TENSOR))
    assert "another protocol version than 1001" in refusal(legacy_file(path, program, protocol=1002))
    assert "big-endian" in refusal(legacy_file(path, program, system=SYSTEM | {"little_endian": False}))
    for options in ({"keys": []}, {"keys": ["1"]}, {"counts": [3]}, {"counts": [5]}, {"counts": [-1]}, {"counts": [2**62]}):
        assert "damaged" in refusal(legacy_file(path, program, **options)), options


@pytest.mark.parametrize("name", ["zip", "legacy", "protocol5_legacy"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path, name):
    content, path = (FILES / f"{name}.pth").read_bytes(), tmp_path / "1.pth"
    for length in [*range(1, 64), *range(64, len(content), 11), len(content) - 1]:
        path.write_bytes(content[:length])
        assert refusal(path) == " is cut off or damaged: download it or save it again.", length


@pytest.mark.parametrize("missing", [1, 10, 100])
def test_a_zip_file_that_lacks_bytes_in_the_middle_is_refused(tmp_path, missing):
    content = (FILES / "zip.pth").read_bytes()
    (tmp_path / "1.pth").write_bytes(content[:1500] + content[1500 + missing :])
    assert "is cut off or damaged" in refusal(tmp_path / "1.pth")


def test_a_changed_number_is_noticed_by_its_crc(tmp_path):
    content = bytearray((FILES / "zip.pth").read_bytes())
    content[content.index(read_state_dict(FILES / "zip.pth")["0.weight"].tobytes()) + 5] ^= 1
    (tmp_path / "1.pth").write_bytes(content)
    assert "is cut off or damaged" in refusal(tmp_path / "1.pth")


def read_or_refuse(path: Path) -> bool:
    try:
        return isinstance(read_state_dict(path), dict)
    except UserError:
        refusal(path)
        return False


@pytest.mark.parametrize(
    "name", tiers(["zip", "zip's pickle", "protocol4's pickle", "legacy", "kinds_legacy", "shared_legacy"], slow=2)
)
def test_random_damage_ends_in_a_sentence_or_a_dict(tmp_path, name):
    """Reading damaged files is quick and needs little memory. A damaged pickle in a zip file gets its right CRC."""
    source, within, _ = name.partition("'s ")
    content, random, path = (FILES / f"{source}.pth").read_bytes(), np.random.default_rng(0), tmp_path / "1.pth"
    with zipfile.ZipFile(FILES / "zip.pth") as archive:
        storages = {entry[9:]: archive.read(entry) for entry in archive.namelist() if entry.startswith("zip/data/")}
    if within:
        with zipfile.ZipFile(FILES / f"{source}.pth") as archive:
            content = archive.read(f"{source}/data.pkl")
    readable, start = 0, time.monotonic()
    tracemalloc.start()
    for _ in range(250):
        damaged = bytearray(content)
        for place in random.integers(len(content), size=random.integers(1, 4)):
            damaged[place] = random.integers(256)
        if within:
            zip_file(path, bytes(damaged), **storages)
        else:
            path.write_bytes(damaged)
        readable += read_or_refuse(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < readable < 250
    assert peak < 20e6
    assert time.monotonic() - start < 60
