"""The command line without reports, with slow reads of a bucket, which are noted: bucket_worker.py LOG SECONDS COMMAND…

Each line of LOG is the name of a file and the number of bytes that one read took from it.
"""

import os
import sys
import time
from pathlib import Path

from p2p_jax.cli import main
from p2p_jax.config.distributed import PARENT
from p2p_jax.storage import shards
from p2p_jax.training import trainer

NO_REPORT = lambda *_: (Path("report"), None)


def run(log: Path, seconds: float, command: list[str]) -> int:
    """Runs a command whose reads take 20,000 bytes and `seconds` each."""
    os.environ[PARENT] = str(os.getppid())  # this process does the work itself, so that it can be killed
    shards.CHUNK = 20_000
    real = shards.open_files

    def opened(url):
        files, root = real(url)
        read = files.cat_file

        def cat_file(path, start=None, end=None):
            time.sleep(seconds)
            data = read(path, start=start, end=end)
            with log.open("a") as file:
                file.write(f"{path.rpartition('/')[2]} {len(data)}\n")
            return data

        files.cat_file = cat_file
        return files, root

    shards.open_files = opened
    trainer.write_report = NO_REPORT
    return main(command)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
