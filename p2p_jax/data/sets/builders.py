"""Preparing sets of tensorflow-datasets without TensorFlow: the paper's from their archives, one's own from a folder.

The records of the paper's sets are {"name", "pair"}, with the JPEG as it is in the archive. Those of one's own are {"name"}
and the file of each part, byte for byte (see `layout.Files` for the parts).
"""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from p2p_jax.data.layout import Files
from p2p_jax.data.paper_sets import PAPER_SETS, PaperSet
from p2p_jax.data.prepared import SPLITS, count_pairs, data_root, is_prepared, read_record
from p2p_jax.data.sets.archives import MIRROR, Spooled, spool
from p2p_jax.data.sets.download import download
from p2p_jax.data.sets.shards import (
    SHARD_BYTES,
    Planned,
    Progress,
    locked,
    new_version,
    no_progress,
    write_set,
    write_splits,
)
from p2p_jax.errors import UserError

__all__ = ["Pix2pix", "Prepared", "prepare_archive", "prepare_folder"]

VERSION = "1.0.0"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PART = re.compile(r"pair|mask|[AB]\d*")
CITATION = """@inproceedings{isola2017image,
  title = {Image-to-Image Translation with Conditional Adversarial Networks},
  author = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle = {CVPR},
  year = {2017}
}"""

logging.getLogger("absl").setLevel(logging.ERROR)  # what TFDS tells of its own work


class Prepared(NamedTuple):
    """A prepared set.

    Attributes:
        path: folder of its shards.
        pairs: how many each split has, by our names of splits.
        new: whether it was written just now.
    """

    path: Path
    pairs: dict[str, int]
    new: bool


