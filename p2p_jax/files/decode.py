"""Decoding what was stored: the one place that checks the types, choices and bounds of foreign JSON."""

import dataclasses
import json
import math
import re
import types
import typing
import zlib
from collections.abc import Callable
from typing import Any

from p2p_jax.files.names import printable

LARGEST = 2**63
"""Stored whole numbers are smaller than this."""

SHOWN = 60  # characters of a wrong value that a message shows


class Mismatch(ValueError):
    """A stored value is not what its field can hold; the message is the part of a sentence that says so."""


class UnknownField(Mismatch):
    """A stored dataclass has a field that the class lacks."""


def parse_json(text: str | bytes) -> Any:
    """Parses JSON, which may hold NaN and infinity.

    Raises:
        Mismatch: it is no JSON, no UTF-8, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise Mismatch("it is nested too deeply") from None
    except ValueError as error:
        raise Mismatch(f"it is not valid JSON: {printable(error)}") from None


def json_checksum(value: Any) -> int:
    """Computes the CRC-32 of a value as JSON; it stays the same when the value is written and read.

    Raises:
        Mismatch: the value is nested too deeply.
    """
    try:
        return zlib.crc32(json.dumps(value, sort_keys=True).encode())
    except RecursionError:
        raise Mismatch("it is nested too deeply") from None


def decode_fields(hints: dict[str, Any], values: Any, name: str = "") -> dict[str, Any]:
    """Checks and converts the values of an object of JSON. Fields without a hint are ignored.

    Args:
        hints: {field: its type}; all must be there, except those that may be None.
        values: from `parse_json`.
        name: what the object is, for messages; empty for the whole file.

    Raises:
        Mismatch: it is no object, lacks a field, or a field holds something else than its type says.
    """
    if not isinstance(values, dict):
        raise Mismatch(f"{name or 'it'} is {_show(values)}, which is not an object with fields")
    return {field: decode(hint, values.get(field), f"{name}.{field}" if name else field) for field, hint in hints.items()}


def decode_row(line: str) -> dict[str, float]:
    """Decodes a row of metrics: {name: number}, with the step. Losses may be NaN or infinite.

    Raises:
        Mismatch: it is something else.
    """
    row = parse_json(line)
    if not isinstance(row, dict) or not all(type(value) is float or _is_whole(value) for value in row.values()):
        raise Mismatch("it is not an object of numbers")
    if not 0 <= row.get("step", -1) < LARGEST or row["step"] % 1:
        raise Mismatch("its step is not a whole number from 0 on")
    return row


def decode(hint: Any, value: Any, name: str) -> Any:
    """Checks a value of JSON against the type of its field. Lists become tuples where the type says so.

    Args:
        hint: str, bool, int, float (finite; a whole number is accepted and kept), None, Literal, tuple, list, dict, unions
            of these, and dataclasses. A value of any other type is returned as it is, lists as tuples.
        value: from `parse_json`.
        name: of the field, for messages.

    Raises:
        Mismatch: the value is of another type, not one of the choices, not finite, or too large.
        UnknownField: a stored dataclass has a field that the class lacks.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return decode(args[0], value, name)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(args, value, name)
    if origin is typing.Literal:
        return _require(any(type(each) is type(value) and each == value for each in args), value, name, _one_of(args))
    if origin is tuple and args:
        return tuple(_decode_items(args, value, name))
    if origin is list:
        _require(isinstance(value, list), value, name, "a list")
        return [decode(args[0], each, name) for each in value]
    if origin is dict:
        _require(isinstance(value, dict), value, name, "an object with fields")
        return {key: decode(args[1], each, f"{name}.{key}") for key, each in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode_dataclass(hint, value, name)
    if hint in CHECKS:
        is_valid, expected = CHECKS[hint]
        return _require(is_valid(value), value, name, expected)
    return tuple(value) if isinstance(value, list) else value


def decode_dataclass(cls: type, values: Any, name: str = "") -> Any:
    """Makes an instance of a dataclass from its stored fields; fields that are missing have their defaults.

    Raises:
        Mismatch: a field has a wrong value, or one without a default is missing.
        UnknownField: the class lacks a stored field.
    """
    prefix = f"{name}." if name else ""
    hints = typing.get_type_hints(cls)
    _require(isinstance(values, dict), values, name or "it", "an object with fields")
    if unknown := sorted(set(values) - set(hints)):
        raise UnknownField(f"{prefix}{printable(unknown[0])}, which {cls.__name__} does not know")
    for field in dataclasses.fields(cls):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if not has_default and field.name not in values:
            raise Mismatch(f"{prefix}{field.name} is missing")
    return cls(**{field: decode(hints[field], value, f"{prefix}{field}") for field, value in values.items()})


def _decode_union(args: tuple[Any, ...], value: Any, name: str) -> Any:
    failures = []
    for arg in args:
        try:
            return decode(arg, value, name)
        except UnknownField:
            raise
        except Mismatch as failure:
            failures += [] if arg is type(None) else [failure]
    raise failures[0]


def _decode_items(args: tuple[Any, ...], value: Any, name: str) -> list[Any]:
    _require(isinstance(value, list | tuple), value, name, "a list")
    if args[-1] is Ellipsis:
        return [decode(args[0], each, name) for each in value]
    _require(len(value) == len(args), value, name, f"a list of {len(args)}")
    return [decode(arg, each, name) for arg, each in zip(args, value, strict=True)]


def _require(condition: bool, value: Any, name: str, expected: str) -> Any:
    if not condition:
        raise Mismatch(f"{printable(name)} is {_show(value)}, not {expected}")
    return value


def _show(value: Any) -> str:
    text = printable(json.dumps(value) if not isinstance(value, str) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _one_of(choices: tuple[Any, ...]) -> str:
    return f"one of {', '.join(map(str, choices))}"


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < LARGEST


CHECKS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: type(value) is bool, "true or false"),
    int: (_is_whole, "a whole number"),
    float: (lambda value: _is_whole(value) or (type(value) is float and math.isfinite(value)), "a finite number"),
    str: (lambda value: isinstance(value, str), "a text"),
    type(None): (lambda value: value is None, "null"),
}
"""{type: (whether a value is of that type, what it should be)}."""


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 in hexadecimal."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None
