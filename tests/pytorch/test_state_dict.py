"""Files of torch.save: real ones recorded by PyTorch, what is written, and all that is no state_dict or means ill."""

import copy
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from helpers.cases import mostly_slow

from p2p_jax.pytorch import safe_pickle
from p2p_jax.pytorch.state_dict import read_state_dict, write_state_dict

FILES = Path(__file__).parents[1] / "reference" / "files"
RECORDED = sorted(path.stem for path in FILES.glob("*.pth"))
MAGIC, SYSTEM = 0x1950A86A20F9469CFC6C, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}}
ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
FOUR = np.arange(4, dtype="<f4").tobytes()  # a storage


def plain(value) -> bytes:
    """The opcodes that leave a plain value on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(key="0", stored=4, offset=0, size=(2, 2), stride=(2, 1), kind=b"Float", view=b"") -> bytes:
    """The opcodes of a tensor."""
    place = (
        b"("
        + plain("storage")
        + b"ctorch\n"
        + kind
        + b"Storage\n"
        + plain(key)
        + plain("cpu")
        + plain(stored)
        + view
        + b"tQ"
    )
    return REBUILD + b"(" + place + plain(offset) + plain(size) + plain(stride) + b"\x89" + ORDERED + b")RtR"


TENSOR = tensor()


def table(**values: bytes) -> bytes:
    """The opcodes of a dict."""
    return b"}(" + b"".join(plain(name) + value for name, value in values.items()) + b"u"


def zip_file(
    path: Path, program: bytes, *, name="archive", compression=zipfile.ZIP_STORED, order=b"little", **storages
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{name}/data.pkl", program)
        archive.writestr(f"{name}/byteorder", order)
        for key, content in ({"0": FOUR} | storages).items():
            archive.writestr(f"{name}/data/{key}", content)
        archive.writestr(f"{name}/version", b"3\n")
    return path


def legacy_file(path: Path, program: bytes, *, magic=MAGIC, protocol=1001, system=SYSTEM, keys=("0",), counts=(4,)) -> Path:
    head = [pickle.dumps(value, 2) for value in (magic, protocol, system)]
    storages = [struct.pack("<q", count) + FOUR for count in counts]
    path.write_bytes(b"".join([*head, program, pickle.dumps(list(keys), 2), *storages]))
    return path


BOTH = pytest.mark.parametrize("build", [zip_file, legacy_file])


def whole(program: bytes) -> bytes:
    return b"\x80\x02" + program + b"."


def refusal(path: Path) -> str:
    """The sentence with which a file is refused, without the file's name."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (what it says is looked at by the caller)
        read_state_dict(path)
    message = str(caught.value)
    assert caught.type is ValueError
    assert message.startswith(f"{path} ")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    return message.removeprefix(str(path))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(FILES / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("name", RECORDED)
def test_what_pytorch_saved_is_read_bit_for_bit(name, expected):
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


def test_the_recorded_files_hold_what_they_are_there_for():
    assert len(RECORDED) == 15
    assert read_state_dict(FILES / "no_tensors.pth") == {}
    state = read_state_dict(FILES / "zip.pth")
    assert list(state)[-1] == "1.num_batches_tracked"
    assert state["1.num_batches_tracked"].shape == ()
    assert state["1.num_batches_tracked"] == 1
    assert b"_metadata" in (FILES / "legacy.pth").read_bytes()
    kinds = {array.dtype.name for array in read_state_dict(FILES / "kinds.pth").values()}
    assert kinds | {"bfloat16"} == set(safe_pickle.DTYPES.values())


@BOTH
def test_files_made_here_are_read(tmp_path, build):
    program = whole(table(a=tensor(), b=tensor(offset=1, size=(3,), stride=(1,)), c=tensor(size=(2, 2), stride=(1, 2))))
    found = read_state_dict(build(tmp_path / "1.pth", program))
    np.testing.assert_array_equal(found["a"], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(found["b"], [1, 2, 3])
    np.testing.assert_array_equal(found["c"], [[0, 2], [1, 3]])


def test_odd_but_valid_tensors_are_read(tmp_path):
    program = whole(table(thin=tensor(size=(1, 4), stride=(2**62, 1)), none=tensor(offset=2**40, size=(0, 3))))
    found = read_state_dict(zip_file(tmp_path / "1.pth", program))
    np.testing.assert_array_equal(found["thin"], [[0, 1, 2, 3]])
    assert same(found["none"], np.zeros((0, 3), np.float32))
    same_twice = b"}(" + plain("a") + TENSOR + b"q\xc8" + plain("b") + b"h\xc8" + plain("c") + b"j\xc8\0\0\0u"
    assert list(read_state_dict(zip_file(tmp_path / "1.pth", whole(same_twice)))) == ["a", "b", "c"]


def test_every_byte_but_0_is_true(tmp_path):
    program = whole(table(a=tensor(kind=b"Bool", size=(4,), stride=(1,))))
    found = read_state_dict(zip_file(tmp_path / "1.pth", program, **{"0": bytes([0, 1, 2, 255])}))
    assert same(found["a"], np.array([False, True, True, True]))


def test_files_of_python_2_are_read(tmp_path):
    """Byte strings for names, an OrderedDict made of a list of pairs, a view of a storage, tensors of the first version."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def old(view: bytes, size: int) -> bytes:
        place = (
            b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"77") + text(b"cuda:0") + plain(4) + view + b"tQ"
        )
        return b"ctorch._utils\n_rebuild_tensor\n(" + place + plain(0) + plain((size,)) + plain((1,)) + b"tR"

    view = b"(" + text(b"78") + plain(1) + plain(2) + b"t"
    pairs = b"](](" + text(b"caf\xe9") + old(b"N", 4) + b"e](T\x04\0\0\0part" + old(view, 2) + b"ee"
    program = whole(ORDERED + b"(" + pairs + b"tR" + plain({"_metadata": {}}) + b"b")
    found = read_state_dict(legacy_file(tmp_path / "1.pth", program, keys=["77"]))
    assert list(found) == ["café", "part"]
    np.testing.assert_array_equal(found["café"], [0, 1, 2, 3])
    np.testing.assert_array_equal(found["part"], [1, 2])
    for first, count in [(3, 2), (-1, 2), (1, -1), (0, 5)]:
        outside = whole(table(a=old(b"(" + text(b"78") + plain(first) + plain(count) + b"t", 2)))
        assert "damaged" in refusal(legacy_file(tmp_path / "2.pth", outside, keys=["77"]))


def test_any_name_of_the_folder_in_a_zip_file_will_do(tmp_path):
    for name in ("latest_net_G", "a folder/of two.data.pkl", "data"):
        assert list(read_state_dict(zip_file(tmp_path / "1.pth", whole(table(a=tensor())), name=name))) == ["a"]


ARRAYS = {
    "model.1.weight": np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32),
    "a": np.array([np.nan, -0.0, np.inf, 1e-310]),
    "half": np.float16([[0.1, 65504]]),
    "num_batches_tracked": np.array(2**40),
    "zero": np.zeros((2, 0, 3), np.float32),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "swapped": np.arange(3, dtype=">i4"),
    "grüße 雪": np.array([-1, 1], np.int8),
    "short": np.array([-300], np.int16),
    "bytes": np.array([255], np.uint8),
    "bool": np.array([True, False]),
}


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "new" / "folders" / "G.pth"
    write_state_dict(path, ARRAYS)
    assert os.listdir(path.parent) == ["G.pth"]
    found = read_state_dict(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert same(found[name], array.astype(array.dtype.newbyteorder("="))), name


def test_what_is_written_is_what_pickle_and_zipfile_read(tmp_path):
    """A second reader, as close to torch.load as can be had without PyTorch."""
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
            dtype = np.dtype(safe_pickle.DTYPES[storage]).newbyteorder("<") if "BFloat" not in storage else np.dtype("<u2")
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


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
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


def test_what_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path, array, words in [
        (tmp_path / "1.pth", np.zeros(2, np.complex64), ("cannot hold weight of dtype complex64", "float32")),
        (tmp_path / "1.pth", np.array(["a"]), ("cannot hold weight of dtype <U1",)),
        (tmp_path, np.zeros(2), ("is a folder",)),
        (tmp_path / "file" / "1.pth", np.zeros(2), ("is no folder",)),
        (tmp_path / "file" / "deeper" / "1.pth", np.zeros(2), ("is no folder",)),
    ]:
        with pytest.raises(ValueError, match=r"give|convert") as caught:
            write_state_dict(path, {"weight": array})
        assert str(caught.value).startswith(str(path))
        for word in words:
            assert word in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


class Evil:
    """Unpickled, it calls a function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def evil_programs(marker: str) -> dict[str, tuple[bytes, str]]:
    """Pickles that make a folder when they are unpickled, and the name by which each must be refused."""
    make, code = plain(marker), f"__import__('os').mkdir({marker!r})"
    trick = ORDERED + b")R" + b"}" + plain("__setstate__") + b"cos\nmkdir\nsb" + make + b"b"
    return {
        "os.system": (pickle.dumps({"a": Evil(os.system, f"mkdir {marker}")}, 2), f"{os.name}.system"),
        "os.system in protocol 4": (pickle.dumps({"a": Evil(os.system, f"mkdir {marker}")}, 4), f"{os.name}.system"),
        "mkdir in protocol 5": (pickle.dumps(Evil(os.mkdir, marker), 5), f"{os.name}.mkdir"),
        "eval": (pickle.dumps({"a": Evil(eval, code)}, 2), "__builtin__.eval"),
        "eval in protocol 4": (pickle.dumps({"a": Evil(eval, code)}, 4), "builtins.eval"),
        "exec in a tuple": (pickle.dumps({"a": (1, [Evil(exec, code)])}, 3), "builtins.exec"),
        "REDUCE by hand": (whole(b"cos\nmkdir\n" + make + b"\x85R"), "os.mkdir"),
        "STACK_GLOBAL by hand": (b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + make + b"\x85R.", "os.mkdir"),
        "INST": (whole(b"(" + make + b"ios\nmkdir\n"), "os.mkdir"),
        "OBJ": (whole(b"(cos\nmkdir\n" + make + b"o"), "os.mkdir"),
        "BUILD": (whole(trick), "os.mkdir"),
        "in the metadata": (whole(ORDERED + b")R}" + plain("_metadata") + b"cos\nmkdir\n" + make + b"\x85Rsb"), "os.mkdir"),
        "a dotted name": (b"\x80\x04\x8c\x07pathlib\x8c\x08os.mkdir\x93" + make + b"\x85R.", "pathlib.os.mkdir"),
    }


EVIL = list(evil_programs(""))


@pytest.mark.parametrize("case", EVIL)
def test_evil_pickles_do_what_they_are_said_to(tmp_path, case):
    """So that the next test has something to find."""
    pickle.loads(evil_programs(str(tmp_path / "marker"))[case][0])
    assert (tmp_path / "marker").is_dir()


@BOTH
@pytest.mark.parametrize("case", EVIL)
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, case, build):
    program, name = evil_programs(str(tmp_path / "marker"))[case]
    said = refusal(build(tmp_path / "evil.pth", program))
    assert f" asks for {name}, which is not needed for tensors: it was not run; save net.state_dict()" in said
    assert os.listdir(tmp_path) == ["evil.pth"]


@pytest.mark.parametrize("place", range(5))
def test_none_of_the_pickles_of_a_legacy_file_is_run(tmp_path, place):
    pickles = [pickle.dumps(value, 2) for value in (MAGIC, 1001, SYSTEM, {}, [])]
    pickles[place] = pickle.dumps(Evil(os.mkdir, str(tmp_path / "marker")), 2)
    (tmp_path / "evil.pth").write_bytes(b"".join(pickles))
    assert f"asks for {os.name}.mkdir" in refusal(tmp_path / "evil.pth")
    assert os.listdir(tmp_path) == ["evil.pth"]


@BOTH
@pytest.mark.parametrize(
    ("program", "named"),
    [
        (ORDERED + b")\x81", "the pickle opcode NEWOBJ"),
        (ORDERED + b")}\x92", "the pickle opcode NEWOBJ_EX"),
        (b"(" + ORDERED + b"o", "the pickle opcode OBJ"),
        (b"(icollections\nOrderedDict\n", "collections.OrderedDict"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n}b", "the pickle opcode BUILD"),
        (tensor() + plain({"data": 1}) + b"b", "the pickle opcode BUILD"),
        (b"\x82\x01", "the pickle opcode EXT1"),
        (b"P0\n", "the pickle opcode PERSID"),
        (b"\x8f", "the pickle opcode EMPTY_SET"),
        (b"}2", "the pickle opcode DUP"),
        (b"\x97", "the pickle opcode NEXT_BUFFER"),
        (b"ctorch\nFloatStorage\n" + plain((10**9,)) + b"R", "torch.FloatStorage of 1 arguments"),
        (ORDERED + plain((1, 2, 3)) + b"R", "collections.OrderedDict of 3 arguments"),
        (b"ctorch\nComplexFloatStorage\n", "torch.ComplexFloatStorage"),
        (b"ccollections\nOrderedDict.fromkeys\n", "collections.OrderedDict.fromkeys"),
        (b"cmodels.networks\nUnetGenerator\n)\x81", "models.networks.UnetGenerator"),
        (b"c" + b"long" * 1000 + b"\nname\n", "longlong"),
        (b"\x8c\x05a\nb\x1b[\x8c\x02\xc3\xa9\x93", "a\\nb\\x1b[.\\xe9,"),
    ],
)
def test_what_tensors_do_not_need_is_refused_by_name(tmp_path, build, program, named):
    said = refusal(build(tmp_path / "1.pth", whole(program)))
    assert f" asks for {named}" in said
    assert "it was not run; save net.state_dict() with torch.save and give that file." in said


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
def test_other_things_than_tensors_by_name_are_named(tmp_path, build, program, words):
    assert words in refusal(build(tmp_path / "1.pth", whole(program)))


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
def test_a_tensor_that_its_storage_cannot_hold_is_refused(tmp_path, build, options):
    path = build(tmp_path / "1.pth", whole(table(weight=tensor(**options))))
    said = refusal(path)
    assert "damaged" in said
    if path.read_bytes()[:2] == b"PK" and options.get("key") != 0 and options.get("stored", 0) >= 0:
        assert "its tensor weight" in said


@BOTH
def test_the_same_numbers_over_and_over_do_not_fill_the_memory(tmp_path, build):
    names = {f"w{i}": tensor(stored=100_000, size=(100_000,), stride=(1,)) for i in range(20)}
    content = bytes(400_000)
    if build is zip_file:
        path = zip_file(tmp_path / "1.pth", whole(table(**names)), **{"0": content})
    else:
        path = legacy_file(tmp_path / "1.pth", whole(table(**names)), counts=[100_000])
        path.write_bytes(path.read_bytes()[: -len(FOUR)] + content)
    assert "repeats its numbers until they take over 16 times its size" in refusal(path)


def test_names_that_take_forever_to_hash_are_refused(tmp_path):
    program = b")" + b"q\0h\0\x86" * 20
    for rest in (b"}" + program + b"Ns", b"}(" + program + b"Nu", ORDERED + b"](](" + program + b"Nee\x85R"):
        assert "damaged" in refusal(zip_file(tmp_path / "1.pth", whole(rest)))


def test_endless_pickles_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "MAX_OPCODES", 1000)
    assert "over 1000 opcodes" in refusal(zip_file(tmp_path / "1.pth", whole(b"(" * 2000)))


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
def test_foreign_files_are_refused(tmp_path, content, words):
    (tmp_path / "1.pth").write_bytes(content)
    assert words in refusal(tmp_path / "1.pth")


