"""Putting pictures side by side without loss."""

import numpy as np
import pytest
from helpers.drawing import draw

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import join_halves


def test_different_halves_are_joined_without_loss():
    grey, rgb, deep = draw(1, channels=1), draw(2), draw(3, dtype=np.uint16)
    joined = join_halves(Picture(grey), Picture(rgb))
    assert np.array_equal(joined[:, :10], grey.repeat(3, -1))
    assert np.array_equal(joined[:, 10:], rgb)
    assert join_halves(Picture(rgb), Picture(deep)).dtype == np.uint16
    assert np.array_equal(join_halves(Picture(rgb), Picture(deep))[:, :10] // 257, rgb)
    clear = draw(4, channels=4)
    for halves in ((Picture(grey), Picture(clear, True)), (Picture(draw(5, channels=2), True), Picture(rgb))):
        joined = join_halves(*halves)
        assert joined.shape == (12, 20, 4)
        for half, place in zip(halves, (joined[:, :10], joined[:, 10:]), strict=True):
            colours = half.pixels[..., : half.pixels.shape[-1] - half.has_alpha]
            assert (place[..., :3] == colours).all()
            assert (place[..., 3] == (half.pixels[..., -1] if half.has_alpha else 255)).all()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (draw(1), draw(2, (12, 12)), "10 x 12 and 12 x 12 pixels"),
        (draw(1), draw(2, dtype=np.float32), "floating-point numbers"),
        (draw(1), draw(2, channels=5), "3 and 5 channels"),
    ],
)
def test_halves_that_cannot_be_joined_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        join_halves(Picture(a), Picture(b))
