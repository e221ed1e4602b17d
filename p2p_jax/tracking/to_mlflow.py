"""MLflow: a database in WORKDIR/tracking/mlflow, or the server that the user has named by MLFLOW_TRACKING_URI."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image

from p2p_jax.tracking.backend import Backend, Start, Status

DATABASE = "mlflow.db"


def open_run(start: Start) -> Backend:
    """Opens the run in the user's server, or in a database of the workdir."""
    from mlflow import MlflowClient  # pyright: ignore
    from mlflow.entities import Metric  # pyright: ignore

    server = os.environ.get("MLFLOW_TRACKING_URI")
    artifacts = start.folder / "artifacts"
    if server is None:
        start.folder.mkdir(parents=True, exist_ok=True)
        os.chdir(start.folder)  # so that the URL of the database needs no path, which might have special characters
        _correct_folder(artifacts)
    client = MlflowClient(tracking_uri=server or f"sqlite:///{DATABASE}")
    run_id = _find_run(client, start) or _make_run(client, start, None if server else artifacts.as_uri())
    _log_settings(client, run_id, start.settings)

    def log(values: dict[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        client.log_batch(run_id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def log_picture(name: str, path: Path, step: int) -> None:
        with Image.open(path) as opened:
            client.log_image(run_id, opened, key=name, step=step)

    def close(status: Status) -> None:
        client.set_terminated(run_id, "FINISHED" if status == "finished" else "KILLED")

    return Backend(run_id, log, log_picture, close)


def _correct_folder(artifacts: Path) -> None:
    """Sets the folder of the pictures in an existing database, which stores its path: the workdir may have been moved."""
    if not Path(DATABASE).exists():
        return
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", (artifacts.as_uri(),))
        database.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/artifacts'", (artifacts.as_uri(),))


def _find_run(client: Any, start: Start) -> str | None:
    """Finds the run to continue, and sets its status; None if there is none."""
    from mlflow.exceptions import MlflowException  # pyright: ignore

    if start.run is None:
        return None
    try:
        client.update_run(start.run, status="RUNNING", name=start.name)
    except MlflowException:  # it was removed
        return None
    return start.run


def _make_run(client: Any, start: Start, artifacts: str | None) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "p2p-jax")
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name, artifact_location=artifacts)
    return client.create_run(number, run_name=start.name).info.run_id


def _log_settings(client: Any, run_id: str, settings: dict[str, Any]) -> None:
    """Logs settings. MLflow never changes a parameter, so a setting that has changed since the start becomes a tag."""
    logged = client.get_run(run_id).data.params
    for name, value in settings.items():
        if name not in logged:
            client.log_param(run_id, name, str(value))
        elif logged[name] != str(value):
            client.set_tag(run_id, name, str(value))
