"""The contact sheet: marked pairs first, and every depth visible."""

import numpy as np
from helpers.checked_sets import check
from PIL import Image

from p2p_jax.data.doctor.contact_sheet import draw_sheet, make_visible


def test_marked_pairs_come_first(good, tmp_path):
    def red() -> int:
        with Image.open(tmp_path / "sheet.png") as sheet:
            return int((np.asarray(sheet) == (255, 0, 0)).all(-1).sum())

    assert draw_sheet(tmp_path / "sheet.png", check(good), 2)
    plain = red()
    (good / "trainB" / "20.png").write_bytes(b"")
    assert draw_sheet(tmp_path / "sheet.png", check(good), 2)
    assert red() > plain + 200


def test_other_depths_and_class_numbers_are_made_visible():
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
    for values, limits in (
        ((ramp * 900).astype(np.uint16), (0, 900)),
        (ramp * 3 - 1, (-1, 2)),
        ((ramp * 11).astype(np.uint8), (0, 11)),
    ):
        shown = make_visible(values, limits)
        assert (shown.min(), shown.max(), shown.dtype, shown.shape[-1]) == (0, 255, np.uint8, 3)
    photo = np.full((8, 8, 3), 90, np.uint8)
    assert (make_visible(photo, (0, 200)) == 90).all()
