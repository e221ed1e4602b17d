"""The outputs of the sample grids, side by side for several steps."""

import numpy as np
import pytest

from p2p_jax.config import Data, Side
from p2p_jax.evaluation.pages.growth import cut, section, titles_of
from p2p_jax.evaluation.samples import make_grid, save_grid

RANDOM = np.random.default_rng(0)


def pictures(height: int, width: int, count: int = 2) -> list[np.ndarray]:
    return [RANDOM.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize(("size", "scale"), [((16, 16), 3), ((12, 20), 1)])
def test_a_grid_is_cut_into_its_pictures(size, scale):
    columns = {title: pictures(*size, 3) for title in ("input", "output", "target")}
    cells = cut(np.asarray(make_grid(columns, scale=scale)), 3, size)
    assert len(cells) == 3
    for row in range(3):
        for column, some in enumerate(columns.values()):
            np.testing.assert_array_equal(cells[row][column][::scale, ::scale], some[row])


def test_grids_of_another_form_are_not_cut():
    columns = {"input": pictures(16, 16), "output": pictures(20, 24)}
    assert cut(np.asarray(make_grid(columns)), 2, (16, 16)) is None


def test_each_picture_of_a_side_has_a_column():
    data = Data(input=Side(channels=(3, 1)), target=Side(kind="labels", classes=4))
    assert titles_of(data) == ["input 1", "input 2", "output", "target"]


def test_the_pair_comes_first_and_then_the_outputs_of_the_steps(tmp_path):
    for step in (4, 8, 12):
        path = tmp_path / "samples" / f"step_{step:08d}.png"
        save_grid(path, {title: pictures(16, 16) for title in ("input", "output", "target")})
    page = section(tmp_path, Data(), (16, 16))
    heads = [part.partition("<")[0] for part in page.split('<th scope="col">')[1:]]
    assert heads == ["input", "target", "step 4", "step 8", "step 12"]
    assert page.count("<img") == 2 * 5
    assert section(tmp_path, Data(), (30, 16)).count("<img") == 3  # whole grids


def test_a_run_without_samples_says_so(tmp_path):
    assert "no sample grids" in section(tmp_path, Data(), (16, 16))