def test_what_is_no_file_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "is a folder" in refusal(tmp_path)


def test_unreadable_files_are_refused(tmp_path, monkeypatch):
    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "1.pth").write_bytes(b"PK")
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read (permission denied)" in refusal(tmp_path / "1.pth")


def test_foreign_zip_files_are_refused(tmp_path):
    path = tmp_path / "1.pth"
    np.savez(tmp_path / "1.npz", a=np.zeros(3))
    (tmp_path / "1.npz").rename(path)
    assert "is a zip file, but not one of torch.save" in refusal(path)
    assert "compressed or encrypted" in refusal(zip_file(path, whole(table(a=TENSOR)), compression=zipfile.ZIP_DEFLATED))
    assert "big-endian" in refusal(zip_file(path, whole(table(a=TENSOR)), order=b"big"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", whole(b"}"))
        archive.writestr("b/data.pkl", whole(b"}"))
    assert "is a zip file, but not one of torch.save" in refusal(path)


@pytest.mark.parametrize("size", [0, 1000])
def test_zip_entries_that_lie_over_each_other_are_refused(tmp_path, size):
    path = tmp_path / "1.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", whole(b"}"))
        archive.writestr("archive/data/0", bytes(1000))
        for i in range(100):
            entry = copy.copy(archive.filelist[1])
            entry.filename, entry.compress_size = f"archive/data/{i + 1}", size
            archive.filelist.append(entry)
    assert "is cut off or damaged" in refusal(path)


