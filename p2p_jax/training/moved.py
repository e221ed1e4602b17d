"""A workdir that is renamed, replaced or removed while a run trains in it, or that loses its record."""

from p2p_jax.devices import processes
from p2p_jax.errors import USAGE_ERROR, Stopped
from p2p_jax.files.writing import atomic_file
from p2p_jax.training.run import Run
from p2p_jax.workdir.record import RECORD


def is_in_place(run: Run) -> bool:
    """Whether the path of the workdir still leads to it, in all processes. A record that was removed is written again."""
    if not processes.all_agree(run.held.is_in_place() and run.manager.held.is_in_place()):
        return False
    path = run.workdir / RECORD
    if processes.is_first() and not path.exists():
        with atomic_file(path) as file:
            file.write(run.record)
        run.console.print(f"{path} was removed while the run trained; it was written again.", style="yellow")
    return True


def can_follow(run: Run) -> bool:
    """Whether the run can write into its workdir after that was renamed."""
    return run.manager.held.follows() and run.manager.held.find() is not None


def explain_moved(run: Run, step: int) -> Stopped:
    """Returns the exception that ends a run whose workdir is no longer in its place.

    Args:
        run: the run.
        step: of its state, which was saved if the checkpoints follow the workdir.
    """
    now = run.held.find()
    latest = run.manager.latest_step()
    saved = f"the checkpoint of step {latest} is kept" if latest is not None else "nothing had been saved yet"
    if now is None or now == run.workdir:
        lost = f"the workdir {run.workdir}" if now is None else f"the folder {run.manager.folder}"
        where = f"{lost} was renamed, replaced or removed while the run trained"
        return Stopped(f"{where}, so training stopped at step {step}; {saved} if that folder still exists.", USAGE_ERROR)
    return Stopped(
        f"the workdir {run.workdir} was renamed to {now} while the run trained, so training stopped at step {step}; "
        f"{saved}: resume with --workdir {now}, or rename it back.",
        USAGE_ERROR,
    )
