"""Values that mean that nothing is known of a pixel: found, told, and advised as `ignore`."""

import numpy as np
import pytest
import tifffile
from helpers.checked_sets import check, kinds, make_set, options_of

from p2p_jax.data.doctor.nodata import find_nodata
from p2p_jax.data.doctor.tags import Tags
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.procedural import facade


def heights(index: int, hole: float | None, size: int = 32) -> np.ndarray:
    """A map of heights from 0 to about 1000, with a hole of one value."""
    photo = facade(1, index, size=size)[0]
    made = photo[..., :1].astype(np.float32) * 4 + np.random.default_rng(index).uniform(0, 1, (size, size, 1))
    made = made.astype(np.float32)
    if hole is not None:
        made[:8, :8] = hole
    return made


@pytest.mark.parametrize("hole", [-9999.0, -32768.0, 1e20, float("nan"), -3.4028234663852886e38])
def test_a_lone_extreme_is_told_and_kept_out_of_the_range(tmp_path, hole):
    folder = make_set(tmp_path, lambda i: facade(1, i, size=32)[0], lambda i: heights(i, hole), count=8)
    findings = check(folder)
    assert list(kinds(findings)) == ["nodata"]
    found = options_of(folder, findings)  # reads every pair with these options
    low, high = map(float, found["--data.target.range"])
    assert -1 <= low <= high <= 1200
    assert np.float32(found["--data.target.ignore"][0]) == (np.float32(-9999) if np.isnan(hole) else np.float32(hole))


def test_the_tag_of_gdal_names_a_value_that_is_no_extreme(tmp_path):
    def write(index, folder):
        write_picture(folder / "A" / f"{index}.png", facade(1, index, size=32)[0])
        (folder / "B").mkdir(exist_ok=True)
        made = heights(index, 500.0)
        tifffile.imwrite(folder / "B" / f"{index}.tif", made[..., 0], extratags=[(42113, "s", 0, "500", True)])

    for index in range(8):
        write(index, tmp_path)
    findings = check(tmp_path)
    assert "which their headers mark as unknown" in findings.warnings[0].sentence
    assert options_of(tmp_path, findings)["--data.target.ignore"] == ["500"]


def test_ordinary_ranges_hold_no_such_value():
    random = np.random.default_rng(0)
    for values in (
        heights(0, None),
        random.normal(0, 1, (32, 32, 3)).astype(np.float32),
        random.integers(0, 65536, (32, 32, 1)).astype(np.uint16),
        np.where(random.random((32, 32, 1)) < 0.5, 0, 1).astype(np.float32),
        np.where(random.random((32, 32, 1)) < 0.5, 0, random.uniform(0.1, 1, (32, 32, 1))).astype(np.float32),
    ):
        assert find_nodata(values, Tags()) is None


def test_values_that_differ_from_picture_to_picture_are_told_but_not_ignored(tmp_path):
    folder = make_set(tmp_path, lambda i: facade(1, i, size=32)[0], lambda i: heights(i, -9000.0 - i), count=8)
    findings = check(folder)
    assert list(kinds(findings)) == ["nodata"]
    found = options_of(folder, findings)
    assert "--data.target.ignore" not in found
    assert float(found["--data.target.range"][0]) <= -9007


def test_a_picture_of_nan_alone_is_a_problem(tmp_path):
    folder = make_set(tmp_path, lambda i: facade(1, i, size=32)[0], lambda i: heights(i, None), count=3)
    write_picture(folder / "B" / "1.tiff", np.full((32, 32, 1), np.nan, np.float32))
    assert "nothing but NaN" in kinds(check(folder))["unreadable"][0]
