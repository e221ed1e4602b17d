"""Command lines: which options there are, and a clear word where one is unknown."""

import dataclasses
import difflib
import typing
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from p2p_jax.distributed import Distributed
from p2p_jax.presets import Preset

PROGRAM = "p2p-jax"


def train_options(name: str, config: Any) -> type:
    """The options of `train`: those of the run, and every field of the config without a prefix."""
    return make_dataclass(
        "Train",
        [
            ("config", flat(config), field(default=config)),
            ("workdir", Path, field(default=Path("runs") / name)),
            ("overwrite", bool, field(default=False)),
            ("accept_changed_data", bool, field(default=False)),
            ("init_from", Path | None, field(default=None)),
            ("preset", Preset | None, field(default=None)),
            ("profile", bool, field(default=False)),
            ("trust", bool, field(default=False)),
            ("distributed", Distributed, field(default=Distributed())),
        ],
        namespace={
            "__doc__": f"""Train {name}, or go on with it where WORKDIR holds such a run.

            Args:
                workdir: Where everything is written.
                overwrite: Remove the run that is there and start anew.
                accept_changed_data: Go on though the pictures have changed since the run was started.
                init_from: Start from the networks of the run in this workdir (fine-tuning), of their architecture and size.
                preset: Settings as in one of the originals; what is typed beside it wins.
                profile: Record a JAX profile of a few steps into WORKDIR/profile.
                trust: Let an experiment file run that somebody else put into a workdir.
            """
        },
    )


def flat(config: Any) -> Any:
    """A config whose fields are options without a prefix."""
    return Annotated[type(config), tyro.conf.arg(name="")]


def parse(options: Any, argv: list[str], program: str) -> Any:
    """Parses a command line; an unknown option is answered with the one it resembles."""
    parsed, unknown = tyro.cli(options, args=argv, prog=program, return_unknown_args=True)
    if unknown:
        known = _option_names(options)
        raise ValueError(
            f"there is no option {unknown[0]}{suggest(unknown[0].split('=')[0], known)}; see {program} --help."
        )
    return parsed


def _option_names(options: type) -> list[str]:
    def below(cls: Any, prefix: str) -> list[str]:
        hints = typing.get_type_hints(cls)
        found = []
        for item in dataclasses.fields(cls):
            name = "" if item.name == "config" else f"{prefix}{item.name}".replace("_", "-")
            hint = hints[item.name]
            if dataclasses.is_dataclass(hint):
                found += below(hint, f"{name}." if name else "")
            else:
                found.append(f"--{name}")
        return found

    return below(options, "")


def typed_value(argv: list[str], option: str) -> str | None:
    """What was typed for an option whose value decides what the others' defaults are."""
    typed = None
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") == option and (equals or index + 1 < len(argv)):
            typed = value if equals else argv[index + 1]
    return typed  # the last one, as for every option


def suggest(word: str, known: list[str]) -> str:
    """What to say after an unknown word: the known one it resembles, if there is one."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
