"""Pages that need no other file, run nothing and show foreign text as text."""

import base64
import hashlib
import io
import re

import numpy as np
from PIL import Image

from p2p_jax.evaluation.html import LOSSLESS, document, picture_source, titled_table


def test_a_page_forbids_everything_but_its_own_pictures_and_style():
    page = document("<b>", "p { color: red; }", ["<p>x</p>"])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    style = base64.b64encode(hashlib.sha256(b"p { color: red; }").digest()).decode()
    assert policy == (
        f"default-src 'none'; connect-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; "
        "form-action 'none'"
    )
    assert "<title>&lt;b&gt;</title>" in page
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_cells_cannot_become_markup():
    made = titled_table([["", "<i>"], ["<b>", "better"], ["x\n", '"']], "<u>", {"better": "good"})
    assert not re.search("<[biu]>", made)
    assert '<th scope="row">&lt;b&gt;</th><td class="good">better</td>' in made
    assert '<th scope="row">x\\n</th><td>&quot;</td>' in made


def decoded(source: str) -> tuple[str, np.ndarray]:
    kind, data = re.fullmatch("data:image/(.*);base64,(.*)", source).groups()
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_small_and_exact_pictures_keep_every_value_and_others_nearly():
    random = np.random.default_rng(0)
    small, large = random.integers(0, 256, (32, 32, 3), np.uint8), random.integers(0, 256, (128, 128, 3), np.uint8)
    for picture, exact in ((small, False), (large, True)):
        kind, found = decoded(picture_source(picture, exact=exact))
        assert kind == "png"
        np.testing.assert_array_equal(found, picture)
    smooth = np.stack(np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2), -1)
    smooth = np.concatenate([smooth, smooth[..., :1] // 2], -1)
    noisy = (smooth // 2 + random.integers(0, 9, smooth.shape)).astype(np.uint8)
    kind, found = decoded(picture_source(noisy))
    assert kind == "webp"
    assert len(picture_source(noisy)) < len(picture_source(noisy, exact=True))
    assert len(picture_source(noisy, exact=True)) > LOSSLESS
    assert np.abs(found.astype(float) - noisy).mean() < 8
    assert decoded(picture_source(small[..., :1]))[1].shape == (32, 32)
