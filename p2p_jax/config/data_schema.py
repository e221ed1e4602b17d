"""The options of the data: where the pairs come from, what their sides are, and how they are augmented."""

from dataclasses import dataclass, field
from typing import Any, Literal

Size = int | tuple[int, int]
"""Pixels a side, or (height, width)."""

Layout = Literal["auto", "side_by_side", "folders", "suffixes", "list"]
"""How the files of a pair are found."""


def runtime(default: Any) -> Any:
    """Returns a dataclass field that may change when a run is resumed."""
    return field(default=default, metadata={"runtime": True})


@dataclass(frozen=True)
class Side:
    """The kind of pictures on one side of the pairs, input or target."""

    kind: Literal["image", "labels"] = "image"
    """image: resized with the method data.resize; labels: a map of classes, resized to the nearest pixel and so never
    blurred."""
    channels: tuple[int, ...] = (3,)
    """Channels: 1 for grey, 3 for RGB, 4 for RGB and alpha, or as many as the files have. If a side has several stacked
    pictures (A1, A2, …), give one number for each, such as 3 1."""
    depth: Literal["8", "16", "float"] = "8"
    """Bits per value, in the files that are read and in those that are written; float means real numbers."""
    range: tuple[float, float] | None = None
    """The values that become -1 and 1. By default 0 255 for 8 bits, 0 65535 for 16 bits and 0 1 for float."""
    classes: int | None = None
    """Number of classes of a label map whose pixels hold class numbers from 0 on; each class becomes one channel
    (one-hot)."""
    palette: tuple[str, ...] | None = None
    """Colours of the classes of a label map; each class becomes one channel (one-hot). Give cmp (the CMP facades), a file
    with a line R G B [name] for each class, or the colours themselves, such as #0000de #ff0000. A pixel of another colour
    gets the class of the nearest one."""
    colour_jitter: float = 0.0
    """Change brightness, contrast and saturation of images at random, each by up to this fraction."""
    ignore: float | None = None
    """The value of pixels of which nothing is known, such as 255 in label maps or -9999 in maps of heights; with a palette
    the number of the class. In targets such pixels count neither in the losses nor in the metrics. In label maps they are a
    class of their own; in images each takes the value of the nearest known pixel."""


@dataclass(frozen=True)
class Augment:
    """Random changes that training makes to both sides of a pair alike, except input_warp and input_noise. The random crop
    depends on data.load_size.
    """

    flip: bool = True
    """Mirror half of the pairs left to right."""
    vertical_flip: bool = False
    """Mirror half of the pairs top to bottom."""
    quarter_turns: bool = False
    """Rotate by 0, 90, 180 or 270 degrees; for square pictures only."""
    rotate: float = 0.0
    """Rotate by up to this many degrees in either direction."""
    zoom: float = 0.0
    """Enlarge or shrink by up to this fraction."""
    shift: float = 0.0
    """Move by up to this fraction of the height and the width."""
    input_warp: float = 0.0
    """Warp the shapes in label maps that the generator sees, by up to this fraction of the height and the width, such as
    0.03; the target and what the discriminator sees stay."""
    input_noise: float = 0.0
    """Standard deviation of noise on the inputs that the generator sees, whose range is -1 to 1; what the discriminator
    sees stays."""


@dataclass(frozen=True)
class Data:
    """Where the pairs come from, and how their pictures are resized and read."""

    source: Literal["folder", "procedural"] = "folder"
    """folder: your pictures (data.path) or a prepared set (data.tfds); procedural: facades that the program draws."""
    path: str | None = runtime(None)
    """Your pairs: a folder of side-by-side pictures, or a folder with folders A and B that hold pictures of matching names,
    both optionally with sub-folders train, val and test; or a list of pairs (.csv, .tsv, .jsonl). It takes precedence over
    data.tfds."""
    layout: Layout = runtime("auto")
    """How the files of a pair are found in data.path. auto: from names, folders and pictures; side_by_side: each picture
    holds A at the left and B at the right; folders: two folders with pictures of the same names; suffixes: names that
    differ in a word, such as 1_A and 1_B; list: data.path is a list of pairs."""
    tfds: str | None = None
    """A set that p2p-jax data prepare has prepared for tensorflow-datasets, such as pix2pix/facades."""
    tfds_features: tuple[str, ...] | None = None
    """For any other prepared set, the names of the features that are A and B, such as image segmentation_mask."""
    tfds_dir: str | None = runtime(None)
    """Folder of the prepared sets, or its URL in a bucket (gs://, s3://, az://); by default that of tensorflow-datasets."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """AtoB: A (left) is the input and B (right) the target; BtoA: the other way round."""
    input: Side = Side()
    """The kind of the inputs."""
    target: Side = Side()
    """The kind of the targets."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "pad", "none"] = "resize_and_crop"
    """resize_and_crop: resize to load_size, then crop image_size at random; crop: the same without resizing; scale_width:
    resize to the width and keep the ratio; scale_width_and_crop: the same, then crop; pad: shrink to fit into image_size,
    and mirror the picture to fill it; none: keep the size."""
    load_size: Size | None = None
    """Pixels a side, or height and width, before the random crop. By default image_size times 286 / 256; if it equals
    image_size, there is no crop."""
    resize: Literal["bicubic", "bilinear", "area", "nearest"] = "bicubic"
    """How images are resized."""
    transparency: Literal["refuse", "drop"] = "refuse"
    """What to do with a picture that has transparent pixels if its side has no channel for alpha: refuse the picture, or
    drop its alpha channel."""
    val_fraction: float = 0.0
    """Fraction of the training pairs that is split off for validation if there is no val folder."""
    test_fraction: float = 0.0
    """Fraction of the training pairs that is split off for the test if there is no test folder."""
    count: int = 400
    """Number of training pairs that the source procedural draws; it draws an eighth as many for validation and for the
    test."""
    on_error: Literal["raise", "skip"] = runtime("raise")
    """An unreadable pair stops the run (raise), or another pair replaces it (skip)."""
    threads: int = runtime(2)
    """Number of threads that read pictures."""
    processes: int = runtime(0)
    """Number of processes that read pictures, instead of threads, if the pictures are not kept in memory."""
    cache: Literal["auto", "none", "memory", "device"] = runtime("auto")
    """Where decoded pictures are kept. auto: in memory, or in an accelerator's own memory, if they need at most
    cache_mib."""
    cache_mib: int = runtime(1024)
    """Largest size of the decoded pictures that auto keeps, in MiB."""
