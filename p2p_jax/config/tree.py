"""Fields of configs: access by name, comparison, and conversion to JSON and back. Imports no JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from p2p_jax.errors import UserError
from p2p_jax.files.decode import Mismatch, UnknownField, decode_dataclass


def get_field(config: Any, name: str) -> Any:
    """The value of a field by its dotted name, such as "data.path"."""
    for part in name.split("."):
        config = getattr(config, part)
    return config


def with_fields(config: Any, values: Mapping[str, Any]) -> Any:
    """A config with other values of some fields, which are given by their dotted names.

    Example:
        >>> from p2p_jax import Config
        >>> from p2p_jax.config.tree import with_fields
        >>> with_fields(Config(), {"loss.r1": 1.0, "seed": 2}).loss.r1
        1.0
    """
    for name, value in values.items():
        first, _, rest = name.partition(".")
        config = dataclasses.replace(
            config, **{first: with_fields(getattr(config, first), {rest: value}) if rest else value}
        )
    return config


def differences(old: Any, new: Any, prefix: str = "") -> dict[str, tuple[Any, Any, bool]]:
    """Fields that differ between two configs of one type: {dotted name: (old, new, whether it may change on resuming)}."""
    found = {}
    for item in dataclasses.fields(old):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if dataclasses.is_dataclass(before):
            found |= differences(before, after, f"{prefix}{item.name}.")
        elif before != after:
            found[prefix + item.name] = (before, after, bool(item.metadata.get("runtime")))
    return found


def to_dict(config: Any) -> dict[str, Any]:
    """A config as nested dictionaries that JSON can hold."""
    return dataclasses.asdict(config)


def from_dict(cls: type, values: Any) -> Any:
    """A config of type `cls` from the output of `to_dict`.

    Raises:
        UserError: a stored field is unknown to `cls`, or its value is of another type or none of its choices.
    """
    try:
        return decode_dataclass(cls, values)
    except UnknownField as unknown:
        raise UserError(
            f"the stored config has a field {unknown}: it was written by another version of the experiment or of p2p_jax; "
            "use that version."
        ) from None
    except Mismatch as mismatch:
        raise UserError(f"the stored config was changed or is damaged ({mismatch}): restore it from a copy.") from None
