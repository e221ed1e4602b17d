"""Pairs of a set in a bucket: which of its shards are needed next."""

from collections.abc import Callable, Iterable, Iterator

from p2p_jax.data.pairs import Pairs, RecordedPairs, Replacing
from p2p_jax.data.records import ArrivingRecords, PreparedRecords, Subset


def expect(pairs: Pairs, indices: Iterable[int]) -> None:
    """Fetches the shards of pairs in the background, in the order in which the pairs will be read.

    Which pairs are read does not depend on it: reading a pair waits for its shard. For other pairs, nothing is done.

    Args:
        pairs: of a split.
        indices: of the pairs that this process will read, in order; there may be many, as they are looked at one by one
            while shards are fetched.
    """
    found = _find_arriving(pairs)
    if found is not None:
        records, to_record = found
        records.shards.expect(_first_uses(map(records.shard_of, map(to_record, indices)), len(_names_of(pairs))))


def is_arriving(pairs: Pairs) -> bool:
    """Whether some shards of the pairs are in a bucket and not in the local cache yet."""
    found = _find_arriving(pairs)
    return found is not None and not all(map(found[0].shards.is_there, _names_of(pairs)))


def _names_of(pairs: Pairs) -> set[str]:
    """The names of the shards that hold the pairs."""
    found = _find_arriving(pairs)
    return {found[0].shard_of(found[1](index)) for index in range(pairs.count())} if found else set()


def _first_uses(names: Iterable[str], total: int) -> Iterator[str]:
    """Yields each name once; after `total` names it looks at no more."""
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name
        if len(seen) == total:
            return


def _find_arriving(pairs: Pairs) -> tuple[ArrivingRecords, Callable[[int], int]] | None:
    """The records of a set in a bucket behind pairs, and the function from indices of pairs to those of records."""
    if isinstance(pairs, Replacing):
        return _find_arriving(pairs.pairs)
    if not isinstance(pairs, RecordedPairs):
        return None
    records, to_record = pairs.records, int
    if isinstance(records, Subset):
        records, to_record = records.records, records.indices.__getitem__
    if isinstance(records, PreparedRecords) and isinstance(records.records, ArrivingRecords):
        return records.records, to_record
    return None
