"""Makes the archive of a run that later versions have to read: tests/reference/run_of_format_1.tar.gz.

It was made by the version that first had this format, before anything was added to it, and is never made anew: run this
only when the format gets a new number, with the version that has it.

    python tests/make_old_run.py tests/reference/run_of_format_1.tar.gz
"""

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.inference.translate import load
from p2p_jax.training import trainer

LINE = (
    "--image-size 16 --data.load-size 18 --data.count 8 --generator.widths 2 2 --generator.dropout-levels innermost "
    "--discriminator.width 2 --discriminator.num-layers 1 --ema-decay 0.9 --steps 4 --checkpoint-every 2 --log-every 2 "
    "--sample-every 4"
)


def make(archive: Path) -> None:
    """Trains, translates a picture, and packs everything but the report."""
    trainer._write_report = lambda *_: None
    with tempfile.TemporaryDirectory() as name:
        workdir = Path(name) / "run"
        if main(["train", "quickstart", "--workdir", str(workdir), *LINE.split(" ")]):
            sys.exit("it was not trained.")
        picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(picture).save(workdir / "input.png")
        Image.fromarray(load(workdir)(picture)).save(workdir / "translated.png")
        with tarfile.open(archive, "w:gz", compresslevel=9) as file:
            file.add(workdir, "run")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
