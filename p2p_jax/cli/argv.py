"""Options that must be known before the rest of the command line can be parsed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from p2p_jax.errors import UserError


def typed_value(argv: list[str], option: str) -> str | None:
    """What was typed for an option whose value decides what the others' defaults are."""
    typed = None
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") == option and (equals or index + 1 < len(argv)):
            typed = value if equals else argv[index + 1]
    return typed  # the last one, as for every option


def find_workdir(argv: list[str], name: str) -> Path:
    """The workdir on a command line, needed before the rest can be parsed: its run holds the default values."""
    return Path(typed_value(argv, "--workdir") or Path("runs") / name)


def settle_length(config: Any, argv: list[str]) -> Any:
    """Lets the length that was typed replace the other one.

    Raises:
        UserError: both were typed.
    """
    steps, epochs = (typed_value(argv, option) is not None for option in ("--steps", "--epochs"))
    if steps and epochs:
        raise UserError("both --steps and --epochs were given: give one of them.")
    config = replace(config, epochs=None) if steps else replace(config, steps=None) if epochs else config
    if config.steps is None and config.epochs is None:
        raise UserError("no length was given: give a number with --steps or --epochs.")
    return config
