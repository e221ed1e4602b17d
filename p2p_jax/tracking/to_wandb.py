"""Weights & Biases: a run in WORKDIR/tracking/wandb, offline unless the user has logged in or has set WANDB_MODE."""

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from p2p_jax.tracking.backend import Backend, Start, Status, new_identifier

SETTINGS: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
    "symlink": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "finish_timeout": 600.0,  # seconds for which the end of an online run waits for its upload
}
"""The package logs only what this program sends: no code, no prints, nothing about the machine; and it makes no links."""


def open_run(start: Start) -> Backend:
    """Opens the run, online or offline. An offline run that is continued gets one folder for each start."""
    import wandb  # pyright: ignore

    run_id, calls = start.run or new_identifier(), start.calls
    start.folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "p2p-jax"),
        name=start.name,
        id=run_id,
        resume="allow",
        dir=os.environ.get("WANDB_DIR", start.folder.parent),  # the package adds the folder wandb
        mode=None if "WANDB_MODE" in os.environ or _is_logged_in(wandb.setup().settings.base_url) else "offline",
        settings=wandb.Settings(**SETTINGS),
    )
    run.config.update(start.settings, allow_val_change=True)
    run.define_metric("*", step_metric="step")

    def log(values: dict[str, Any], step: int) -> None:
        nonlocal calls
        # The package refuses a step that is lower than the last one, so its own step counts the calls.
        run.log({**values, "step": step}, step=calls)
        calls += 1

    def log_picture(name: str, path: Path, step: int) -> None:
        log({name: wandb.Image(str(path))}, step)

    def close(status: Status) -> None:
        run.finish(exit_code=0 if status == "finished" else 1)

    return Backend(run_id, log, log_picture, close)


def _is_logged_in(server: str) -> bool:
    if {"WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"} & {*os.environ}:
        return True
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(server).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False
