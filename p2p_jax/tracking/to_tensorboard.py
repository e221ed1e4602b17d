"""TensorBoard: events in WORKDIR/tensorboard.

Events are written directly: the package's SummaryWriter writes in a thread, and blocks forever once that thread has failed
on a full disk.
"""

import time
from pathlib import Path

from PIL import Image

from p2p_jax.tracking.backend import Backend, Start, Status, new_identifier


def open_run(start: Start) -> Backend:
    """Opens a file of events. A run that is continued gets one file for each start."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore
    from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore
    from tensorboardX.summary import text

    start.folder.mkdir(parents=True, exist_ok=True)
    # Numbered, because the package names files by the time in seconds: two files of one second would have the same name.
    events = EventsWriter(str(start.folder / "events"), f".{len(list(start.folder.iterdir()))}")

    def write(step: int, **content: object) -> None:
        events.write_event(Event(wall_time=time.time(), step=step, **content))
        events.flush()

    def log(values: dict[str, float], step: int) -> None:
        write(step, summary=Summary(value=[Summary.Value(tag=name, simple_value=each) for name, each in values.items()]))

    def log_picture(name: str, path: Path, step: int) -> None:
        with Image.open(path) as opened:
            width, height = opened.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes())
        write(step, summary=Summary(value=[Summary.Value(tag=name, image=image)]))

    def rewind(step: int) -> None:
        # TensorBoard drops all earlier events from the step of such a record on.
        write(step + 1, session_log=SessionLog(status=SessionLog.START))
        rows = [f"| {name} | {value} |" for name, value in start.settings.items()]
        write(step, summary=text("settings", "\n".join(["| setting | value |", "|---|---|", *rows])))

    def close(_status: Status) -> None:
        events.close()

    return Backend(start.run or new_identifier(), log, log_picture, close, rewind)
