"""Pickles: nothing in them is run, and what tensors do not need is refused by name."""

import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from helpers.torch_files import BOTH, MAGIC, ORDERED, REBUILD, SYSTEM, pickled, plain, refusal, tensor, zip_file

from p2p_jax.errors import UserError
from p2p_jax.weight_files import safe_pickle
from p2p_jax.weight_files.state_dict import read_state_dict


class Malicious:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def malicious_programs(marker: str) -> dict[str, tuple[bytes, str]]:
    """Pickles that make a folder when they are unpickled, and the name with which each is refused."""
    make, code = plain(marker), f"__import__('os').mkdir({marker!r})"
    trick = ORDERED + b")R" + b"}" + plain("__setstate__") + b"cos\nmkdir\nsb" + make + b"b"
    return {
        "os.system": (pickle.dumps({"a": Malicious(os.system, f"mkdir {marker}")}, 2), f"{os.name}.system"),
        "os.system in protocol 4": (pickle.dumps({"a": Malicious(os.system, f"mkdir {marker}")}, 4), f"{os.name}.system"),
        "mkdir in protocol 5": (pickle.dumps(Malicious(os.mkdir, marker), 5), f"{os.name}.mkdir"),
        "eval": (pickle.dumps({"a": Malicious(eval, code)}, 2), "__builtin__.eval"),
        "eval in protocol 4": (pickle.dumps({"a": Malicious(eval, code)}, 4), "builtins.eval"),
        "exec in a tuple": (pickle.dumps({"a": (1, [Malicious(exec, code)])}, 3), "builtins.exec"),
        "REDUCE by hand": (pickled(b"cos\nmkdir\n" + make + b"\x85R"), "os.mkdir"),
        "STACK_GLOBAL by hand": (b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + make + b"\x85R.", "os.mkdir"),
        "INST": (pickled(b"(" + make + b"ios\nmkdir\n"), "os.mkdir"),
        "OBJ": (pickled(b"(cos\nmkdir\n" + make + b"o"), "os.mkdir"),
        "BUILD": (pickled(trick), "os.mkdir"),
        "in the metadata": (
            pickled(ORDERED + b")R}" + plain("_metadata") + b"cos\nmkdir\n" + make + b"\x85Rsb"),
            "os.mkdir",
        ),
        "a dotted name": (b"\x80\x04\x8c\x07pathlib\x8c\x08os.mkdir\x93" + make + b"\x85R.", "pathlib.os.mkdir"),
    }


MALICIOUS = list(malicious_programs(""))


@pytest.mark.parametrize("case", MALICIOUS)
def test_the_malicious_pickles_work_in_pythons_unpickler(tmp_path, case):
    """Makes sure that the next test would notice a pickle that is run."""
    pickle.loads(malicious_programs(str(tmp_path / "marker"))[case][0])
    assert (tmp_path / "marker").is_dir()


@BOTH
@pytest.mark.parametrize("case", MALICIOUS)
def test_no_function_of_a_pickle_is_run(tmp_path, case, build):
    program, name = malicious_programs(str(tmp_path / "marker"))[case]
    said = refusal(build(tmp_path / "malicious.pth", program))
    assert f" asks for {name}, which is not needed for tensors: it was not run; save net.state_dict()" in said
    assert os.listdir(tmp_path) == ["malicious.pth"]


@pytest.mark.parametrize("place", range(5))
def test_none_of_the_pickles_of_a_legacy_file_is_run(tmp_path, place):
    pickles = [pickle.dumps(value, 2) for value in (MAGIC, 1001, SYSTEM, {}, [])]
    pickles[place] = pickle.dumps(Malicious(os.mkdir, str(tmp_path / "marker")), 2)
    (tmp_path / "malicious.pth").write_bytes(b"".join(pickles))
    assert f"asks for {os.name}.mkdir" in refusal(tmp_path / "malicious.pth")
    assert os.listdir(tmp_path) == ["malicious.pth"]


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
def test_names_and_opcodes_that_tensors_do_not_need_are_refused(tmp_path, build, program, named):
    said = refusal(build(tmp_path / "1.pth", pickled(program)))
    assert f" asks for {named}" in said
    assert "it was not run; save net.state_dict() with torch.save and give that file." in said


def test_keys_that_take_forever_to_hash_are_refused(tmp_path):
    program = b")" + b"q\0h\0\x86" * 20
    for rest in (b"}" + program + b"Ns", b"}(" + program + b"Nu", ORDERED + b"](](" + program + b"Nee\x85R"):
        assert "damaged" in refusal(zip_file(tmp_path / "1.pth", pickled(rest)))


def test_long_pickles_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "MAX_OPCODES", 1000)
    assert "over 1000 opcodes" in refusal(zip_file(tmp_path / "1.pth", pickled(b"(" * 2000)))


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
def test_malformed_pickles_are_damaged(tmp_path, build, program):
    assert "is cut off or damaged" in refusal(build(tmp_path / "1.pth", pickled(program)))


def crafted(path: Path, program: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    return path


PAIRS = b"\x80\x02]q\x00(" + b"".join(b"J" + struct.pack("<i", i) + b"N\x86" for i in range(20_000)) + b"e"
PRIME = 2**61 - 1  # of which all multiples have the same hash


@pytest.mark.slow
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
    with pytest.raises(UserError, match=r"x\.pth"):
        read_state_dict(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100e6
    assert time.process_time() - started < 10
