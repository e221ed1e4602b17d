"""State_dicts in the formats of torch.save: files recorded with PyTorch, files made here, and files that are written."""

import io
import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
from helpers.torch_files import (
    BOTH,
    FILES,
    ORDERED,
    TENSOR,
    legacy_file,
    pickled,
    plain,
    refusal,
    same,
    table,
    tensor,
    zip_file,
)

from p2p_jax.errors import UserError
from p2p_jax.weight_files.state_dict import read_state_dict, write_state_dict
from p2p_jax.weight_files.torch_objects import DTYPES

RECORDED = sorted(path.stem for path in FILES.glob("*.pth"))


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(FILES / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("name", RECORDED)
def test_files_of_pytorch_are_read_bit_for_bit(name, expected):
    found = read_state_dict(FILES / f"{name}.pth")
    wanted = {key.removeprefix(f"{name}/"): value for key, value in expected.items() if key.startswith(f"{name}/")}
    assert list(found) == list(wanted)
    for key, array in found.items():
        assert isinstance(array, np.ndarray)
        assert same(array, wanted[key]), key
        assert array.flags.c_contiguous
        assert array.dtype.isnative
    arrays = list(found.values())
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_the_recorded_files_cover_every_dtype_and_special_case():
    assert len(RECORDED) == 15
    assert read_state_dict(FILES / "no_tensors.pth") == {}
    state = read_state_dict(FILES / "zip.pth")
    assert list(state)[-1] == "1.num_batches_tracked"
    assert state["1.num_batches_tracked"].shape == ()
    assert state["1.num_batches_tracked"] == 1
    assert b"_metadata" in (FILES / "legacy.pth").read_bytes()
    kinds = {array.dtype.name for array in read_state_dict(FILES / "kinds.pth").values()}
    assert kinds | {"bfloat16"} == set(DTYPES.values())


@BOTH
def test_tensors_may_be_views_of_one_storage(tmp_path, build):
    program = pickled(table(a=tensor(), b=tensor(offset=1, size=(3,), stride=(1,)), c=tensor(size=(2, 2), stride=(1, 2))))
    found = read_state_dict(build(tmp_path / "1.pth", program))
    np.testing.assert_array_equal(found["a"], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(found["b"], [1, 2, 3])
    np.testing.assert_array_equal(found["c"], [[0, 2], [1, 3]])


def test_odd_but_valid_tensors_are_read(tmp_path):
    program = pickled(table(thin=tensor(size=(1, 4), stride=(2**62, 1)), none=tensor(offset=2**40, size=(0, 3))))
    found = read_state_dict(zip_file(tmp_path / "1.pth", program))
    np.testing.assert_array_equal(found["thin"], [[0, 1, 2, 3]])
    assert same(found["none"], np.zeros((0, 3), np.float32))
    same_twice = b"}(" + plain("a") + TENSOR + b"q\xc8" + plain("b") + b"h\xc8" + plain("c") + b"j\xc8\0\0\0u"
    assert list(read_state_dict(zip_file(tmp_path / "1.pth", pickled(same_twice)))) == ["a", "b", "c"]


def test_every_byte_but_0_is_true(tmp_path):
    program = pickled(table(a=tensor(kind=b"Bool", size=(4,), stride=(1,))))
    found = read_state_dict(zip_file(tmp_path / "1.pth", program, **{"0": bytes([0, 1, 2, 255])}))
    assert same(found["a"], np.array([False, True, True, True]))


def test_files_of_python_2_are_read(tmp_path):
    """Such files have byte strings as names, OrderedDicts made of lists of pairs, views of storages, and old tensors."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def old(view: bytes, size: int) -> bytes:
        place = (
            b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"77") + text(b"cuda:0") + plain(4) + view + b"tQ"
        )
        return b"ctorch._utils\n_rebuild_tensor\n(" + place + plain(0) + plain((size,)) + plain((1,)) + b"tR"

    view = b"(" + text(b"78") + plain(1) + plain(2) + b"t"
    pairs = b"](](" + text(b"caf\xe9") + old(b"N", 4) + b"e](T\x04\0\0\0part" + old(view, 2) + b"ee"
    program = pickled(ORDERED + b"(" + pairs + b"tR" + plain({"_metadata": {}}) + b"b")
    found = read_state_dict(legacy_file(tmp_path / "1.pth", program, keys=["77"]))
    assert list(found) == ["café", "part"]
    np.testing.assert_array_equal(found["café"], [0, 1, 2, 3])
    np.testing.assert_array_equal(found["part"], [1, 2])
    for first, count in [(3, 2), (-1, 2), (1, -1), (0, 5)]:
        outside = pickled(table(a=old(b"(" + text(b"78") + plain(first) + plain(count) + b"t", 2)))
        assert "damaged" in refusal(legacy_file(tmp_path / "2.pth", outside, keys=["77"]))


def test_the_folder_in_a_zip_file_may_have_any_name(tmp_path):
    for name in ("latest_net_G", "a folder/of two.data.pkl", "data"):
        assert list(read_state_dict(zip_file(tmp_path / "1.pth", pickled(table(a=tensor())), name=name))) == ["a"]


ARRAYS = {
    "model.1.weight": np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32),
    "a": np.array([np.nan, -0.0, np.inf, 1e-310]),
    "half": np.float16([[0.1, 65504]]),
    "num_batches_tracked": np.array(2**40),
    "zero": np.zeros((2, 0, 3), np.float32),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "swapped": np.arange(3, dtype=">i4"),
    "grüße 雪": np.array([-1, 1], np.int8),
    "short": np.array([-300], np.int16),
    "bytes": np.array([255], np.uint8),
    "bool": np.array([True, False]),
}


def test_written_files_are_read_bit_for_bit(tmp_path):
    path = tmp_path / "new" / "folders" / "G.pth"
    write_state_dict(path, ARRAYS)
    assert os.listdir(path.parent) == ["G.pth"]
    found = read_state_dict(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert same(found[name], array.astype(array.dtype.newbyteorder("="))), name


def test_written_files_are_read_by_pickle_and_zipfile(tmp_path):
    """Compares with a second reader, which resembles torch.load as closely as possible without PyTorch."""
    path = tmp_path / "G.pth"
    arrays = ARRAYS | {"wide": np.array([0.1, -2], ml_dtypes.bfloat16)}
    write_state_dict(path, arrays)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert (archive.read("archive/version"), archive.read("archive/byteorder")) == (b"3\n", b"little")
        contents = {name: archive.read(name) for name in archive.namelist()}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            functions = {"OrderedDict": dict, "_rebuild_tensor_v2": rebuild}
            return functions.get(name, f"{module}.{name}")

        def persistent_load(self, pid):
            kind, storage, key, location, count = pid
            assert (kind, location) == ("storage", "cpu")
            dtype = np.dtype(DTYPES[storage]).newbyteorder("<") if "BFloat" not in storage else np.dtype("<u2")
            content = contents[f"archive/data/{key}"]
            assert len(content) == count * dtype.itemsize
            return np.frombuffer(content, dtype)

    def rebuild(storage, offset, size, stride, requires_grad, hooks):
        assert (offset, requires_grad, hooks) == (0, False, {})
        assert [step * storage.itemsize for step in stride] == list(np.empty(size, storage.dtype).strides) or 0 in size
        return storage.reshape(size)

    found = Unpickler(io.BytesIO(contents["archive/data.pkl"])).load()
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        little = array.view(np.uint16) if name == "wide" else array.astype(array.dtype.newbyteorder("<"))
        assert same(found[name], little), name
    np.testing.assert_array_equal(read_state_dict(path)["wide"], arrays["wide"].astype(np.float32))


def test_the_same_arrays_make_the_same_bytes(tmp_path):
    write_state_dict(tmp_path / "1.pth", ARRAYS)
    write_state_dict(tmp_path / "other name.pth", {name: array.copy() for name, array in ARRAYS.items()})
    assert (tmp_path / "1.pth").read_bytes() == (tmp_path / "other name.pth").read_bytes()


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "G.pth"
    write_state_dict(path, {"a": np.zeros(3)})
    before, write = path.read_bytes(), zipfile.ZipFile.writestr

    def interrupted(self, info, data):
        if info.filename == "archive/data/0":
            raise KeyboardInterrupt
        write(self, info, data)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_state_dict(path, {"a": np.ones(3)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["G.pth"]


def test_other_dtypes_and_impossible_paths_are_refused(tmp_path):
    (tmp_path / "file").touch()
    for path, array, words in [
        (tmp_path / "1.pth", np.zeros(2, np.complex64), ("cannot hold weight of dtype complex64", "float32")),
        (tmp_path / "1.pth", np.array(["a"]), ("cannot hold weight of dtype <U1",)),
        (tmp_path, np.zeros(2), ("is a folder",)),
        (tmp_path / "file" / "1.pth", np.zeros(2), ("is no folder",)),
        (tmp_path / "file" / "deeper" / "1.pth", np.zeros(2), ("is no folder",)),
    ]:
        with pytest.raises(UserError, match=r"give|convert") as caught:
            write_state_dict(path, {"weight": array})
        assert str(caught.value).startswith(str(path))
        for word in words:
            assert word in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]
