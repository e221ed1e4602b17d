"""Pages of HTML that need no other file: the frame with its policy, text, tables with titles of rows, pictures."""

import base64
import hashlib
import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from p2p_jax.files.names import printable

LOSSLESS = 2**14  # bytes of a PNG above which a picture is stored as WebP with losses

QUALITY = 90  # of such a picture


def escape(value: object) -> str:
    """A value as text that cannot become markup, a control character, or an error of encoding."""
    return html.escape(printable(value))


def document(title: str, style: str, body: Iterable[str], *, script: str = "", head: str = "") -> str:
    """A page that may show its own pictures, and has its own style and script; all else, requests too, is forbidden.

    Args:
        title: plain text.
        style: of the page.
        body: HTML of its parts.
        script: at the end of the page; "" forbids all scripts.
        head: further HTML of its head.
    """
    own_script = f"script-src '{_hash(script)}'; " if script else ""
    policy = (
        f"default-src 'none'; connect-src 'none'; img-src data:; style-src '{_hash(style)}'; {own_script}"
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}'
        f"<style>{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + (f"\n<script>{script}</script>" if script else "")
        + "\n</body></html>\n"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def titled_table(
    rows: Sequence[Sequence[str]], caption: str = "", classes: dict[str, str] | None = None, *, wraps: bool = False
) -> str:
    """A table that scrolls sideways where it is too wide.

    Args:
        rows: a row of titles, then the others; the first cell of each is its title.
        caption: above the table.
        classes: {text of a cell: class of the style}.
        wraps: whether cells may have several lines.
    """
    titles, *others = rows
    classes = classes or {}
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in titles)
    lines = []
    for first, *cells in others:
        marked = ((escape(each), f' class="{classes[each]}"' if each in classes else "") for each in cells)
        lines.append(
            f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td{name}>{each}</td>" for each, name in marked)
        )
    body = "".join(f"{line}</tr>" for line in lines)
    # The caption does not scroll with the table.
    above = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    opened = '<table class="wraps">' if wraps else "<table>"
    made = f"{opened}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<figure>{above}<div class="wide" tabindex="0">{made}</div></figure>'


def picture_source(picture: np.ndarray, *, exact: bool = False) -> str:
    """A picture (h, w, 1 or 3) uint8 as the address of an image: PNG, or if that is large WebP of quality 90.

    Args:
        picture: to store.
        exact: always as PNG, which keeps every value.
    """
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    kind, data = "png", _encode(image, format="PNG", optimize=True)
    if not exact and len(data) > LOSSLESS:
        kind, data = "webp", _encode(image, format="WEBP", quality=QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _encode(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)  # pyright: ignore[reportArgumentType]
    return file.getvalue()
