"""The pickles inside torch.save's files, read without running them.

A pickle is a program, so none is ever run: its opcodes go through a small stack machine that knows plain values, dicts and
tensors, and in which a function that the file names is nothing but that name. Only what tensors need is followed.
"""

import itertools
import pickletools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from p2p_jax.errors import UserError

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


FUNCTIONS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
}


NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}


TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
TEXTS |= {"BINSTRING", "SHORT_BINSTRING"}  # of Python 2, decoded as latin-1


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


ARITY = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}  # off the stack


MAX_OPCODES = 2_000_000  # some forty a tensor: a few million could fill the memory


MAX_BITS = 128  # of a whole number; the longest in such a file is the magic number, of 80


ADVICE = "save net.state_dict() with torch.save and give that file"


DAMAGED = "is cut off or damaged: download it or save it again"


class Refused(Exception):
    """The message is the rest of a sentence that begins with the file's name."""


class _Global(NamedTuple):
    name: str


class Storage(NamedTuple):
    """Numbers in the file, of one dtype, under a key."""

    key: str
    dtype: str
    stored: int  # how many numbers the file holds under the key
    first: int  # the storage may be a view of them, from the first ...
    count: int  # ... that many

    @property
    def kept(self) -> np.dtype:
        """As it lies in the file."""
        return np.dtype({"bfloat16": "uint16", "bool": "uint8"}.get(self.dtype, self.dtype)).newbyteorder("<")


class Tensor(NamedTuple):
    """What the file says of a tensor; nothing of it is checked yet."""

    storage: Storage
    offset: Any
    size: Any
    stride: Any


def unpickle(source: Any) -> tuple[Any, dict[str, Storage]]:
    """The value of the pickle that begins where `source` stands, and the storages it names."""
    storages: dict[str, Storage] = {}
    try:
        return _interpret(source, storages), storages
    # Cut off, no opcode, an empty stack, values that do not fit; genops warns of some, and tests make that an error.
    except (ValueError, LookupError, TypeError, MemoryError, Warning):
        raise Refused(DAMAGED) from None


def _interpret(source: Any, storages: dict[str, Storage]) -> Any:
    stack: list[Any] = []
    below: list[list[Any]] = []  # a stack for each open mark
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in itertools.islice(pickletools.genops(source), MAX_OPCODES):
        name = opcode.name
        if name in NUMBERS or name in TEXTS:
            if type(argument) is int and argument.bit_length() > MAX_BITS:
                raise Refused(DAMAGED)
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            below.append(stack)
            stack = []
        elif name in ARITY or name in ("TUPLE", "APPENDS", "SETITEMS"):
            if name in ARITY:
                items = [stack.pop() for _ in range(ARITY[name])][::-1]
            else:
                items, stack = stack, below.pop()
            if name.startswith("TUPLE"):
                stack.append(tuple(items))
            elif name.startswith("APPEND"):
                _expect(list, stack[-1]).extend(items)
            else:
                _update(_expect(dict, stack[-1]), zip(items[::2], items[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL", "INST"):
            if name == "STACK_GLOBAL":
                argument = " ".join([stack.pop(), stack.pop()][::-1])
            stack.append(_Global(argument.replace(" ", ".", 1)))
            if name == "INST" or not (stack[-1].name in FUNCTIONS or stack[-1].name in DTYPES):
                raise Refused(_unneeded(stack[-1].name))
        elif name == "BINPERSID":
            stack.append(_storage(*_expect(tuple, stack.pop())))
            storages[stack[-1].key] = stack[-1]
        elif name == "REDUCE":
            arguments, function = _expect(tuple, stack.pop()), _expect(_Global, stack.pop())
            stack.append(_call(function.name, arguments))
        elif name == "BUILD" and type(stack[-2]) is dict:
            stack.pop()  # the _metadata of a state_dict
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise Refused(_unneeded(f"the pickle opcode {name}"))
    raise Refused(f"holds a pickle of over {MAX_OPCODES} opcodes, far more than tensors need: {ADVICE}")


def _expect(wanted: type, value: Any) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"no {wanted}")
    return value


def _update(target: dict[Any, Any], pairs: Iterable[Any]) -> dict[Any, Any]:
    for key, value in pairs:
        # Anything else could be made to take forever: nested tuples to hash, and numbers that all have the same hash.
        if type(key) is not str and (type(key) is not int or abs(key) >= 2**60):
            raise TypeError(f"no key of a dict of tensors: {kind(key)}")
        target[key] = value
    return target


def _storage(tag: Any, storage: Any, key: Any, _: Any, stored: Any, view: Any = None) -> Storage:
    _, first, count = (None, 0, stored) if view is None else view
    if tag != "storage" or any(type(number) is not int or number < 0 for number in (stored, first, count)):
        raise TypeError("no storage")
    if first + count > stored:
        raise UserError("a view of more than there is")
    return Storage(_expect(str, key), DTYPES[_expect(_Global, storage).name], stored, first, count)


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    """What the few functions do that a pickle may call."""
    match function.rpartition(".")[2], arguments:
        case "OrderedDict", ():
            return {}
        case "OrderedDict", (pairs,):
            items = list(_expect(list, pairs))
            pairs.clear()  # one list may be named again and again, but is read once
            return _update({}, items)
        case ("_rebuild_tensor", (storage, offset, size, stride)) | (
            "_rebuild_tensor_v2",
            (storage, offset, size, stride, _, _),
        ):
            return Tensor(_expect(Storage, storage), offset, size, stride)
        case "_rebuild_parameter", (tensor, _, _):
            return _expect(Tensor, tensor)
    raise Refused(_unneeded(f"{function} of {len(arguments)} arguments"))


def _unneeded(name: str) -> str:
    return f"asks for {show(name)}, which is not needed for tensors: it was not run; {ADVICE}"


def show(name: Any) -> str:
    """A name out of the file, fit for a line of text."""
    return name[:80].encode("unicode_escape").decode() if type(name) is str else f"a key of type {kind(name)}"


def kind(value: Any) -> str:
    """What a value of the file is called in a message."""
    return type(value).__name__.strip("_").lower()
