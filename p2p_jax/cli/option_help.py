"""The options of a command as its help shows them: name, values, description and default."""

import ast
import dataclasses
import inspect
import itertools
import shutil
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro

WIDTH = 100  # columns at most
VALUES = {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH"}


class Option(NamedTuple):
    """An option, or a positional argument, of a command.

    Attributes:
        name: such as "--data.path"; a positional argument in capitals, such as "WORKDIR".
        other_names: such as "-o", or the name that turns a flag off.
        values: the values that it accepts, such as "INT INT" or "a|b"; empty for a flag.
        default: the default value; `dataclasses.MISSING` if the option is required.
        description: from the docstring of the field.
        group: the dotted name of the part of the config that it belongs to, or "".
    """

    name: str
    other_names: tuple[str, ...]
    values: str
    default: Any
    description: str
    group: str


def list_options(cls: Any, default: Any = None, group: str = "") -> Iterator[Option]:
    """The options that tyro makes of a dataclass; a field named `config` has no prefix.

    Args:
        cls: the dataclass.
        default: an instance with the default values; by default the fields' own.
        group: the dotted prefix of its options.
    """
    hints, descriptions = typing.get_type_hints(cls, include_extras=True), _describe_fields(cls)
    for field in dataclasses.fields(cls):
        hint, marks = _unwrap(hints[field.name])
        value = _default_of(field) if default is None else getattr(default, field.name)
        if tyro.conf.Suppress in marks:
            continue
        if dataclasses.is_dataclass(hint):
            inner = "" if field.name == "config" else f"{group}.{field.name}".lstrip(".")
            yield from list_options(hint, None if value is dataclasses.MISSING else value, inner)
            continue
        settings = [mark for mark in marks if hasattr(mark, "aliases")]  # of tyro.conf.arg
        named = next((setting.name for setting in settings if setting.name), field.name)
        dotted = f"{group}.{named}".lstrip(".").replace("_", "-")
        aliases = tuple(alias for setting in settings for alias in setting.aliases or ())
        name, values = f"--{dotted}", describe_values(hint)
        if tyro.conf.Positional in marks:
            shown = next((setting.metavar for setting in settings if setting.metavar), field.name.upper())
            name, values = shown + ("…" if values.endswith("…") else ""), ""
        elif hint is bool:
            head, _, last = dotted.rpartition(".")
            aliases = (f"--{head}.no-{last}" if head else f"--no-{last}",)
        yield Option(name, aliases, values, value, descriptions.get(field.name, ""), group)


def describe_values(hint: Any) -> str:
    """Describes the values that an option of a type accepts, in the notation of usage lines.

    >>> describe_values(int | tuple[int, int] | None)
    'INT | INT INT'
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " | ".join(describe_values(part) for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is Literal:
        return "|".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        return f"{describe_values(parts[0])}…" if parts[-1] is ... else " ".join(map(describe_values, parts))
    return "" if hint is bool else VALUES.get(hint, "VALUE")


def format_options(options: Iterable[Option]) -> str:
    """Formats options for the terminal, each with its description below, under the headings of their groups."""
    width, lines, group = min(WIDTH, shutil.get_terminal_size().columns), [], ""
    for option in options:
        if option.group != group:
            group = option.group
            lines.append(f"\n{group or 'general'}:")
        names = ", ".join((option.name, *option.other_names))
        lines.append(f"  {names} {option.values}".rstrip())
        described = " ".join(filter(None, (option.description, _describe_default(option))))
        lines += textwrap.wrap(
            described, width - 6, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
        )
    return "\n".join(lines)


def format_usage(cls: Any, program: str) -> str:
    """The usage line of a command."""
    options = list(list_options(cls))
    needed = [option for option in options if option.default is dataclasses.MISSING]
    words = [f"{option.name} {option.values}".rstrip() for option in needed]
    return " ".join(["usage:", program, *words, "[options]"])


def format_help(cls: Any, program: str) -> str:
    """The complete help of a command: usage, what it does, and every option."""
    about = textwrap.fill(
        " ".join(inspect.cleandoc(cls.__doc__ or "").split()), min(WIDTH, shutil.get_terminal_size().columns)
    )
    return f"{format_usage(cls, program)}\n\n{about}\n\n{format_options(list_options(cls))}\n"


def _describe_default(option: Option) -> str:
    value = option.default
    if value is dataclasses.MISSING:
        return "(required)"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"(default: {'on' if value else 'off'})"
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"(default: {shown})" if shown else ""


def _default_of(field: dataclasses.Field) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without `Annotated`, and its annotations."""
    if typing.get_origin(hint) is Annotated:
        inner, *marks = typing.get_args(hint)
        return inner, tuple(marks)
    return hint, ()


@cache
def _describe_fields(cls: type) -> dict[str, str]:
    """The docstring below each field of a dataclass and its bases, in one line."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            body = ast.parse(inspect.cleandoc(inspect.getsource(base))).body[0].body  # pyright: ignore
        except (OSError, TypeError, SyntaxError):  # made without source, such as by make_dataclass
            continue
        for field, below in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return found
