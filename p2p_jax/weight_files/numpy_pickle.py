"""Reads pickles of nested dicts of float32 arrays of NumPy without running them, see `safe_pickle`."""

import math
from typing import Any

import numpy as np

from p2p_jax.weight_files.safe_pickle import Vocabulary, unpickle
from p2p_jax.weight_files.torch_objects import DAMAGED, Global, Malformed, Refused, unneeded

ADVICE = "give a pickle of a dict of float32 arrays"

DEPTH, COUNT = 4, 1000
"""Limits on nested dicts and on arrays: a dict may hold one dict many times, or itself."""

RECONSTRUCT = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
"""The function that makes an empty array, under its names in NumPy 1 and 2."""

FLOAT32_STATE = (3, "<", None, None, None, -1, -1, 0)
"""The state of the dtype float32, little-endian."""


class _Dtype:
    """The dtype float32."""


class _Array:
    """An array whose shape and numbers the pickle sets after it was made.

    Attributes:
        shape: of the array; None as long as it is not set.
        content: its numbers, little-endian.
    """

    shape: tuple[int, ...] | None = None
    content: bytes = b""


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Reads the arrays of a pickle. Nothing in it is executed.

    Args:
        content: the bytes of a pickle of dicts in dicts, whose innermost values are contiguous float32 arrays.

    Returns:
        the arrays, which cannot be written to, by their keys, joined with slashes, in the order of the pickle.

    Raises:
        Refused: the pickle is damaged, or holds anything else.
    """
    value, _ = unpickle(content, ARRAYS)
    found: dict[str, np.ndarray] = {}
    _collect(value, (), found)
    return found


def _collect(value: Any, path: tuple[str, ...], found: dict[str, np.ndarray]) -> None:
    """Adds all arrays of a nested dict."""
    if type(value) is _Array and value.shape is not None and path:
        if len(found) == COUNT:
            raise Refused(f"holds over {COUNT} arrays: {ADVICE}")
        found["/".join(path)] = np.frombuffer(value.content, np.dtype("<f4")).reshape(value.shape)
    elif type(value) is not dict or not value or len(path) == DEPTH or any(type(key) is not str for key in value):
        raise Refused(f"holds other things than float32 arrays in at most {DEPTH} dicts in each other: {ADVICE}")
    else:
        for key, item in value.items():
            _collect(item, (*path, key), found)


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    """Makes an empty array or the dtype."""
    if function in RECONSTRUCT and arguments == (Global("numpy.ndarray"), (0,), b"b"):
        return _Array()
    if function == "numpy.dtype" and arguments == ("f4", False, True):
        return _Dtype()
    raise Refused(unneeded(f"{function} of other arguments than for float32", ARRAYS.things, ADVICE))


def _build(target: Any, state: Any) -> None:
    """Sets the shape and the numbers of an array, or checks the state of a dtype."""
    if type(target) is _Dtype and type(state) is tuple and state == FLOAT32_STATE:
        return
    if type(target) is not _Array or type(state) is not tuple or len(state) != 5:
        raise Malformed
    _, shape, dtype, by_columns, content = state
    if type(shape) is not tuple or any(type(side) is not int or side < 0 for side in shape):
        raise Malformed
    if type(dtype) is not _Dtype or by_columns is not False or type(content) is not bytes:
        raise Refused(f"holds an array that is not of float32 by rows: {ADVICE}")
    if len(shape) > 32 or len(content) != 4 * math.prod(shape):
        raise Refused(DAMAGED)
    target.shape, target.content = shape, content


ARRAYS = Vocabulary(frozenset(RECONSTRUCT | {"numpy.ndarray", "numpy.dtype"}), _call, _build, "arrays of numbers", ADVICE)
"""The vocabulary of pickled arrays."""
