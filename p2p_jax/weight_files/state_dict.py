"""Reads and writes state_dicts (tensors by name) in the format of PyTorch's torch.save, without PyTorch.

The pickle in a file is never run, see `safe_pickle`.
"""

import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.files.writing import atomic_file
from p2p_jax.limits.budget import OverBudget
from p2p_jax.limits.zip_members import check_zip
from p2p_jax.weight_files.safe_pickle import unpickle
from p2p_jax.weight_files.torch_objects import ADVICE, DAMAGED, DTYPES, Refused, Tensor, show, type_name

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""The first two values in a file of the legacy format (PyTorch before 1.6)."""

MAX_EXPANSION = 16
"""Limit on the memory for the tensors, as a multiple of the file's size. Tensors may share storages, but not this often."""

LARGE, LARGE_EXPANSION = 2**30, 4
"""Tensors that need more bytes than this may need only so many times the file's size."""

COMPRESSED = "is a compressed or encrypted zip file, which torch.save never writes: unpack it, or save it again"

ENDIAN = "was saved on a big-endian machine, which is not supported: load it in PyTorch and save it on another machine"

Places = dict[str, tuple[int, int]]
"""{key of a storage: (first byte in the file, number of bytes)}."""


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a bare state_dict in either of torch.save's formats: zip, and the legacy one of PyTorch before 1.6.

    Nothing in the file is executed.

    Args:
        path: the file.

    Returns:
        the tensors by name, in the file's order, contiguous, without shared memory, with the dtypes of the file. NumPy
        lacks bfloat16, which becomes float32 of the same value.

    Raises:
        UserError: the file cannot be read, is damaged, was not written by torch.save, asks for more than tensors need, or
            does not hold tensors by name.

    Example:
        >>> import p2p_jax
        >>> arrays = p2p_jax.read_state_dict("latest_net_G.pth")
        >>> arrays["model.1.weight"].shape
        (2, 3, 7, 7)
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise Refused("is a folder: give the file that torch.save wrote")
        if not path.exists():
            raise Refused("does not exist: give the file that torch.save wrote")
        if not path.stat().st_size:
            raise Refused("is empty: download it or save it again")
        with path.open("rb") as file:
            return _read(file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except Refused as refused:
        raise UserError(f"{path} {refused}.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path} cannot be read ({reason}): give a file that you may read.") from None


def write_state_dict(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file that `torch.load(path, weights_only=True)` reads as an OrderedDict of the same tensors, bit for bit.

    Equal arrays produce equal bytes. The write is atomic: after an error the old file, if there was one, is unchanged.

    Args:
        path: of the file, which is replaced if it exists; its folder is made if necessary.
        arrays: by name, of any shape; float16, 32 or 64, bfloat16, int8, 16, 32 or 64, uint8 or bool.

    Raises:
        UserError: an array has another dtype, or the path is a folder or lies inside a file.

    Example:
        >>> import numpy as np
        >>> import p2p_jax
        >>> p2p_jax.write_state_dict("weights.pth", {"bias": np.zeros(2, np.float32)})
        >>> p2p_jax.read_state_dict("weights.pth")
        {'bias': array([0., 0.], dtype=float32)}
    """
    path = Path(path)
    entries = _make_entries(path, arrays)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the name of a file to write.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path} cannot be written, because {path.parent} is no folder: give another name.") from None
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo("archive/" + name)  # its date is always 1980, so that equal arrays produce equal bytes
            info.create_system = 3
            archive.writestr(info, content)


def _make_entries(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns the contents of the zip file's entries, by their names: the pickle, the storages and two constants."""
    storages = {dtype: name.replace(".", "\n") for name, dtype in DTYPES.items()}
    empty = b"ccollections\nOrderedDict\n)R"
    program, contents = [b"\x80\x02", empty, b"("], []
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.name not in storages:
            raise UserError(f"{path} cannot hold {name} of dtype {array.dtype}: convert it, for example to float32.")
        strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
        program += [_text(name), b"ctorch._utils\n_rebuild_tensor_v2\n((", _text("storage")]
        program += [f"c{storages[array.dtype.name]}\n".encode(), _text(str(len(contents))), _text("cpu")]
        program += [_integer(array.size), b"tQ", _integer(0), b"(", *map(_integer, array.shape), b"t("]
        program += [*map(_integer, strides), b"t\x89", empty, b"tR"]
        if array.dtype.name != "bfloat16":
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        contents.append(array.reshape(-1).view(np.uint8).data)
    entries = {"data.pkl": b"".join([*program, b"u."]), "byteorder": b"little", "version": b"3\n"}
    return entries | {f"data/{key}": content for key, content in enumerate(contents)}


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(number: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", number)


def _read(file: BinaryIO, data: mmap.mmap) -> dict[str, np.ndarray]:
    if b"PK\3\4".startswith(data[:4]):
        value, places = _read_zip(file, data)
    elif data[0] == 0x80:
        value, places = _read_legacy(data)
    elif data[257:262] == b"ustar":
        raise Refused("is a tar file, as PyTorch before 0.1.10 wrote: load it in PyTorch and save its state_dict again")
    elif data[8:9] == b"{":
        raise Refused("is a safetensors file: load it with safetensors.torch.load_file and save the result with torch.save")
    else:
        raise Refused("is not a file of torch.save, perhaps a failed download: give the file of a state_dict")
    needed = 0
    for name, tensor in value.items():
        _check_tensor(name, tensor, places)
        needed += math.prod(tensor.size) * (4 if tensor.storage.dtype == "bfloat16" else tensor.storage.file_dtype.itemsize)
    limit = min(MAX_EXPANSION * len(data), max(LARGE, LARGE_EXPANSION * len(data)))
    if needed > limit:
        raise Refused(f"holds tensors that need over {limit // len(data)} times the file's size in memory: {ADVICE}")
    return {name: _array(tensor, data, places) for name, tensor in value.items()}


def _read_zip(file: BinaryIO, data: mmap.mmap) -> tuple[Any, Places]:
    try:
        check_zip(file, len(data))
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except OverBudget as error:
        raise Refused(f"{error}, far more than tensors need: {ADVICE}") from None
    except Exception:  # a damaged directory makes zipfile raise many types of errors
        raise Refused(DAMAGED) from None
    folders = {entry.filename[:-8] for entry in entries if f"/{entry.filename}".endswith("/data.pkl")}
    if len(folders) != 1:
        raise Refused(f"is a zip file, but not one of torch.save, which has a data.pkl: {ADVICE}")
    if sum(entry.compress_size for entry in entries) > len(data):  # overlapping entries, whose check could take forever
        raise Refused(DAMAGED)
    folder = folders.pop()
    found = {entry.filename.removeprefix(folder): _find_entry(entry, data) for entry in entries}
    start, size = found.get("byteorder", (0, 0))
    if size and data[start : start + size] != b"little":
        raise Refused(ENDIAN)
    start, size = found["data.pkl"]
    value, _ = unpickle(data[start : start + size])
    _check_names(value)
    return value, {name[5:]: place for name, place in found.items() if name.startswith("data/")}


def _find_entry(entry: zipfile.ZipInfo, data: mmap.mmap) -> tuple[int, int]:
    """Checks the bytes of an entry against their CRC; returns (first byte in the file, number of bytes)."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise Refused(COMPRESSED)
    start, size = entry.header_offset, entry.file_size
    if size != entry.compress_size or not 0 <= start <= len(data) - 30 or data[start : start + 4] != b"PK\3\4":
        raise Refused(DAMAGED)
    start += 30 + sum(struct.unpack_from("<HH", data, start + 26))
    if start + size > len(data) or entry.CRC not in (0, zlib.crc32(memoryview(data)[start : start + size])):
        raise Refused(DAMAGED)  # a CRC of 0 means that PyTorch did not compute one
    return start, size


def _read_legacy(data: mmap.mmap) -> tuple[Any, Places]:
    """Reads the legacy format: five pickles, then the storages, each after its number of elements."""
    magic, _ = unpickle(data)
    if type(magic) is not int or magic != MAGIC:
        raise Refused(f"is a pickle, but not one of torch.save: {ADVICE}")
    if unpickle(data)[0] != PROTOCOL:
        raise Refused(f"has another protocol version than {PROTOCOL}, which is the only one supported: {ADVICE}")
    system, _ = unpickle(data)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise Refused(ENDIAN)
    value, storages = unpickle(data)
    _check_names(value)
    keys, _ = unpickle(data)
    start, places = data.tell(), {}
    for key in keys if type(keys) is list else [None]:
        if type(key) is not str or key not in storages or start + 8 > len(data):
            raise Refused(DAMAGED)
        (count,) = struct.unpack_from("<q", data, start)
        places[key] = (start + 8, count * storages[key].file_dtype.itemsize)
        start = sum(places[key])
        if count < 0 or start > len(data):
            raise Refused(DAMAGED)
    return value, places


def _check_names(value: Any) -> None:
    """Refuses a value that is not a dict of tensors by name."""
    wanted = "where a bare state_dict, tensors by name, is expected"
    if type(value) is not dict:
        raise Refused(f"holds one value of type {type_name(value)}, {wanted}: {ADVICE}")
    wrong = [name for name, item in value.items() if type(name) is not str or type(item) is not Tensor]
    if wrong:
        held = ", ".join(map(show, list(value)[:6])) + (f" and {len(value) - 6} more" if len(value) > 6 else "")
        parts = [name for name in wrong if type(value[name]) is dict and Tensor in map(type, value[name].values())]
        advice = f"save the part {show(parts[0])} alone with torch.save and give that file" if parts else ADVICE
        found = type_name(value[wrong[0]])
        raise Refused(f"holds {held}, of which {show(wrong[0])} is of type {found}, {wanted}: {advice}")


def _check_tensor(name: str, tensor: Tensor, places: Places) -> None:
    """Refuses a tensor that extends beyond its storage, or whose storage is not in the file."""
    storage, offset, size, stride = tensor
    sides = (offset, *size, *stride) if type(size) is type(stride) is tuple else (None,)
    if any(type(side) is not int or not 0 <= side < 2**63 for side in sides) or not len(size) == len(stride) <= 64:
        raise Refused(f"is damaged: its tensor {show(name)} has an impossible size; download it or save it again")
    count, area = math.prod(size), math.prod(max(side, 1) for side in size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True)) if count else 0
    in_file = places.get(storage.key, (0, -1))[1] == storage.stored * storage.file_dtype.itemsize
    if not in_file or count > storage.count or (count and last >= storage.count) or area >= 2**58:
        raise Refused(f"is damaged: its tensor {show(name)} needs numbers that are missing; download it or save it again")


def _array(tensor: Tensor, data: mmap.mmap, places: Places) -> np.ndarray:
    storage, offset, size, stride = tensor
    dtype, is_bfloat16 = storage.file_dtype, storage.dtype == "bfloat16"
    if 0 in size:
        return np.empty(size, np.float32 if is_bfloat16 else storage.dtype)
    start = places[storage.key][0] + (storage.first + offset) * dtype.itemsize
    steps = [step * dtype.itemsize if side > 1 else 0 for side, step in zip(size, stride, strict=True)]
    array = np.ndarray(size, dtype, data, start, steps)
    if is_bfloat16:
        return np.asarray(array.astype(np.uint32, order="C") << 16).view(np.float32)
    return array.astype(storage.dtype, order="C")
