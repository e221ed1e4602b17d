"""How a run was started: the command, the time, the machine, and the commit of the package. Only for people to read."""

import os
import platform
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import jax

from p2p_jax.devices import processes

COMMIT = re.compile(r"[0-9a-f]{40,64}")
BRANCH = re.compile(r"refs/[\w./+-]+")


def describe_origin(command: str | None) -> dict[str, str]:
    """Describes the start of a run; what is not known is missing.

    Args:
        command: as it was typed, or None if the run is started from Python.
    """
    found = {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _describe_machine(),
        "commit": find_commit(Path(__file__).parents[2]),
    }
    return {field: value for field, value in found.items() if value is not None}


def _describe_machine() -> str:
    devices = jax.devices()
    several = f" of {processes.count()} processes" if processes.count() > 1 else ""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, {len(devices)} x "
        f"{devices[0].device_kind}{several}"
    )


def find_commit(checkout: Path) -> str | None:
    """The commit that is checked out in a folder, or None. Files are read, and no program is run.

    Args:
        checkout: a folder that may hold `.git`, a folder, or the file of a worktree.
    """
    with suppress(OSError, ValueError):
        git = checkout / ".git"
        if git.is_file():
            git = checkout / git.read_text(encoding="utf-8").removeprefix("gitdir: ").strip()
        common = git / "commondir"
        shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        branch = head.removeprefix("ref: ")
        if branch != head:
            head = _read_branch((git, shared), branch) if BRANCH.fullmatch(branch) and ".." not in branch else ""
        return head if COMMIT.fullmatch(head) else None
    return None


def _read_branch(folders: tuple[Path, ...], branch: str) -> str:
    for folder in folders:
        if (folder / branch).is_file():
            return (folder / branch).read_text(encoding="utf-8").strip()
    packed = folders[-1] / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.split()[1:] == [branch]), "")
