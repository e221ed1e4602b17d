"""Labels recovered: finds the classes in the pictures that a translator made, with a network that was trained for that.

A translator from labels to pictures is good if its labels can be found again in its pictures. The segmenter is a run in the
other direction, from the targets of the judged run to its inputs as label maps: see `experiments/segmenter.py`. What it
finds in real targets is the ceiling; made pictures are compared with that, not with 1.

Source: Isola et al. 2017, section 4.1, the FCN score; a network of this package takes the place of the FCN.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from p2p_jax.config import Config, Side
from p2p_jax.config.derived import ignored_class, named_classes
from p2p_jax.data.fit import Fit, fit_of_evaluation
from p2p_jax.data.palettes import nearest_class, read_palette
from p2p_jax.data.sides import value_range
from p2p_jax.data.values import decode
from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics
from p2p_jax.inference.translate import Translator, load

FAR = 40.0
"""RGB distance from the nearest colour of a palette above which a pixel does not belong to a label map in these colours."""

UNKNOWN = -1
"""The class of pixels whose class nobody knows; it counts in no metric."""


class Segmenter(NamedTuple):
    """A trained network that finds the classes in pictures.

    Attributes:
        workdir: of its run, for messages.
        translator: from pictures to label maps.
    """

    workdir: str
    translator: Translator

    @property
    def classes(self) -> int:
        """The number of classes that it tells apart."""
        return named_classes(self.translator.data.target) or 0

    def find_labels(self, pictures: ArrayLike) -> np.ndarray:
        """Finds the class of every pixel.

        Args:
            pictures: (n, h, w, c) on the scale 0 to 255, at the size of the judged run; values that the segmenter's input
                cannot hold are rounded.

        Returns:
            (n, h, w, 1) uint8, the numbers of the classes.
        """
        stored = decode(self.translator.data.input, jnp.asarray(pictures, jnp.float32) / 127.5 - 1)
        return self.translator(np.asarray(stored))


def load_segmenter(
    workdir: str | Path,
    config: Config,
    *,
    checkpoint_step: int | str = "latest",
    trust: bool = False,
    build: Callable[[Any], Any] | None = None,
) -> Segmenter:
    """Loads the run that finds labels, and checks that it fits the run that is judged.

    Args:
        workdir: of the segmenter; a folder, or its URL in a bucket.
        config: of the run that is judged.
        checkpoint_step, trust, build: as for `inference.load`.

    Raises:
        UserError: the folder is no workdir, or the two runs do not fit: see `check_fit`.
    """
    segmenter = Segmenter(str(workdir), load(workdir, checkpoint_step=checkpoint_step, trust=trust, build=build))
    check_fit(segmenter, config)
    return segmenter


def check_fit(segmenter: Segmenter, config: Config) -> None:
    """Refuses a segmenter that cannot find the labels of a run in its pictures.

    Args:
        segmenter: the segmenter.
        config: of the run that is judged.

    Raises:
        UserError: the segmenter's target is no label map with classes, its input is not of the kind of the run's target,
            its classes are not those of the run's input, or the sizes of the pictures differ.
    """
    data, given = segmenter.translator.data, f"--segmenter was given {segmenter.workdir}"
    if not segmenter.classes:
        raise UserError(
            f"{given}, whose target is no label map with classes: give a run from pictures to label maps, such as one of "
            "p2p-jax train segmenter."
        )
    if named_classes(config.data.target):
        raise UserError(
            f"{given}, but the target of the judged run is a label map itself: omit --segmenter, because such labels "
            "are compared without it."
        )
    found, wanted = _describe_pictures(data.input), _describe_pictures(config.data.target)
    if found != wanted:
        raise UserError(
            f"{given}, whose inputs are {found}, but the targets of the judged run are {wanted}: train a segmenter on the "
            "same pictures."
        )
    if not _same_classes(config.data.input, data.target):
        raise UserError(
            f"{given}, which finds {_describe_classes(data.target)}, but the inputs of the judged run are "
            f"{_describe_classes(config.data.input)}: train a segmenter on the same label maps."
        )
    own, size = _describe_size(segmenter.translator.fit), _describe_size(fit_of_evaluation(config))
    if own != size:
        raise UserError(
            f"{given}, which was trained on {own}, but the judged run has {size}: train a segmenter with the same "
            "--image-size and --data.preprocess."
        )


def true_labels(segmenter: Segmenter, side: Side, inputs: ArrayLike) -> np.ndarray:
    """Reads the true classes from the inputs of the run that is judged.

    Args:
        segmenter: which fits that run.
        side: the run's input. If it is no one-hot side, the colours of its pictures are those of the segmenter's palette,
            and a pixel of another colour, as at an edge that resizing blurred, has the class of the nearest one.
        inputs: (n, h, w, c) stored values of that side.

    Returns:
        (n, h, w, 1) int32, the numbers of the classes; `UNKNOWN` for ignored pixels.

    Raises:
        UserError: most pixels of a picture have other colours than those of the palette.
    """
    stored, palette = np.asarray(inputs), segmenter.translator.data.target.palette
    if named_classes(side):
        labels = stored.astype(np.int32)
        return np.where(labels == ignored_class(side), UNKNOWN, labels)
    colours = read_palette(palette or ())
    labels = np.stack([nearest_class(picture, colours)[0] for picture in stored])[..., None]
    distance = np.linalg.norm(stored - colours[labels[..., 0]].astype(np.float32), axis=-1)
    if ((distance > FAR).mean((1, 2)) > 0.5).any():
        raise UserError(
            f"--segmenter was given {segmenter.workdir}, but the inputs of the judged run are no label maps in the colours "
            "of its classes: give a run from such label maps to pictures, or omit --segmenter."
        )
    return labels.astype(np.int32)


def confusion_of(labels: ArrayLike, truth: ArrayLike, known: Any = None, *, classes: int) -> np.ndarray:
    """Compares found labels with the true ones.

    Args:
        labels: (n, h, w, 1) integers, from `Segmenter.find_labels`.
        truth: (n, h, w, 1) integers, from `true_labels`.
        known: (n, h, w, 1), the weight of each pixel, or None if all pixels count.
        classes: of the segmenter.

    Returns:
        (n, classes, classes) float64: for each picture the pixels of every true class (rows) that were found as every
        class (columns). Sums over pictures are exact.
    """
    given, true = jnp.asarray(labels, jnp.int32), jnp.asarray(truth, jnp.int32)
    return np.asarray(_confusion(given, true, known, classes=classes), np.float64)


_confusion = jax.jit(metrics.confusion, static_argnames="classes")


def _describe_pictures(side: Side) -> str:
    """The kind of the pictures of a side that is not one-hot, for messages: equal words mean equal kinds."""
    low, high = value_range(side)
    channels = " + ".join(map(str, side.channels)) + (" channel" if side.channels == (1,) else " channels")
    kind = "label maps without classes" if side.kind == "labels" else "images"
    values = "floating-point numbers" if side.depth == "float" else f"{side.depth} bits"
    return f"{kind} with {channels} of {values} from {low:g} to {high:g}"


def _describe_classes(side: Side) -> str:
    """The classes of a side, for messages."""
    if side.palette:
        return f"{len(side.palette)} classes with the colours {' '.join(side.palette)}"
    return f"{side.classes} class numbers" if side.classes else f"{_describe_pictures(side)} and no classes"


def _describe_size(fit: Fit) -> str:
    """The size of the pictures that a network was trained on, for messages: equal words mean equal sizes."""
    height, width = fit.size
    fixed = fit._replace(uncropped=False).fixed
    return f"pictures of {width} x {height} pixels" if fixed else "pictures of different sizes"


def _same_classes(side: Side, target: Side) -> bool:
    """Whether the inputs of the judged run hold the classes of the segmenter's target."""
    if named_classes(side):
        return (named_classes(side), side.palette) == (named_classes(target), target.palette)
    return bool(target.palette) and side.channels == (3,) and side.depth == "8" and side.range is None
