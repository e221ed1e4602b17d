"""Reads the pickles inside torch.save's files, and others of arrays, without running them.

A pickle is a program. It is never passed to Python's unpickler: a small stack machine interprets its opcodes instead. The
machine supports plain values, dicts, and the objects of one vocabulary, by default tensors. Functions that the pickle names
are never imported or called. Every name or opcode that the vocabulary lacks is refused.
"""

import io
import itertools
import pickletools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from p2p_jax.weight_files.torch_objects import (
    ADVICE,
    DAMAGED,
    DTYPES,
    FUNCTIONS,
    Global,
    Malformed,
    Refused,
    Storage,
    call,
    expect,
    make_storage,
    unneeded,
    update,
)

MAX_OPCODES = 2_000_000
"""Limit on the opcodes of a pickle, which could fill the memory. A tensor needs about forty."""

MAX_BYTES = 2**26
"""Limit on the bytes of a pickle, whose strings need up to four times as much memory. A tensor needs about 200 bytes."""

MAX_BITS = 128
"""Limit on the bits of an integer. The longest one in files of torch.save, the magic number, has 80 bits."""


class Vocabulary(NamedTuple):
    """What the pickles of one kind of file may ask for.

    Attributes:
        names: the functions and classes that a pickle may name.
        call: `(name, arguments) -> result` of a call of one of the names.
        build: `(target, state)` sets the state of an object that `call` made.
        things: the content of the file, for messages.
        advice: the end of a message that refuses a file.
    """

    names: frozenset[str]
    call: Callable[[str, tuple[Any, ...]], Any]
    build: Callable[[Any, Any], None]
    things: str = "tensors"
    advice: str = ADVICE

    def refuse(self, name: str) -> Refused:
        """Returns the error that refuses a name or an opcode."""
        return Refused(unneeded(name, self.things, self.advice))


def _ignore_metadata(target: Any, _state: Any) -> None:
    """Accepts the _metadata of a state_dict, and ignores it."""
    if type(target) is not dict:
        raise Refused(unneeded("the pickle opcode BUILD"))


TENSORS = Vocabulary(frozenset(FUNCTIONS | DTYPES.keys()), call, _ignore_metadata)
"""The vocabulary of torch.save."""


