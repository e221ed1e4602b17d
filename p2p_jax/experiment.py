"""Finds experiments: modules with `CONFIG`, and with `build(config) -> Pix2Pix` if they replace networks or losses.

`workdir.record` stores the experiment of a run in `WORKDIR/experiment.json` and rebuilds it from there.
"""

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from p2p_jax import config as configs
from p2p_jax.errors import UserError, suggest

GROUP = "p2p_jax.experiments"

PAPER = "pix2pix"
"""The installed experiment with the paper's composition."""

FROM_PYTHON = "(python)"
"""The name of a run that was trained from Python with its own `build`."""

IS_EXPERIMENT = "__p2p_jax_experiment__"
"""The global variable that marks a module as loaded from a user's experiment file."""


class Experiment(NamedTuple):
    """Name, config and build function of a run.

    Attributes:
        name: of the entry point, or the file's name without its ending.
        config: of this run.
        build: `(config) -> Pix2Pix`.
        file: the experiment file, or None for an installed experiment.
    """

    name: str
    config: Any
    build: Callable[[Any], Any]
    file: Path | None = None


def find(name: str) -> Experiment:
    """Finds an experiment by its installed name, or runs a file given as PATH.py. Only for names that the user typed.

    Raises:
        UserError: there is no experiment of that name, or it lacks `CONFIG`.
    """
    if not name.endswith(".py"):
        return find_installed(name)
    path = Path(name)
    if not path.is_file():
        raise UserError(f"the experiment file {name} does not exist: give the path of a Python file.")
    return from_module(load_file(path), path.stem, path)


def find_installed(name: str) -> Experiment:
    """Finds an experiment by its installed name. No name is taken for a file, so names that were stored are safe.

    Raises:
        UserError: no installed package has an experiment of that name, or it lacks `CONFIG`.
    """
    entries = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    if name not in entries:
        raise UserError(
            f"there is no experiment named {name}{suggest(name, entries)}: it is one of {', '.join(sorted(entries))}, or a "
            "file given as FILE.py."
        )
    return from_module(entries[name].load(), name, None)


def as_experiment(given: Any, build: Callable[[Any], Any] | None = None) -> Experiment:
    """Converts the argument of a call from Python to an experiment.

    Args:
        given: a `Config`, an `Experiment`, the name of an installed experiment, or the path of an experiment file.
        build: `(config) -> Pix2Pix`, in place of the experiment's own.

    Raises:
        UserError: there is no such experiment.
    """
    if isinstance(given, configs.Config):
        given = Experiment(PAPER, configs.replace_default_epochs(given), build_paper)
    elif not isinstance(given, Experiment):
        given = find(str(given))
    return given if build is None else given._replace(name=FROM_PYTHON, build=build, file=None)


def names() -> list[str]:
    """Returns the names of all installed experiments."""
    return sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP))


def load_file(path: Path, source: bytes | None = None) -> ModuleType:
    """Runs a Python file as a module that is not added to `sys.modules`.

    Compiled code in `__pycache__` is neither used nor written: it could be the code of somebody else.

    Args:
        path: of the file.
        source: the content of the file if it was read and checked before.

    Raises:
        UserError: the file is not valid Python.
    """
    module = ModuleType(path.stem)
    module.__file__ = str(path.absolute())
    vars(module)[IS_EXPERIMENT] = True
    shown = os.path.relpath(path) if path.absolute().is_relative_to(Path.cwd()) else path
    try:
        code = compile(path.read_bytes() if source is None else source, module.__file__, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UserError(f"{shown}, line {error.lineno}: this is not valid Python ({error.msg}): correct it.") from None
    except ValueError as error:  # null bytes
        raise UserError(f"{shown} is not valid Python ({error}): correct it.") from None
    exec(code, vars(module))
    return module


def from_module(module: ModuleType, name: str, file: Path | None) -> Experiment:
    """Returns the experiment that a module defines.

    Args:
        module: with `CONFIG` and optionally `build`.
        name: of the experiment.
        file: the experiment file, or None for an installed experiment.

    Raises:
        UserError: the module has no `CONFIG`.
    """
    if not isinstance(getattr(module, "CONFIG", None), configs.Config):
        raise UserError(f"the experiment {name} has no CONFIG: it needs CONFIG = Config(...) of p2p_jax.config.")
    config = configs.replace_default_epochs(module.CONFIG)
    return Experiment(name, config, getattr(module, "build", build_paper), file)


def build_paper(config: configs.Config) -> Any:
    """Builds the paper's networks and losses; used by experiments without their own `build`."""
    from p2p_jax import pix2pix

    return pix2pix.build(config)
