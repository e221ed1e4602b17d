"""The pairs of a report: pages, names, values, size."""

import json
import re

import numpy as np
import pytest

from p2p_jax.config import Data
from p2p_jax.evaluation.pages import pictures
from p2p_jax.evaluation.pages.parts import as_data, interactive_document
from p2p_jax.evaluation.pages.ranking import rank

RANDOM = np.random.default_rng(0)


def gallery(count: int, size: int = 8, **values) -> pictures.Gallery:
    scores = values or {"ssim": [(7 * i % count) / count for i in range(count)], "sharpness": [0.5] * count}
    ranking = rank(scores, count)
    coarse = RANDOM.integers(60, 200, (count, size // 8, size // 8, 3), np.uint8)

    def read(indices):
        made = np.repeat(np.repeat(coarse[list(indices)], 8, 1), 8, 2)
        noise = RANDOM.integers(0, 30, made.shape, np.uint8)  # as in a photo, so that PNG is large
        pairs = [{"input": each, "target": each + more} for each, more in zip(made, noise, strict=True)]
        return pairs, list(made + noise // 2)

    pages = pictures.split_into_pages(ranking.order, (size, size))
    return pictures.Gallery([f"pair <{i}>" for i in range(count)], scores, ranking, Data(), read, pages)


def test_pages_have_50_pairs_and_fewer_of_larger_pictures():
    sizes = lambda pages: [len(page) for page in pages]
    assert sizes(pictures.split_into_pages(range(120), (256, 256))) == [50, 50, 20]
    assert sizes(pictures.split_into_pages(range(30), (512, 512))) == [12, 12, 6]
    assert sizes(pictures.split_into_pages(range(10), (4096, 4096))) == [8, 2]
    assert sum(sizes(pictures.split_into_pages(range(5000), (64, 64)))) == pictures.MOST


def test_the_first_four_are_the_worst_and_then_come_the_best():
    made = gallery(20)
    page = pictures.section(made, 1)
    shown = [int(index) for index in re.findall(r'<li class="pair" id="pair-(\d+)"', page)]
    assert shown == made.ranking.order
    values = [made.scores["ssim"][index] for index in shown]
    assert values[:4] == sorted(made.scores["ssim"])[:4]
    assert values[4:8] == sorted(made.scores["ssim"])[:-5:-1]
    badges = re.findall('<span class="badge">([^<]+)<', page)
    assert badges == [f"{kind} {i} by SSIM" for kind in ("worst", "best") for i in range(1, 5)]
    assert "&lt;3&gt;" in page
    assert "<3>" not in page


def test_every_metric_of_the_pairs_can_be_chosen_and_the_script_has_its_values():
    made = gallery(3, ssim=[0.1, None, 0.3], l1=[1.0, 2.0, 3.0])
    page = pictures.section(made, 1)
    choices = re.findall('<option value="([^"]+)">', page)
    assert choices == ["given", "name", "ssim worst", "ssim best", "l1 worst", "l1 best"]
    data = json.loads(as_data(pictures.as_data(made, 1)))
    assert data["metrics"][1] == {"name": "l1", "title": "L1", "best": "lower"}
    assert data["pairs"] == {"0": [0.1, 1.0], "1": [None, 2.0], "2": [0.3, 3.0]}


def test_the_table_links_every_pair_to_its_page():
    table = pictures.table_of_values(gallery(60, 64)._replace(pages=[[*range(50)], [*range(50, 60)]]))
    assert '<a href="#pair-3">' in table
    assert '<a href="pictures-2.html#pair-55">' in table
    assert table.count("<tr>") == 61
    assert 'data-value="0.5"' in table


@pytest.mark.slow
def test_50_pairs_of_256_pixels_stay_below_3_mb():
    page = interactive_document("title", [pictures.section(gallery(50, 256), 1)], pictures.as_data(gallery(50), 1))
    assert 500_000 < len(page) < 2_700_000


def test_data_cannot_end_the_script_that_holds_it():
    text = as_data({"name": "</script><!--", "value": None})
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><!--", "value": None}
