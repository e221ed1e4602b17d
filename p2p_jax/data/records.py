"""Records: the encoded pictures of pairs, from files or from a set of tensorflow-datasets."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from p2p_jax.data.names import SIDE, Files
from p2p_jax.data.pictures import Encoded, of_file
from p2p_jax.errors import NotFetched, UserError
from p2p_jax.storage.shards import Shards


class Records(Protocol):
    """The encoded pictures of pairs, by index."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str: ...  # noqa: D102

    def pictures(self, index: int) -> dict[str, Encoded]: ...  # noqa: D102


class FileRecords(NamedTuple):
    """Records whose pictures are files."""

    files: Sequence[Files]

    def __len__(self) -> int:
        """The number of records."""
        return len(self.files)

    def name(self, index: int) -> str:
        """The name of a record."""
        return self.files[index][0]

    def pictures(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record, by side (see `names.Files`)."""
        return {side: of_file(Path(path)) for side, path in self.files[index][1].items()}


@dataclass(frozen=True)
class ArrivingRecords(Sequence[dict[str, Any]]):
    """Records of a set in a bucket: reading one waits until its shard is in the local cache.

    Attributes:
        records: of the split, in the local cache, where shards may still be missing.
        shards: the files of the set.
        names: of the shards of the split.
        ends: for each shard, the number of records in it and in those before it.
    """

    records: Sequence[dict[str, Any]]
    shards: Shards
    names: tuple[str, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        """The number of records."""
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        """Reads a record, once its shard has been fetched.

        Raises:
            NotFetched: the shard cannot be fetched.
        """
        self.shards.fetch(self.shard_of(index))
        return self.records[index]

    def shard_of(self, index: int) -> str:
        """The name of the shard that holds a record."""
        return self.names[bisect_right(self.ends, index)]


class PreparedRecords(NamedTuple):
    """Records of a set of tensorflow-datasets.

    Attributes:
        records: `len` and `[i] -> {feature: value}`, pictures as encoded bytes or as arrays; `ArrivingRecords` if the set
            is in a bucket.
        title: of the set, for messages.
        features: the names of A, B and possibly mask; None where the features are named as sides (see `names.Files`).
    """

    records: Sequence[dict[str, Any]]
    title: str
    features: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """The number of records."""
        return len(self.records)

    def name(self, index: int) -> str:
        """The name of a record, or its number if it has no name."""
        return _to_text(self._read(index).get("name", index))

    def pictures(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record, by side (see `names.Files`)."""
        record = self._read(index)
        if self.features is None:
            found = {side: value for side, value in record.items() if side == "pair" or SIDE.fullmatch(side)}
        else:
            found = dict(zip(("A", "B", "mask"), (record[feature] for feature in self.features), strict=False))
        title = f"record {_to_text(record.get('name', index))} of {self.title}"
        return {side: Encoded(title, value) for side, value in found.items()}

    def _read(self, index: int) -> dict[str, Any]:
        try:
            return self.records[index]
        except NotFetched:  # the record itself may be good, so no other one may replace it
            raise
        except Exception as error:  # array_record raises every kind of error for damaged files
            reason = str(error).strip().splitlines()[0].lower() if str(error).strip() else type(error).__name__
            raise UserError(f"record {index} of {self.title} cannot be read ({reason}): prepare the set again.") from None


class Subset(NamedTuple):
    """Some of the records."""

    records: Records
    indices: Sequence[int]

    def __len__(self) -> int:
        """The number of records."""
        return len(self.indices)

    def name(self, index: int) -> str:
        """The name of a record."""
        return self.records.name(self.indices[index])

    def pictures(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record, by side."""
        return self.records.pictures(self.indices[index])


def _to_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