def test_other_legacy_headers_are_refused(tmp_path):
    path, program = tmp_path / "1.pth", whole(table(a=TENSOR))
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


@BOTH
@pytest.mark.parametrize(
    "program",
    [
        b"}(" + plain("a") + b"u",  # half a pair
        b"}" + plain("a") + b"s",
        b"N" + plain("a") + b"Ns",
        b"Nu",
        b"t",
        b"h\x05",
        b"N" + plain(1) + b"a",
        b"NQ",
        plain((1, 2, 3)) + b"Q",
        b"N)R",
        ORDERED + b"]R",
        REBUILD + b"(N" + plain(0) + plain(()) + plain(()) + b"\x89NtR",
        b"ctorch._utils\n_rebuild_parameter\n" + plain((1, True, None)) + b"R",
        b"\x93",
    ],
)
def test_pickles_that_do_not_add_up_are_damaged(tmp_path, build, program):
    assert "is cut off or damaged" in refusal(build(tmp_path / "1.pth", whole(program)))


def read_or_refuse(path: Path) -> bool:
    try:
        return isinstance(read_state_dict(path), dict)
    except ValueError:
        refusal(path)
        return False


@pytest.mark.parametrize(
    "name", mostly_slow(["zip", "zip's pickle", "protocol4's pickle", "legacy", "kinds_legacy", "shared_legacy"], keep=2)
)
def test_damaged_bytes_make_a_sentence_or_a_dict(tmp_path, name):
    """Nothing else, at once, and in little memory; a pickle within a zip file gets the right CRC again."""
    source, within, _ = name.partition("'s ")
    content, random, path = (FILES / f"{source}.pth").read_bytes(), np.random.default_rng(0), tmp_path / "1.pth"
    with zipfile.ZipFile(FILES / "zip.pth") as archive:
        storages = {entry[9:]: archive.read(entry) for entry in archive.namelist() if entry.startswith("zip/data/")}
    if within:
        with zipfile.ZipFile(FILES / f"{source}.pth") as archive:
            content = archive.read(f"{source}/data.pkl")
    whole_ones, start = 0, time.monotonic()
    tracemalloc.start()
    for _ in range(250):
        damaged = bytearray(content)
        for place in random.integers(len(content), size=random.integers(1, 4)):
            damaged[place] = random.integers(256)
        if within:
            zip_file(path, bytes(damaged), **storages)
        else:
            path.write_bytes(damaged)
        whole_ones += read_or_refuse(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < whole_ones < 250
    assert peak < 20e6
    assert time.monotonic() - start < 60


def crafted(path: Path, program: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    return path


PAIRS = b"\x80\x02]q\x00(" + b"".join(b"J" + struct.pack("<i", i) + b"N\x86" for i in range(20_000)) + b"e"
PRIME = 2**61 - 1  # of which all multiples have the same hash


@pytest.mark.parametrize(
    "program",
    [
        # one long list made into thousands of dicts; keys that all collide; a number of millions of bits as a key
        PAIRS + b"ccollections\nOrderedDict\nq\x01(" + b"h\x01h\x00\x85R" * 20_000 + b"t.",
        b"\x80\x02}(" + b"".join(b"\x8a\x0c" + (PRIME * i).to_bytes(12, "little") + b"N" for i in range(1, 60_000)) + b"u.",
        b"\x80\x02\x8b" + struct.pack("<i", 4_000_000) + b"\x11" * 4_000_000 + b"q\x00}(" + b"h\x00N" * 10_000 + b"u.",
    ],
    ids=["repeated", "colliding", "long"],
)
def test_a_small_file_cannot_take_much_time_or_memory(tmp_path, program):
    path = crafted(tmp_path / "x.pth", program)
    started = time.process_time()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"x\.pth"):
        read_state_dict(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100e6
    assert time.process_time() - started < 10
