"""Files in the formats of torch.save, written opcode by opcode."""

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from p2p_jax.errors import UserError
from p2p_jax.weight_files.state_dict import read_state_dict

FILES = Path(__file__).parents[1] / "reference" / "files"
MAGIC, SYSTEM = 0x1950A86A20F9469CFC6C, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}}
ORDERED = b"ccollections\nOrderedDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
FOUR = np.arange(4, dtype="<f4").tobytes()  # the content of a storage


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
"""Runs a test on both formats."""


def pickled(program: bytes) -> bytes:
    """A pickle of protocol 2 from its opcodes."""
    return b"\x80\x02" + program + b"."


def refusal(path: Path) -> str:
    """The sentence with which a file is refused, without the file's name."""
    with pytest.raises(UserError) as caught:
        read_state_dict(path)
    message = str(caught.value)
    assert message.startswith(f"{path} ")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    return message.removeprefix(str(path))


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
