"""The data sets of the pix2pix paper."""

from typing import NamedTuple


class PaperSet(NamedTuple):
    """One of the paper's sets.

    Attributes:
        left, right: what A and B show in its side-by-side pictures.
        pairs: number of pairs in each split, as published.
        homepage: where the pictures come from.
        terms: what is known about their licence.
    """

    left: str
    right: str
    pairs: dict[str, int]
    homepage: str
    terms: str


PAPER_SETS: dict[str, PaperSet] = {
    "facades": PaperSet(
        "photo of a facade", "label map", {"train": 400, "val": 100, "test": 106},
        "https://cmp.felk.cvut.cz/~tylecr1/facade/", "No licence is in the archive; see the CMP Facade Database.",
    ),
    "maps": PaperSet(
        "aerial photo", "map", {"train": 1096, "val": 1098},
        "https://phillipi.github.io/pix2pix/", "Scraped from Google Maps, whose terms apply.",
    ),
    "cityscapes": PaperSet(
        "photo of a street", "label map", {"train": 2975, "val": 500},
        "https://www.cityscapes-dataset.com/", "The terms of Cityscapes apply: research that is not commercial.",
    ),
    "edges2shoes": PaperSet(
        "edges", "photo of a shoe", {"train": 49_825, "val": 200},
        "https://vision.cs.utexas.edu/projects/finegrained/utzap50k/",
        "The terms of UT Zappos50K apply: academic use that is not commercial.",
    ),
    "edges2handbags": PaperSet(
        "edges", "photo of a handbag", {"train": 138_567, "val": 200},
        "https://github.com/junyanz/iGAN", "Collected from Amazon for iGAN; no licence is in the archive.",
    ),
    "night2day": PaperSet(
        "photo by night", "photo by day", {"train": 17_823, "val": 2287, "test": 2297},
        "http://transattr.cs.brown.edu/", "From the Transient Attributes set; no licence is in the archive.",
    ),
}  # fmt: skip
