"""Foreign JSON: types, choices and bounds are checked, and what is wrong is named."""

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from p2p_jax.files.decode import (
    Mismatch,
    UnknownField,
    decode,
    decode_dataclass,
    decode_fields,
    decode_row,
    json_checksum,
    parse_json,
)

Size = int | tuple[int, int]


@pytest.mark.parametrize(
    ("hint", "value", "found"),
    [
        (int, 3, 3), (float, 3, 3), (float, 0.5, 0.5), (bool, True, True), (str, "a", "a"), (int | None, None, None),
        (Literal["a", "b"], "b", "b"), (tuple[int, ...], [1, 2], (1, 2)), (tuple[float, float], [0, 1.5], (0, 1.5)),
        (Size, 3, 3), (Size | None, [3, 4], (3, 4)), (list[int], [], []), (dict[str, float], {"a": 1}, {"a": 1}),
        (Any, [1, "a"], (1, "a")), (dict, {"a": 1}, {"a": 1}),
    ],
)  # fmt: skip
def test_right_values_are_decoded(hint, value, found):
    assert decode(hint, value, "x") == found


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, True), (int, 1.0), (int, "1"), (int, None), (int, 2**63), (int, -(10**400)), (float, math.nan), (float, True),
        (float, math.inf), (float, 10**400), (float, "1"), (bool, 1), (bool, "true"), (str, 1), (str, None), (str, ["a"]),
        (Literal["a"], "<script>"), (Literal["8"], 8), (Literal[1], True), (tuple[int, ...], "1"), (tuple[int, ...], [1.5]),
        (tuple[int, int], [1]), (tuple[int, int], [1, 2, 3]), (Size, "a"), (Size, [1]), (Size | None, {}),
        (dict[str, str], {"a": 1}), (dict[str, str], []), (list[int], {}), (tuple[str, ...] | None, [[["a"]]]),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(hint, value):
    with pytest.raises(Mismatch, match=r"^side\.x(\.a)? is .*, not ") as caught:
        decode(hint, value, "side.x")
    assert len(str(caught.value)) < 200


@dataclass(frozen=True)
class Inner:
    choice: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Outer:
    needed: int
    inner: Inner = Inner()
    other: Inner | None = None


def test_dataclasses_are_decoded():
    stored = {"needed": 1, "inner": {"choice": "b", "sizes": [1]}, "other": {"sizes": [2]}}
    assert decode_dataclass(Outer, stored) == Outer(1, Inner("b", (1,)), Inner("a", (2,)))
    assert decode_dataclass(Outer, {"needed": 1}) == Outer(1)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({}, "needed is missing"),
        ({"needed": 1, "inner": {"choice": "c"}}, "inner.choice is c, not one of a, b"),
        ({"needed": 1, "inner": []}, r"inner is \[\], not an object"),
        ({"needed": 1, "other": {"sizes": ["\x1b"]}}, r"other.sizes is \\x1b, not a whole number"),
        ([], "not an object"),
    ],
)
def test_wrong_dataclasses_are_refused(stored, said):
    with pytest.raises(Mismatch, match=said):
        decode_dataclass(Outer, stored)


@pytest.mark.parametrize("stored", [{"needed": 1, "x": 2}, {"needed": 1, "other": {"x": 1}}])
def test_unknown_fields_are_told_apart(stored):
    with pytest.raises(UnknownField, match=r"x, which (Outer|Inner) does not know"):
        decode_dataclass(Outer, stored)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", "1" * 5000, '{"a": 1}}', "nan"])
def test_no_json_is_a_mismatch(text):
    with pytest.raises(Mismatch):
        parse_json(text)


def test_fields_may_be_missing_only_where_they_may_be_none():
    assert decode_fields({"a": int, "b": int | None}, {"a": 1, "c": 2}) == {"a": 1, "b": None}
    for values in ({"b": 1}, [], None, 3):
        with pytest.raises(Mismatch):
            decode_fields({"a": int, "b": int | None}, values)


@pytest.mark.parametrize(
    "line", ["{}", "[]", "1", '{"step": -1}', '{"step": 1.5}', '{"step": "1"}', '{"step": 1, "a": "b"}', '{"step": NaN}',
             '{"step": 1, "a": 1' + "0" * 400 + "}",
             '{"step": 1, "a": true}', '{"step": 1, "a": [1]}', '{"step": 1, "a": {}}', '{"step": 1, "a": null}', '{"step"']
)  # fmt: skip
def test_wrong_rows_are_refused(line):
    with pytest.raises(Mismatch):
        decode_row(line)


def test_rows_may_hold_losses_that_are_not_finite():
    row = decode_row('{"step": 3, "loss": NaN, "other": Infinity}')
    assert (row["step"], math.isnan(row["loss"]), row["other"]) == (3, True, math.inf)


def test_a_checksum_survives_json():
    value = {"a": (1, 2.5, None), "b": {"c": "é\udce9", "d": math.nan}}
    assert json_checksum(json.loads(json.dumps(value))) == json_checksum(value)
    assert json_checksum({"slope": 0.2}) != json_checksum({"slope": 0.9})
