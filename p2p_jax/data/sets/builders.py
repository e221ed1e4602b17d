"""Preparing the paper's sets from their archives. The records are {"name", "pair"}, with the JPEG as in the archive."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from p2p_jax.data.paper_sets import PAPER_SETS, PaperSet
from p2p_jax.data.prepared import SPLITS, count_pairs, data_root, is_prepared
from p2p_jax.data.sets.archives import MIRROR, Spooled, spool
from p2p_jax.data.sets.download import download
from p2p_jax.data.sets.shards import (
    SHARD_BYTES,
    VERSION,
    Planned,
    Prepared,
    Progress,
    locked,
    new_version,
    no_progress,
    write_set,
    write_splits,
)
from p2p_jax.files.names import printable

CITATION = """@inproceedings{isola2017image,
  title = {Image-to-Image Translation with Conditional Adversarial Networks},
  author = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle = {CVPR},
  year = {2017}
}"""

logging.getLogger("absl").setLevel(logging.ERROR)  # messages of TFDS about its own work


class Pix2pix(tfds.core.GeneratorBasedBuilder):
    """The paper's six sets for TFDS, as `tfds.builder("pix2pix/facades")`. The program itself uses `prepare_archive`.

    Attributes:
        archive: set it to use an existing archive instead of downloading one.
    """

    RELEASE_NOTES = {VERSION: "The archives of 2018."}  # noqa: RUF012 (TFDS requires it)
    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=f"A (left): {about.left}. B (right): {about.right}. {about.terms}")
        for name, about in PAPER_SETS.items()
    ]
    url_infos: Any = {}  # noqa: RUF012 (without it TFDS looks for a file of addresses, which needs one more package)
    archive: Path | None = None

    def __init__(self, *, file_format: Any = "array_record", **options: Any):
        super().__init__(file_format=file_format, **options)

    @property
    def about(self) -> PaperSet:
        """The description of the set."""
        return PAPER_SETS[str(self.builder_config_name)]

    def _info(self) -> tfds.core.DatasetInfo:
        info = tfds.core.DatasetInfo(
            builder=self,
            description="Pairs of pictures, side by side in one JPEG, as in their archive.",
            features=tfds.features.FeaturesDict(
                {"name": tfds.features.Text(), "pair": tfds.features.Image(encoding_format="jpeg")}
            ),
            homepage=self.about.homepage,
            citation=CITATION,
            license=self.about.terms,
            disable_shuffling=True,
        )
        info.initialize_from_bucket = lambda: None  # it would leave an empty temporary folder
        return info

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        archive = self.archive
        if archive is None:
            name = self.builder_config_name
            path = Path(dl_manager.download_dir) / "pix2pix" / f"{name}.tar.gz"
            archive = download(f"{MIRROR}/{name}.tar.gz", path)
        self._spooled = spool(archive, Path(self.data_dir))
        return {SPLITS[split]: self._generate_examples(self._spooled, split) for split in self._spooled.splits}

    def _generate_examples(self, spooled: Spooled, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(_read_records(spooled, split))

    def _generate_splits(self, dl_manager: Any, download_config: Any) -> Sequence[Any]:
        self._split_generators(dl_manager)  # TFDS itself needs TensorFlow to write over 1 GB
        with closing(self._spooled.file):
            return write_splits(self.info, Path(self.data_dir), _plan_splits(self._spooled))[0]


def prepare_archive(
    name: str,
    archive: Path,
    *,
    data_dir: Path | None = None,
    overwrite: bool = False,
    source: Mapping[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress = no_progress,
) -> Prepared:
    """Prepares one of the paper's sets from its archive. A set that is prepared already is kept.

    Args:
        name: one of `PAPER_SETS`.
        archive: its tar.gz.
        data_dir: folder of prepared sets; by default that of tensorflow-datasets.
        overwrite: prepare the set again, and replace the old one when the new one is complete.
        source: of the archive, for the record of the set.
        shard_bytes: largest size of a shard.
        on_progress: see `Progress`.

    Raises:
        UserError: the archive is missing, damaged or no archive, or another process is preparing the set.
        OSError: the disk is full, or a folder cannot be written.
    """
    root = data_root(data_dir)
    final = root / "pix2pix" / name / VERSION
    done, total = 0, archive.stat().st_size if archive.is_file() else None

    def on_read(size: int) -> None:
        nonlocal done
        done += size
        on_progress("read", done, total)

    with locked(final):
        if is_prepared(final) and not overwrite:
            return Prepared(final, count_pairs(final), new=False)
        with new_version(final) as folder:
            spooled = spool(archive, folder, on_read)
            with closing(spooled.file):
                write_set(
                    Pix2pix(config=name, data_dir=folder).info,  # without what is already in `root`
                    folder,
                    _plan_splits(spooled),
                    source={**(source or {}), "sha256": spooled.sha256},
                    shard_bytes=shard_bytes,
                    on_progress=on_progress,
                )
        return Prepared(final, count_pairs(final), new=True)


def _plan_splits(spooled: Spooled) -> dict[str, Planned]:
    return {
        split: Planned(len(places), sum(number for _, _, number in places), _read_records(spooled, split))
        for split, places in spooled.splits.items()
    }


def _read_records(spooled: Spooled, split: str) -> Iterator[dict[str, Any]]:
    for name, first, number in spooled.splits[split]:
        yield {"name": printable(name), "pair": spooled.read(first, number)}
