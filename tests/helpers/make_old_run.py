"""Makes the archive of a small run, which later versions must be able to read.

Two archives are in tests/reference. They are never made again, because they show that old runs can be read:

- run_of_format_1.tar.gz was made at commit e5039d2, the first with format 1 of checkpoints and records, by
  `python tests/make_old_run.py tests/reference/run_of_format_1.tar.gz`.
- run_with_own_experiment.tar.gz was made at commit 80cc021, the last before the modules moved into folders, in the same way
  from an experiment file, which is in the archive as run/experiment.py. The file imports from every module that the file of
  an experiment may use.

Run this only when the format gets a new number:

    python tests/helpers/make_old_run.py ARCHIVE.tar.gz [FILE.py]     # quickstart, or an experiment file
"""

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.inference.translate import load

OPTIONS = (
    "--image-size 16 --data.load-size 18 --data.count 8 --generator.widths 2 2 --generator.dropout-levels innermost "
    "--discriminator.width 2 --discriminator.num-layers 1 --ema-decay 0.9 --steps 4 --checkpoint-every 2 --log-every 2 "
    "--sample-every 4"
)
"""The options of quickstart; an experiment file sets them in its CONFIG."""


def make(archive: Path, experiment: str | None = None) -> None:
    """Trains, translates a picture, and packs the workdir without its report."""
    command = ["train", "quickstart", *OPTIONS.split(" ")] if experiment is None else ["train", experiment]
    with tempfile.TemporaryDirectory() as name:
        workdir = Path(name) / "run"
        if main([*command, "--workdir", str(workdir)]):
            sys.exit("the run failed.")
        picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(picture).save(workdir / "input.png")
        Image.fromarray(load(workdir)(picture)).save(workdir / "translated.png")
        with tarfile.open(archive, "w:gz", compresslevel=9) as file:
            file.add(workdir, "run", filter=lambda entry: None if entry.name == "run/report" else entry)


if __name__ == "__main__":
    make(Path(sys.argv[1]), *sys.argv[2:])
