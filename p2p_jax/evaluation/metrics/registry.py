"""The metrics of pairs by their names: what each is, and on which data it can be computed."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from jax import Array

from p2p_jax.config import Side
from p2p_jax.config.derived import named_classes
from p2p_jax.config.metric_names import BETTER, Better
from p2p_jax.evaluation import metrics
from p2p_jax.evaluation.metrics import haar_similarity, multiscale_similarity, stride_patterns

Kind = Literal["any", "picture", "grey or colour picture", "colour picture", "label map", "label input"]
"""The kind of targets for which a metric is meant; "label input" if a segmenter must find the labels of the input."""


class Metric(NamedTuple):
    """A metric of pairs.

    Attributes:
        title: for tables.
        function: `(pictures, targets, known) -> (n,)` on the scale 0 to 255; of label maps `(confusion matrix) -> scalar`.
        unit: of its values; "" if they have none.
        best: which values are better.
        digits: after the decimal point, in tables.
        meaning: one sentence.
        needs: kind of target.
        smallest: pixels that each side needs.
        undefined: when a pair of the right kind has no score, as the end of a sentence.
    """

    title: str
    function: Callable[..., Array]
    unit: str
    best: Better
    digits: int
    meaning: str
    needs: Kind = "any"
    smallest: int = 1
    undefined: str = "no pixel of the target is known"


METRICS: dict[str, Metric] = {
    "l1": Metric(
        "L1", metrics.l1, "in the scale [-1, 1]", BETTER["l1"], 4,
        "The mean absolute difference of all values; a blurred mean of all possible pictures is best by it.",
    ),
    "psnr": Metric(
        "PSNR", metrics.psnr, "dB", BETTER["psnr"], 2,
        "The mean squared difference on a logarithmic scale; it, too, prefers a blurred mean.",
    ),
    "ssim": Metric(
        "SSIM", metrics.ssim, "", BETTER["ssim"], 4,
        "Brightness, contrast and structure compared in windows of 11 pixels; at most 1.", smallest=11,
    ),
    "ms_ssim": Metric(
        "MS-SSIM", metrics.ms_ssim, "", BETTER["ms_ssim"], 4,
        "SSIM at five scales, so that coarse layout counts beside fine structure; at most 1.",
        "picture", multiscale_similarity.SMALLEST,
        "each side of a picture needs at least 161 pixels, and known ones away from its border",
    ),
    "haarpsi": Metric(
        "HaarPSI", metrics.haarpsi, "", BETTER["haarpsi"], 4,
        "Edges compared at three scales where they are strong; of the metrics without weights one of those closest to "
        "people's judgement; at most 1.",
        "grey or colour picture", haar_similarity.SMALLEST,
    ),
    "sharpness": Metric(
        "sharpness", metrics.sharpness, "", BETTER["sharpness"], 3,
        "The gradient energy as a fraction of the target's: below 1 is blurred, above 1 is too noisy.",
        "picture", undefined="the target is uniform where it is known",
    ),
    "checkerboard": Metric(
        "checkerboard", metrics.checkerboard, "", BETTER["checkerboard"], 3,
        "How far patterns of 2 and 4 pixels stand out, as transposed convolutions leave them in smooth areas, divided by "
        "the same of the target: above 1 there is a grid.",
        "picture", stride_patterns.LENGTH,
        "each side of a picture needs at least 32 pixels, and a stretch of 32 by 4 pixels must be known",
    ),
    "colour_distance": Metric(
        "colour distance", metrics.colour_distance, "", BETTER["colour_distance"], 4,
        "The part of the histograms of L, a and b (CIE Lab) that is not shared with the target's, wherever the colours "
        "are; from 0 to 1.",
        "colour picture",
    ),
    "pixel_accuracy": Metric(
        "pixels right", metrics.pixel_accuracy, "", BETTER["pixel_accuracy"], 4,
        "The fraction of all pixels whose class is right.", "label map",
    ),
    "class_accuracy": Metric(
        "classes right", metrics.class_accuracy, "", BETTER["class_accuracy"], 4,
        "The fraction of right pixels of each class, as mean over the classes.", "label map",
    ),
    "iou": Metric(
        "IoU", metrics.iou, "", BETTER["iou"], 4,
        "Intersection over union of the result's and the target's area of each class, as mean over the classes.",
        "label map",
    ),
    "frequency_weighted_iou": Metric(
        "weighted IoU", metrics.frequency_weighted_iou, "", BETTER["frequency_weighted_iou"], 4,
        "The same, with classes weighted by their number of pixels in the targets.", "label map",
    ),
    "found_pixel_accuracy": Metric(
        "pixels recognised", metrics.pixel_accuracy, "", "higher", 4,
        "The fraction of pixels in which the segmenter finds the label of the input.", "label input",
    ),
    "found_class_accuracy": Metric(
        "classes recognised", metrics.class_accuracy, "", "higher", 4,
        "The fraction of recognised pixels of each class, as mean over the classes.", "label input",
    ),
    "found_iou": Metric(
        "recognised IoU", metrics.iou, "", "higher", 4,
        "Intersection over union of the labels of the input and those that the segmenter finds, as mean over the classes.",
        "label input",
    ),
    "found_frequency_weighted_iou": Metric(
        "recognised weighted IoU", metrics.frequency_weighted_iou, "", "higher", 4,
        "The same, with classes weighted by their number of pixels in the inputs.", "label input",
    ),
}  # fmt: skip
"""All metrics in the order of tables. Those of label maps and label inputs come from one confusion matrix of all pairs; the
others are means over the pairs."""


def suits(metric: Metric, target: Side) -> bool:
    """Whether a metric is meant for this kind of target, at any size."""
    return is_kind(metric.needs, target)


def is_kind(kind: Kind, target: Side) -> bool:
    """Whether a target is of a kind."""
    labels = bool(named_classes(target))
    picture = not labels and target.kind == "image"
    return {
        "any": True,
        "picture": picture,
        "grey or colour picture": picture and target.channels in ((1,), (3,)),
        "colour picture": picture and target.channels == (3,),
        "label map": labels,
        "label input": False,
    }[kind]


def names_for(target: Side) -> tuple[str, ...]:
    """The metrics that are means over pairs and suit a kind of target."""
    return tuple(name for name, metric in METRICS.items() if not metric.needs.startswith("label") and suits(metric, target))


LABEL_METRICS = tuple(name for name, metric in METRICS.items() if metric.needs == "label map")
"""The metrics that are computed from a confusion matrix with the target."""

FOUND = "found_"
"""The beginning of the names of the same metrics for the labels that a segmenter finds."""
