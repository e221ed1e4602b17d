"""Labels are found again in made pictures, and a segmenter that does not fit the judged run is refused."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import runs
from helpers.cases import tiers

from p2p_jax.config import Config, Data, Side
from p2p_jax.data.fit import fit_of_evaluation, fit_of_translation
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.pairs import read_batch
from p2p_jax.data.values import to_255
from p2p_jax.errors import UserError
from p2p_jax.evaluation.columns import Columns, Scores, add_up
from p2p_jax.evaluation.metrics.label_agreement import counts
from p2p_jax.evaluation.metrics.registry import FOUND, LABEL_METRICS
from p2p_jax.evaluation.segmenter import (
    UNKNOWN,
    Segmenter,
    check_fit,
    confusion_of,
    load_segmenter,
    true_labels,
)
from p2p_jax.inference.translate import Translator
from p2p_jax.workdir.record import load_experiment

COLOURS = ("#000000", "#ff0000", "#00ff00")
LABELS = Side(kind="labels", palette=COLOURS)
JUDGED = Config(image_size=32, data=Data(input=LABELS))


def segmenter_of(config=JUDGED, apply=lambda *arguments: arguments[-1], **sides):
    """A segmenter that suits a run, with `(params, state, key, pictures) -> labels` as its network."""
    data = replace(config.data, **{"input": config.data.target, "target": LABELS, **sides})
    fit = fit_of_translation(replace(config, data=data))
    return Segmenter("runs/segmenter", Translator({}, {}, apply, data, fit, step=1))


def with_sides(config=JUDGED, **sides):
    return replace(config, data=replace(config.data, **sides))


@pytest.mark.parametrize(
    ("side", "stored"),
    tiers(
        [
            (Side(), np.arange(256).astype(np.uint8)),
            (Side(depth="16"), np.arange(0, 65536, 13).astype(np.uint16)),
            (Side(depth="16", range=(0, 4095)), np.arange(4096).astype(np.uint16)),
            (Side(depth="float", range=(-2, 3)), np.linspace(-2, 3, 100).astype(np.float32)),
        ],
        slow=1,
        several=True,
    ),
)
def test_the_segmenter_sees_the_stored_values_of_its_own_training(side, stored):
    pictures = to_255(side, jnp.broadcast_to(stored[None, :, None, None], (1, len(stored), 1, 3)))
    seen = segmenter_of(with_sides(target=side)).find_labels(pictures)
    assert seen.dtype == stored.dtype
    np.testing.assert_allclose(seen[0, :, 0, 0], stored, rtol=0, atol=0 if side.depth != "float" else 1e-6)


def test_classes_are_read_from_class_numbers_or_from_colours():
    numbers = np.array([[[[0], [1]], [[2], [1]]]], np.uint8)
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)], np.uint8)[numbers[..., 0]]
    segmenter = segmenter_of()
    np.testing.assert_array_equal(true_labels(segmenter, LABELS, numbers), numbers)
    np.testing.assert_array_equal(true_labels(segmenter, Side(), colours + (colours < 9) * np.uint8(9)), numbers)


@pytest.mark.parametrize(("ignore", "own"), [(255, 3), (1, 1)])
def test_ignored_pixels_have_no_true_class(ignore, own):
    side = Side(kind="labels", classes=3, ignore=ignore)
    stored = np.array([0, own, 2], np.uint8).reshape(1, 1, 3, 1)
    assert true_labels(segmenter_of(), side, stored).ravel().tolist() == [0, UNKNOWN, 2]


def test_photos_in_place_of_label_maps_are_refused():
    photo = np.random.default_rng(0).integers(100, 160, (1, 8, 8, 3)).astype(np.uint8)
    with pytest.raises(
        UserError, match=r"runs/segmenter, but the inputs of the judged run are no label maps in the colours"
    ):
        true_labels(segmenter_of(), Side(), photo)


def scores_of(confusion: np.ndarray) -> Scores:
    """The figures that an evaluation computes from the confusion of each picture."""
    columns = Columns((), confusion.shape[-1], found=True)
    return columns.scores(*add_up(np.stack(counts(jnp.asarray(confusion)), 1).reshape(len(confusion), -1)))


def test_the_scores_are_those_of_all_known_pixels():
    truth = np.array([[0, 0, 1, UNKNOWN], [2, 2, 2, 1]]).reshape(2, 1, 4, 1)
    found = np.array([[0, 1, 1, 2], [2, 2, 0, 1]]).reshape(2, 1, 4, 1)
    confusion = confusion_of(found, truth, classes=3)
    assert confusion.tolist() == [[[1, 1, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 0], [1, 0, 2]]]
    scores = scores_of(confusion)
    assert set(scores) == {FOUND + name for name in LABEL_METRICS}
    assert scores["found_pixel_accuracy"] == pytest.approx(5 / 7)
    assert scores["found_iou"] == pytest.approx((1 / 3 + 2 / 3 + 2 / 3) / 3)
    known = np.array([[1, 0, 1, 1], [1, 1, 0, 1]]).reshape(2, 1, 4, 1)
    assert scores_of(confusion_of(found, truth, known, classes=3)) == dict.fromkeys(scores, 1.0)
    unknown = scores_of(confusion_of(found, truth, 0 * known, classes=3))
    assert all(np.isnan(value) for value in unknown.values())


@pytest.mark.parametrize(
    "judged",
    [
        JUDGED,
        with_sides(input=Side()),
        with_sides(JUDGED, target=Side(channels=(1,), depth="16", range=(0, 4095))),
        replace(with_sides(preprocess="scale_width"), image_size=64),
    ],
)
def test_a_segmenter_of_the_same_pictures_and_labels_fits(judged):
    check_fit(segmenter_of(judged), judged)


@pytest.mark.parametrize(
    ("segmenter", "judged", "sentence"),
    [
        (segmenter_of(target=Side()), JUDGED, "whose target is no label map with classes"),
        (segmenter_of(), with_sides(target=LABELS), "the target of the judged run is a label map itself"),
        (segmenter_of(input=Side(channels=(1,))), JUDGED, "inputs are images with 1 channel of 8 bits from 0 to 255, but"),
        (segmenter_of(), with_sides(target=Side(depth="16")), "targets of the judged run are images with 3 channels of 16"),
        (segmenter_of(), with_sides(input=Side(kind="labels", palette=COLOURS[::-1])), "finds 3 classes with the colours "),
        (segmenter_of(), with_sides(input=Side(kind="labels", classes=3)), "inputs of the judged run are 3 class numbers"),
        (segmenter_of(), with_sides(input=Side(channels=(1,))), "images with 1 channel of 8 bits from 0 to 255 and no cla"),
        (segmenter_of(), replace(JUDGED, image_size=(32, 64)), "on pictures of 32 x 32 pixels, but the judged run has pic"),
        (segmenter_of(), with_sides(preprocess="none"), "but the judged run has pictures of different sizes: train"),
    ],
)  # fmt: skip
def test_a_segmenter_that_does_not_fit_is_refused(segmenter, judged, sentence):
    with pytest.raises(UserError, match=r"^--segmenter was given runs/segmenter, ") as refused:
        check_fit(segmenter, judged)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


OF_LABELS = (
    *("--data.direction", "BtoA", "--data.target.kind", "labels", "--data.target.palette", "cmp"),
    *("--loss.reconstruction", "cross_entropy", "--loss.adversarial-weight", "0"),
)


@pytest.mark.exhaustive
def test_a_tiny_segmenter_learns_in_micro_batches_of_bfloat16_on_two_devices(tmp_path, monkeypatch, capsys):
    runs.skip_report(monkeypatch)
    computed = ("--batch-size", "4", "--accumulate", "2", "--dtype", "bfloat16")
    lasting = ("--steps", "60", "--log-every", "6", "--sample-every", "60", "--checkpoint-every", "60")
    assert runs.train(tmp_path / "run", *runs.DRAWN, *OF_LABELS, *computed, *lasting) == 0
    assert "on 2 x cpu" in capsys.readouterr().out
    rows = [row["generator_loss"] for row in runs.rows_of(tmp_path / "run") if "generator_loss" in row]
    assert rows[0] < 100 * np.log(12) * 1.5
    assert rows[-1] < 0.8 * rows[0]
    config = load_experiment(tmp_path / "run").config
    labels, photo = config.data.target, config.data.input
    judged = replace(config, data=replace(config.data, direction="AtoB", input=labels, target=photo))
    segmenter = load_segmenter(tmp_path / "run", judged)
    batch = read_batch(open_dataset(judged).splits["train"], range(8), fit_of_evaluation(judged))
    truth = true_labels(segmenter, labels, batch["input"])
    confusion = confusion_of(segmenter.find_labels(batch["target"]), truth, classes=12)
    assert confusion.sum((1, 2)).tolist() == [256.0] * 8
    assert scores_of(confusion)["found_pixel_accuracy"] > 0.4