class _Machine:
    """The state of the stack machine.

    Attributes:
        vocabulary: the objects that it supports.
        stack: values since the last mark.
        outer: the stacks below each open mark.
        memo: stored values to which the pickle may refer again.
        storages: storages that the pickle names, by their keys.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def top(self) -> Any:
        """Returns the value on top of the stack."""
        if not self.stack:
            raise Malformed
        return self.stack[-1]

    def pop(self) -> Any:
        """Removes the value on top of the stack and returns it."""
        value = self.top()
        del self.stack[-1]
        return value

    def pop_items(self, count: int | None) -> list[Any]:
        """Removes `count` values, or for None all since the last mark; returns them in the order they were pushed."""
        if count is not None:
            return [self.pop() for _ in range(count)][::-1]
        if not self.outer:
            raise Malformed
        items, self.stack = self.stack, self.outer.pop()
        return items


def unpickle(source: Any, vocabulary: Vocabulary = TENSORS) -> tuple[Any, dict[str, Storage]]:
    """Reads one pickle.

    Args:
        source: bytes, or a file whose position is the beginning of the pickle; afterwards it is the end of the pickle.
        vocabulary: what the pickle may ask for.

    Returns:
        the value, and the storages that it names, by their keys.

    Raises:
        Refused: the pickle is damaged, too long, or asks for more than the vocabulary has.
    """
    things, advice = vocabulary.things, vocabulary.advice
    machine, start = _Machine(vocabulary), 0 if isinstance(source, bytes) else source.tell()
    if isinstance(source, bytes) and len(source) > MAX_BYTES:
        raise Refused(f"holds a pickle of over {MAX_BYTES} bytes, far more than {things} need: {advice}")
    pickle = io.BytesIO(source if isinstance(source, bytes) else source.read(MAX_BYTES))
    try:
        for name, argument in _opcodes(pickle):
            if name == "STOP":
                if not isinstance(source, bytes):
                    source.seek(start + pickle.tell())
                return machine.pop(), machine.storages
            if name not in OPCODES:
                raise vocabulary.refuse(f"the pickle opcode {name}")
            OPCODES[name](machine, argument)
    except Malformed:
        raise Refused(DAMAGED) from None
    raise Refused(f"holds a pickle of over {MAX_OPCODES} opcodes, far more than {things} need: {advice}")


def _opcodes(source: Any) -> Iterator[tuple[str, Any]]:
    """Yields the names and arguments of the opcodes of a pickle."""
    try:
        for opcode, argument, _ in itertools.islice(pickletools.genops(source), MAX_OPCODES):
            yield opcode.name, argument
    except (ValueError, MemoryError, Warning):  # the pickle is cut off, or an opcode has a wrong argument
        raise Malformed from None


def _push(machine: _Machine, argument: Any) -> None:
    if type(argument) is int and argument.bit_length() > MAX_BITS:
        raise Malformed
    machine.stack.append(argument)


def _push_new(make: Callable[[], Any], machine: _Machine, _argument: Any) -> None:
    machine.stack.append(make())


def _push_tuple(count: int | None, machine: _Machine, _argument: Any) -> None:
    items = machine.pop_items(count)  # this may replace machine.stack, so it runs before the next line
    machine.stack.append(tuple(items))


def _append(count: int | None, machine: _Machine, _argument: Any) -> None:
    items = machine.pop_items(count)
    expect(list, machine.top()).extend(items)


def _set_items(count: int | None, machine: _Machine, _argument: Any) -> None:
    items = machine.pop_items(count)
    if len(items) % 2:
        raise Malformed
    update(expect(dict, machine.top()), zip(items[::2], items[1::2], strict=True))


def _mark(machine: _Machine, _argument: Any) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


def _put(machine: _Machine, argument: int) -> None:
    machine.memo[argument] = machine.top()


def _memoize(machine: _Machine, _argument: Any) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _get(machine: _Machine, argument: int) -> None:
    if argument not in machine.memo:
        raise Malformed
    machine.stack.append(machine.memo[argument])


def _global(machine: _Machine, argument: str) -> None:
    name = argument.replace(" ", ".", 1)
    if name not in machine.vocabulary.names:
        raise machine.vocabulary.refuse(name)
    machine.stack.append(Global(name))


def _stack_global(machine: _Machine, _argument: Any) -> None:
    module, name = (expect(str, item) for item in machine.pop_items(2))
    _global(machine, f"{module} {name}")


def _refuse_instance(machine: _Machine, argument: str) -> None:
    raise machine.vocabulary.refuse(argument.replace(" ", ".", 1))


def _persistent(machine: _Machine, _argument: Any) -> None:
    storage = make_storage(expect(tuple, machine.pop()))
    machine.stack.append(storage)
    machine.storages[storage.key] = storage


def _reduce(machine: _Machine, _argument: Any) -> None:
    arguments, function = expect(tuple, machine.pop()), expect(Global, machine.pop())
    machine.stack.append(machine.vocabulary.call(function.name, arguments))


def _build(machine: _Machine, _argument: Any) -> None:
    state = machine.pop()
    machine.vocabulary.build(machine.top(), state)


def _ignore(_machine: _Machine, _argument: Any) -> None:
    pass


OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"), _push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _push),  # strings of Python 2, decoded as latin-1
    "NONE": partial(_push_new, lambda: None),
    "NEWTRUE": partial(_push_new, lambda: True),
    "NEWFALSE": partial(_push_new, lambda: False),
    "EMPTY_TUPLE": partial(_push_new, tuple),
    "EMPTY_LIST": partial(_push_new, list),
    "EMPTY_DICT": partial(_push_new, dict),
    **{f"TUPLE{count}": partial(_push_tuple, count) for count in (1, 2, 3)},
    "TUPLE": partial(_push_tuple, None),
    "APPEND": partial(_append, 1),
    "APPENDS": partial(_append, None),
    "SETITEM": partial(_set_items, 2),
    "SETITEMS": partial(_set_items, None),
    "MARK": _mark,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    "MEMOIZE": _memoize,
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _get),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _refuse_instance,
    "BINPERSID": _persistent,
    "REDUCE": _reduce,
    "BUILD": _build,
    **dict.fromkeys(("PROTO", "FRAME"), _ignore),
}
"""The function for each opcode that tensors need, except STOP."""
