"""Fields of configs: access by name, comparison, and conversion to JSON and back. Imports no JAX."""

import dataclasses
import types
import typing
from typing import Any

from p2p_jax.errors import UserError


def get_field(config: Any, name: str) -> Any:
    """The value of a field by its dotted name, such as "data.path"."""
    for part in name.split("."):
        config = getattr(config, part)
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


def from_dict(cls: type, values: dict[str, Any], prefix: str = "") -> Any:
    """A config of type `cls` from the output of `to_dict`.

    Raises:
        UserError: a stored field is unknown to `cls`.
    """
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UserError(
            f"the stored config has a field {prefix}{unknown[0]}, which {cls.__name__} does not know: it was written by "
            "another version of the experiment or of p2p_jax; use that version."
        )
    return cls(**{name: _decode(hints[name], value, f"{prefix}{name}.") for name, value in values.items()})


def _decode(hint: Any, value: Any, prefix: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, prefix)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return value if value is None else _decode(typing.get_args(hint)[0], value, prefix)
    return tuple(value) if isinstance(value, list) else value