class Pix2pix(tfds.core.GeneratorBasedBuilder):
    """The paper's six sets for TFDS, as `tfds.builder("pix2pix/facades")`; the command uses `prepare_archive`.

    Attributes:
        archive: set it to use an archive that is there instead of downloading one.
    """

    RELEASE_NOTES = {VERSION: "The archives of 2018."}  # noqa: RUF012 (as TFDS wants it)
    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=f"A (left): {about.left}. B (right): {about.right}. {about.terms}")
        for name, about in PAPER_SETS.items()
    ]
    url_infos: Any = {}  # noqa: RUF012 (none of TFDS's own kind; to look for a file of them needs one more package)
    archive: Path | None = None

    def __init__(self, *, file_format: Any = "array_record", **options: Any):
        super().__init__(file_format=file_format, **options)

    @property
    def about(self) -> PaperSet:
        """What is known of the set."""
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
        info.initialize_from_bucket = lambda: None  # it would leave an empty folder in the system's temporary one
        return info

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        archive = self.archive
        if archive is None:
            name = self.builder_config_name
            path = Path(dl_manager.download_dir) / "pix2pix" / f"{name}.tar.gz"
            archive = download(f"{MIRROR}/{name}.tar.gz", path, sha256=self.about.sha256)
        self._spooled = spool(archive, Path(self.data_dir))
        return {SPLITS[split]: self._generate_examples(self._spooled, split) for split in self._spooled.splits}

    def _generate_examples(self, spooled: Spooled, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(_records(spooled, split))

    def _generate_splits(self, dl_manager: Any, download_config: Any) -> Sequence[Any]:
        self._split_generators(dl_manager)  # what TFDS would make of the generators needs TensorFlow above 1 GB
        with closing(self._spooled.file):
            return write_splits(self.info, Path(self.data_dir), _plan(self._spooled))[0]


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
    """Prepares one of the paper's sets from its archive; one that is there already is left as it is.

    Args:
        name: one of `PAPER_SETS`.
        archive: its tar.gz.
        data_dir: folder of prepared sets; by default that of tensorflow-datasets.
        overwrite: prepare it anew, and replace what is there when that is done.
        source: what to note of where it comes from.
        shard_bytes: how large a shard may become.
        on_progress: see `Progress`.

    Raises:
        UserError: the archive is none, or damaged; or another process is preparing the set.
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
                    Pix2pix(config=name, data_dir=folder).info,  # not of what is in `root` already
                    folder,
                    _plan(spooled),
                    source={**(source or {}), "sha256": spooled.sha256},
                    shard_bytes=shard_bytes,
                    on_progress=on_progress,
                )
        return Prepared(final, count_pairs(final), new=True)


def _plan(spooled: Spooled) -> dict[str, Planned]:
    return {
        split: Planned(len(places), sum(number for _, _, number in places), _records(spooled, split))
        for split, places in spooled.splits.items()
    }


def _records(spooled: Spooled, split: str) -> Iterator[dict[str, Any]]:
    for name, first, number in spooled.splits[split]:
        yield {"name": name, "pair": spooled.read(first, number)}


def prepare_folder(
    folder: Path,
    name: str,
    splits: Mapping[str, Sequence[Files]],
    *,
    data_dir: Path | None = None,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress = no_progress,
) -> Prepared:
    """Makes a set of one's own pictures; if it was made of the same files before, it is left as it is.

    Args:
        folder: where they come from, for messages and the record.
        name: of the set: small letters, digits and _.
        splits: {"train" | "val" | "test": [(name, {part: file})]}, in the order of the records (`layout.find_parts`).
        data_dir, overwrite, shard_bytes, on_progress: as for `prepare_archive`.

    Raises:
        UserError: the name is no such name or another set's; the pairs do not all have the same parts; a file is gone.
        OSError: the disk is full, or a file or folder cannot be read or written.
    """
    _check_name(name)
    splits = {split: splits[split] for split in SPLITS if splits.get(split)}
    parts = _common_parts(folder, splits)
    root = data_root(data_dir)
    final = root / name / VERSION
    sizes, listing = _list(splits)
    with locked(final):
        if is_prepared(final):
            same = _refuse_other(final, name, folder, listing, overwrite)
            if same and not overwrite:
                return Prepared(final, count_pairs(final), new=False)
        elif any(root.joinpath(name).iterdir()):
            raise UserError(f"{root / name} already holds something else: give another --name.")
        plans = {split: Planned(len(pairs), sizes[split], _read(pairs)) for split, pairs in splits.items()}
        noted = {"folder": str(folder.absolute()), "listing": listing}
        with new_version(final) as fresh:
            info = _own_info(name, fresh, parts, folder)
            write_set(info, fresh, plans, source=noted, shard_bytes=shard_bytes, on_progress=on_progress)
        return Prepared(final, count_pairs(final), new=True)


def _check_name(name: str) -> None:
    if name == "pix2pix" or name in PAPER_SETS or name == "downloads":
        raise UserError(f"--name was given {name}, which is taken: choose another name for your pictures.")
    if not NAME.fullmatch(name):
        raise UserError(f"--name was given {name!r}: it must be of small letters, digits and _, a letter first.")


def _common_parts(folder: Path, splits: Mapping[str, Sequence[Files]]) -> list[str]:
    """The parts that every pair has."""
    kinds = {frozenset(files) for pairs in splits.values() for _, files in pairs}
    if not kinds:
        raise UserError(f"{folder} holds no pairs of pictures: give another folder.")
    if len(kinds) > 1 or not all(PART.fullmatch(part) for kind in kinds for part in kind):
        described = ", or ".join(" and ".join(sorted(kind)) for kind in kinds)
        raise UserError(f"the pairs of {folder} do not all have the same pictures (some {described}): add what is missing.")
    return sorted(kinds.pop())


def _list(splits: Mapping[str, Sequence[Files]]) -> tuple[dict[str, int], str]:
    """The bytes of each split, and a hash of which files there are, with their sizes and times."""
    digest, sizes = hashlib.sha256(), dict.fromkeys(splits, 0)
    for split, pairs in splits.items():
        for name, files in pairs:
            for part, path in sorted(files.items()):
                try:
                    about = path.stat()
                except FileNotFoundError:
                    raise _gone(path) from None
                sizes[split] += about.st_size
                digest.update(f"{split} {name} {part} {about.st_size} {about.st_mtime_ns}\n".encode())
    return sizes, digest.hexdigest()


def _read(pairs: Sequence[Files]) -> Iterator[dict[str, Any]]:
    for name, files in pairs:
        try:
            yield {"name": name, **{part: path.read_bytes() for part, path in files.items()}}
        except FileNotFoundError as error:
            raise _gone(error.filename) from None


def _gone(path: Any) -> ValueError:
    return ValueError(f"{path} does not exist: it was removed, or is a link to nothing; remove its pair, or bring it back.")


def _refuse_other(final: Path, name: str, folder: Path, listing: str, overwrite: bool) -> bool:
    """Whether the set that is there was made of the same files; refuses what must not be replaced."""
    record = read_record(final)
    if "listing" not in record:
        raise UserError(f"{final} holds a set that was not made of a folder: give another --name.")
    if record["listing"] == listing or overwrite:
        return record["listing"] == listing
    if record["folder"] == str(folder.absolute()):
        raise UserError(f"the pictures in {folder} have changed since {name} was prepared: add --overwrite to do it again.")
    raise UserError(
        f"{name} holds the pictures of another folder, {record['folder']}: give another --name, or add --overwrite."
    )


def _own_info(name: str, folder: Path, parts: Sequence[str], source: Path) -> tfds.core.DatasetInfo:
    from tensorflow_datasets.core.dataset_info import DatasetIdentity

    raw = {part: tfds.features.Scalar(dtype=np.object_, doc="The file, byte for byte.") for part in parts}
    return tfds.core.DatasetInfo(
        builder=DatasetIdentity(name=name, version=tfds.core.Version(VERSION), data_dir=str(folder), module_name=""),
        description=f"Pairs of pictures from {source.absolute()}.",
        features=tfds.features.FeaturesDict({"name": tfds.features.Text(), **raw}),
        disable_shuffling=True,
    )
