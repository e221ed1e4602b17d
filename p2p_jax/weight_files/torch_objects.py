"""The objects in the pickles of torch.save: storages and tensors, and the few functions that make them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

DTYPES = {
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
"""The dtype of each class of storages."""

FUNCTIONS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
}
"""The functions that a pickle of tensors may name."""

ADVICE = "save net.state_dict() with torch.save and give that file"

DAMAGED = "is cut off or damaged: download it or save it again"

Arrays = Mapping[str, np.ndarray]
"""The arrays of a state_dict by their names."""


class Refused(Exception):
    """A file cannot be read. The message is the rest of a sentence that begins with the file's name."""


class Malformed(Exception):
    """A pickle does not have the form that torch.save writes."""


class Global(NamedTuple):
    """A class or a function that a pickle names. It is never imported."""

    name: str


class Storage(NamedTuple):
    """Numbers of one dtype in a file.

    Attributes:
        key: under which the file holds them.
        dtype: of the numbers.
        stored: how many numbers the file holds under the key.
        first, count: the storage is a view of `count` of them, beginning with number `first`.
    """

    key: str
    dtype: str
    stored: int
    first: int
    count: int

    @property
    def file_dtype(self) -> np.dtype:
        """The dtype of NumPy with which the numbers are read from the file."""
        return np.dtype({"bfloat16": "uint16", "bool": "uint8"}.get(self.dtype, self.dtype)).newbyteorder("<")


class Tensor(NamedTuple):
    """The description of a tensor in a file. Its values are not checked yet."""

    storage: Storage
    offset: Any
    size: Any
    stride: Any


def expect(wanted: type, value: Any) -> Any:
    """Returns `value` if its type is exactly `wanted`.

    Raises:
        Malformed: the value is of another type.
    """
    if type(value) is not wanted:
        raise Malformed
    return value


def update(target: dict[Any, Any], pairs: Iterable[Any]) -> dict[Any, Any]:
    """Adds pairs of key and value to a dict, and returns it.

    Raises:
        Malformed: a key is neither a string nor a small integer.
    """
    for key, value in pairs:
        # Other keys could take forever: nested tuples to hash, or many numbers with the same hash.
        if type(key) is not str and (type(key) is not int or abs(key) >= 2**60):
            raise Malformed
        target[key] = value
    return target


def make_storage(description: tuple[Any, ...]) -> Storage:
    """Makes a storage from its description: "storage", class, key, device, size, and optionally a view (key, first, size).

    Raises:
        Malformed: the description is not that of a storage.
    """
    if len(description) not in (5, 6) or description[0] != "storage":
        raise Malformed
    _, storage, key, _, stored = description[:5]
    view: Any = description[5] if len(description) == 6 else None
    if view is not None and (type(view) is not tuple or len(view) != 3):
        raise Malformed
    _, first, count = (None, 0, stored) if view is None else view
    if any(type(number) is not int or number < 0 for number in (stored, first, count)) or first + count > stored:
        raise Malformed
    if expect(Global, storage).name not in DTYPES:
        raise Malformed
    return Storage(expect(str, key), DTYPES[storage.name], stored, first, count)


def call(function: str, arguments: tuple[Any, ...]) -> Any:
    """Computes the result of one of `FUNCTIONS` without calling it.

    Raises:
        Malformed: an argument is of the wrong type.
        Refused: the function does not accept this number of arguments, or the name is that of a class of storages.
    """
    match function.rpartition(".")[2], arguments:
        case "OrderedDict", ():
            return {}
        case "OrderedDict", (pairs,):
            items = list(expect(list, pairs))
            pairs.clear()  # a pickle may pass one list many times; only the first call reads its items
            if any(type(item) not in (tuple, list) or len(item) != 2 for item in items):
                raise Malformed
            return update({}, items)
        case ("_rebuild_tensor", (storage, offset, size, stride)) | (
            "_rebuild_tensor_v2",
            (storage, offset, size, stride, _, _),
        ):
            return Tensor(expect(Storage, storage), offset, size, stride)
        case "_rebuild_parameter", (tensor, _, _):
            return expect(Tensor, tensor)
    raise Refused(unneeded(f"{function} of {len(arguments)} arguments"))


def unneeded(name: str, things: str = "tensors", advice: str = ADVICE) -> str:
    """Returns the rest of the sentence that refuses a name or an opcode in a file of `things`."""
    return f"asks for {show(name)}, which is not needed for {things}: it was not run; {advice}"


def show(name: Any) -> str:
    """Returns the first 80 characters of a name from the file as printable text, with control characters escaped."""
    return name[:80].encode("unicode_escape").decode() if type(name) is str else f"a key of type {type_name(name)}"


def type_name(value: Any) -> str:
    """Returns the type of a value from the file, for messages."""
    return type(value).__name__.strip("_").lower()
