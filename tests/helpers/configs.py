"""Configs with one field changed, and all fields of a config."""

from dataclasses import fields, replace


def change(config, name, value):
    """A config with one field, given by its dotted name, replaced."""
    first, _, rest = name.partition(".")
    return replace(config, **{first: change(getattr(config, first), rest, value) if rest else value})


def all_fields(config, prefix=""):
    for item in fields(config):
        value = getattr(config, item.name)
        if hasattr(value, "__dataclass_fields__"):
            yield from all_fields(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value
