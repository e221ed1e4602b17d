"""Bounds that every number of an option has: it is finite, and fits into the types in which it is used. No JAX here."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from p2p_jax.errors import UserError

LARGEST_FLOAT = 3.4028235677973362e38  # the largest that is finite as float32
LARGEST_INT = 2**31 - 1  # steps and indices are int32 on the device
LARGEST_SEED = 2**63 - 1


def check_numbers(options: Any, prefix: str = "", *, without: tuple[str, ...] = ()) -> None:
    """Refuses numbers that no option can have, in a dataclass of options and in those that it holds.

    Args:
        options: the dataclass.
        prefix: of its options' names, such as "data.".
        without: dotted names of fields that have rules of their own.

    Raises:
        UserError: a number is NaN or infinite, or too large for its type.
    """
    for item in dataclasses.fields(options):
        value, name = getattr(options, item.name), prefix + item.name
        if dataclasses.is_dataclass(value):
            check_numbers(value, "" if item.name == "config" else f"{name}.", without=without)
        elif name not in without:
            for number in _numbers_in(value):
                _check_number(f"--{name.replace('_', '-')}", number, seed=item.name == "seed")


def _numbers_in(value: Any) -> Iterator[int | float]:
    for one in value if isinstance(value, tuple | list) else (value,):
        if isinstance(one, int | float) and not isinstance(one, bool):
            yield one


def _check_number(option: str, value: int | float, *, seed: bool) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{option} was given {value}: it must be a finite number.")
    most = LARGEST_FLOAT if isinstance(value, float) else LARGEST_SEED if seed else LARGEST_INT
    if abs(value) > most:
        raise UserError(f"{option} was given {value}: it must be at most {most}.")
