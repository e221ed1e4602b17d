"""Going on with a run: the stored values hold, and only what was typed is compared with them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from p2p_jax import config as configs
from p2p_jax import experiment
from p2p_jax.experiment import Experiment


def find_workdir(argv: list[str], name: str) -> Path:
    """The workdir on a command line, needed before the rest can be parsed: its run holds the default values."""
    for index, word in enumerate(argv):
        if word == "--workdir" and index + 1 < len(argv):
            return Path(argv[index + 1])
        if word.startswith("--workdir="):
            return Path(word.split("=", 1)[1])
    return Path("runs") / name


def stored_run(workdir: Path, found: Experiment, argv: list[str]) -> Experiment | None:
    """The run that a workdir holds, or None.

    Raises:
        ValueError: it is of another experiment, or of another file.
    """
    if workdir.exists() and not workdir.is_dir():
        raise ValueError(f"the workdir {workdir} is a file: give a folder.")
    if "--overwrite" in argv or not (workdir / experiment.RECORD).exists():
        return None
    record = experiment.read_record(workdir)
    if record["name"] != found.name or (record["sha256"] is None) != (found.file is None):
        raise ValueError(
            f"{workdir} holds a run of the experiment {record['name']}, not of {found.name}: give another --workdir, or "
            "--overwrite to remove it."
        )
    if found.file is not None and experiment.hash_file(found.file) != record["sha256"]:
        raise ValueError(
            f"{found.file} has changed since the run in {workdir} was started: give another --workdir, or --overwrite."
        )
    return experiment.load(workdir, trust="--trust" in argv)


def _typed(argv: list[str], name: str) -> bool:
    return any(word == name or word.startswith(name + "=") for word in argv)


def settle_length(config: Any, argv: list[str]) -> Any:
    """Lets the length that was typed replace the other one.

    Raises:
        ValueError: both were typed.
    """
    steps, epochs = _typed(argv, "--steps"), _typed(argv, "--epochs")
    if steps and epochs:
        raise ValueError("both --steps and --epochs were given: give one of them.")
    if steps:
        return replace(config, epochs=None)
    return replace(config, steps=None) if epochs else config


def refuse_differences(workdir: Path, stored: Experiment, config: Any) -> None:
    """Refuses to go on with a run under another identity.

    Raises:
        ValueError: naming what differs.
    """
    length = {"steps", "epochs", "steps_per_epoch"}
    different = configs.differences(stored.config, config)
    fixed = [
        f"{name} is {old}, not {new}"
        for name, (old, new, runtime) in different.items()
        if not runtime and name not in length
    ]
    if fixed:
        raise ValueError(
            f"the run in {workdir} was started with other options ({'; '.join(fixed)}): leave them out to go on, or give "
            "another --workdir, or --overwrite."
        )
    for name in ("steps", "epochs"):
        if name in different and different[name][1] is not None:
            old, new = different[name][:2]
            if old is not None and new < old:
                raise ValueError(f"the run in {workdir} has {name} {old}: it may grow, but {new} is less.")
            print(f"The run grows to {name} {new}; its learning-rate schedule changes with it.")
