"""Parsing a command line with tyro; every mistake is answered in one sentence."""

import dataclasses
import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import tyro

from p2p_jax.cli.foreign_options import answer_foreign_option
from p2p_jax.cli.option_help import Option, format_help, list_options
from p2p_jax.config.numbers import check_numbers
from p2p_jax.errors import UserError, suggest

HELP = ("-h", "--help", "--help-all")


def asks_for_help(argv: Sequence[str]) -> bool:
    """Whether a command line asks for help."""
    return any(word in HELP for word in argv)


def parse(options: Any, argv: list[str], program: str) -> Any:
    """Parses a command line.

    Args:
        options: a dataclass whose fields are the options.
        argv: the words after the command.
        program: the command's name, for messages.

    Raises:
        UserError: an option is unknown, missing, empty, or has a wrong value, such as a number that is not finite.
        SystemExit: help was asked for, and has been printed.
    """
    if asks_for_help(argv):
        print(format_help(options, program), end="")
        raise SystemExit(0)
    parsed, unknown = _parse_known(options, argv, program)
    if unknown:
        raise UserError(_answer_unknown(unknown[0], argv, list(list_options(options)), program))
    check_numbers(parsed)
    return parsed


def parse_first(options: Any, argv: list[str], program: str) -> Any:
    """Parses only some options of a command line, on which the other options depend; all other words are ignored.

    Raises:
        UserError: one of these options has a wrong value.
    """
    return _parse_known(options, [word for word in argv if word not in HELP], program)[0]


def _parse_known(options: Any, argv: list[str], program: str) -> tuple[Any, list[str]]:
    _refuse_empty_words(argv)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            return tyro.cli(options, args=argv, prog=program, return_unknown_args=True, add_help=False)
    except SystemExit:
        known = list(list_options(options))
        raise UserError(_explain(printed.getvalue(), known, argv, program)) from None


def _refuse_empty_words(argv: list[str]) -> None:
    """Refuses empty words, such as those of unset variables of a shell: a path would be taken for the current folder."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if word.strip() and not (name.startswith("-") and equals and not value.strip()):
            continue
        before = argv[place - 1] if place else ""
        option = name if equals else before if before.startswith("-") and "=" not in before else "an argument"
        raise UserError(f'{option} was given an empty word (""): give a value, or check the variables of your shell.')


def _explain(printed: str, known: list[Option], argv: list[str], program: str) -> str:
    """One sentence for what tyro printed about a mistake."""
    text = " ".join(re.sub(r"\x1b\[[\d;]*m|\[/?bold\]|[╭╮╰╯│─]|-{5,}", " ", printed).split())
    text = text.split("Argument helptext:")[0].split("For full helptext")[0].strip()
    wrong = re.search(r"(?:[Ee]rror parsing|[Mm]issing value for argument|for argument) '?(-[\w.-]+)", text)
    option = next((each for each in known if wrong and wrong[1] in (each.name, *each.other_names)), None)
    if option is not None:
        typed = _typed_words(argv, option)
        given = f"{option.name} was given {' '.join(typed) or 'no value'}"
        if "|" in option.values and " " not in option.values:
            choices = option.values.removesuffix("…").split("|")
            return f"{given}: it must be one of {', '.join(choices)}{suggest(typed[0], choices) if typed else ''}."
        return f"{given}: it accepts {_in_words(option.values)}; see {program} --help."
    if "Missing from" in text or "equired" in text:
        needed = [each for each in known if each.default is dataclasses.MISSING]
        positional = [each for each in needed if not each.name.startswith("-")]
        typed_first = next((place for place, word in enumerate(argv) if word.startswith("-")), len(argv))
        missing = [*positional[typed_first:], *(each for each in needed if each.name.startswith("-"))]
        missing = [f"{each.name} {each.values}".rstrip() for each in missing if not _typed_words(argv, each, given=True)]
        return f"the command lacks {' and '.join(missing) or 'an argument'}; see {program} --help."
    return f"{text or 'the command line cannot be read'}; see {program} --help."


def _typed_words(argv: list[str], option: Option, *, given: bool = False) -> list[str]:
    """The words that were typed for an option; with `given`, its name too."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name.replace("_", "-") in (option.name, *option.other_names):
            if equals:
                return [value]
            rest = argv[place + 1 :]
            end = next((i for i, each in enumerate(rest) if re.match(r"--|-[a-z]$", each)), len(rest))
            return [word, *rest[:end]] if given else rest[:end]
    return []


def _in_words(values: str) -> str:
    words = {"INT": "a whole number", "NUMBER": "a number", "TEXT": "a text", "PATH": "a path"}
    words |= {"INT | INT INT": "one whole number, or two (height and width)", "INT INT": "two whole numbers"}
    words |= {"INT…": "whole numbers", "NUMBER NUMBER": "two numbers", "TEXT…": "one word or more", "PATH…": "paths"}
    return words.get(values, values or "no value")


def _answer_unknown(word: str, argv: list[str], known: list[Option], program: str) -> str:
    if (answer := answer_foreign_option(word)) is not None:
        return answer
    if not word.startswith("-"):
        switch = _switch_before(word, argv, known)
        if switch is None:
            return f"the word {word} was not expected; see {program} --help."
        off = next(name for name in switch.other_names if name.startswith("--"))
        return f"{switch.name} was given {word}, but it takes no value: {switch.name} turns it on, and {off} off."
    names = [option.name for option in known]
    return f"there is no option {word}{suggest(word.split('=')[0], names)}; see {program} --help."


def _switch_before(word: str, argv: list[str], known: list[Option]) -> Option | None:
    """The option without a value, such as --augment.flip, that a word was given to."""
    words = [part for each in argv for part in each.split("=", 1)]
    before = words[words.index(word) - 1].replace("_", "-") if word in words[1:] else ""
    switches = [each for each in known if any(name.startswith("--") and "no-" in name for name in each.other_names)]
    return next((each for each in switches if before in (each.name, *each.other_names)), None)
