"""The undamaged files that the fuzz tampers with."""

import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

from p2p_jax.data.pictures import write_picture
from p2p_jax.weight_files.state_dict import write_state_dict

PROGRAM = "import sys; from p2p_jax.cli import main; sys.exit(main())"

OPTIONS = (
    "--image-size 16 --data.load-size 18 --data.count 8 --generator.widths 2 2 --generator.width 2 "
    "--generator.dropout-levels innermost --discriminator.width 2 --discriminator.num-layers 1 --steps 2 "
    "--checkpoint-every 1 --log-every 1 --sample-every 2"
)

CODE = "from pathlib import Path\nPath({path!r}).write_text('run')\nfrom p2p_jax.config import Config\nCONFIG = Config()\n"


class Originals(NamedTuple):
    """Undamaged files.

    Attributes:
        run: a finished workdir.
        tars: tar files of pictures, not packed.
        arrays: NPZ files and files of torch.save.
        pictures: by their ending.
    """

    run: Path
    tars: list[bytes]
    arrays: dict[str, bytes]
    pictures: dict[str, bytes]


def make_run(workdir: Path) -> None:
    """Trains a tiny run for two steps."""
    command = [sys.executable, "-c", PROGRAM, "train", "quickstart", *OPTIONS.split(" "), "--workdir", str(workdir)]
    subprocess.run(command, check=True, capture_output=True)


def make_originals(run: Path, folder: Path) -> Originals:
    """Makes the other files; a finished workdir is given."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    pictures = _make_pictures(folder, pixels)
    tars = [_make_tar(pictures[".jpg"], kind) for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    arrays = {}
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        save(folder / f"{name}.npz", pixels)
        arrays[f"{name}.npz"] = (folder / f"{name}.npz").read_bytes()
    weights = {"model.1.weight": np.ones((2, 3, 3, 3), np.float32), "model.1.bias": np.zeros(2, np.float32)}
    write_state_dict(folder / "net.pth", weights)
    arrays["net.pth"] = (folder / "net.pth").read_bytes()
    arrays["code.pth"] = pickle.dumps((print, folder), protocol=2)
    return Originals(run, tars, arrays, pictures)


def _make_pictures(folder: Path, pixels: np.ndarray) -> dict[str, bytes]:
    found = {}
    for ending in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".npy"):
        write_picture(folder / f"1{ending}", pixels)
        write_picture(folder / f"2{ending}", pixels[..., :1] if ending in (".png", ".tiff") else pixels)
    deep = pixels.astype(np.uint16) * 257
    write_picture(folder / "deep.png", deep)
    write_picture(folder / "deep.tiff", np.concatenate([deep, deep], axis=-1))
    tifffile.imwrite(folder / "pages.tiff", np.moveaxis(deep, -1, 0), photometric="minisblack", metadata=None)
    tifffile.imwrite(folder / "tiles.tiff", deep, photometric="rgb", tile=(16, 16), compression="deflate", metadata=None)
    tifffile.imwrite(folder / "lzw.tiff", deep, photometric="rgb", compression="lzw", predictor=True, metadata=None)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274] = 6
    picture.save(folder / "progressive.jpg", progressive=True, exif=exif)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("P").save(folder / "palette.png", transparency=3)
    picture.convert("1").save(folder / "bitmap.png")
    picture.convert("P").save(folder / "palette.bmp")
    picture.save(folder / "lossy.webp", exif=exif)
    picture.save(folder / "moving.webp", save_all=True, append_images=[picture])
    picture.save(folder / "pil.tiff", compression="tiff_lzw", exif=exif)
    for path in sorted(folder.iterdir()):
        found[path.name if path.stem not in ("1",) else path.suffix] = path.read_bytes()
    return found


def _make_tar(picture: bytes, form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name in ("facades/train/1.jpg", f"facades/{'long' * 20}/train/2.jpg", "facades/readme.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(picture)
            tar.addfile(info, io.BytesIO(picture))
    return file.getvalue()
