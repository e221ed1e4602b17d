"""trackio: a database in WORKDIR/tracking/trackio, or in the folder that the user has named by TRACKIO_DIR."""

from pathlib import Path

from p2p_jax.tracking.backend import Backend, Start, Status, new_identifier


def open_run(start: Start) -> Backend:
    """Opens the run. Its class is used directly, because `trackio.init` finds runs by name, and names may be equal."""
    import trackio  # pyright: ignore

    run_id = start.run or new_identifier()
    run = trackio.Run(url=None, project="p2p-jax", client=None, name=start.name, run_id=run_id, config=dict(start.settings))

    def log(values: dict[str, float], step: int) -> None:
        run.log(dict(values), step=step)

    def log_picture(name: str, path: Path, step: int) -> None:
        run.log({name: trackio.Image(str(path))}, step=step)

    def close(_status: Status) -> None:
        run.finish()

    return Backend(run_id, log, log_picture, close)
