"""Reads the pictures that a run needs late while it compiles and trains, so that an unreadable one is reported early."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from p2p_jax.config import Config
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import Dataset
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.devices import processes

SPLITS = ("val", "test")
"""Splits whose pictures training does not read, in the order in which a run needs them."""


@dataclass
class EarlyLook:
    """A thread that reads the pairs of validation and test once.

    Attributes:
        faults: the error of the first pair that cannot be read.
        over: set when the run ends, which ends the thread.
    """

    faults: list[Exception] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def raise_fault(self) -> None:
        """Raises the error of an unreadable pair, if one was found so far.

        With several processes it raises nothing, because all would have to end at the same step: there, validation and the
        report name the pair.

        Raises:
            UserError: a pair cannot be read.
        """
        if self.faults and processes.count() == 1:
            raise self.faults[0]


@contextmanager
def look_early(dataset: Dataset, config: Config) -> Iterator[EarlyLook]:
    """Reads, while the block runs, all pairs of validation and test that come from files and are not to be skipped.

    The pairs are read in a thread of low priority and are not kept.
    """
    look = EarlyLook()
    threading.Thread(target=_read_all, args=(look, dataset, config), daemon=True).start()
    try:
        yield look
    finally:
        look.over.set()


def _read_all(look: EarlyLook, dataset: Dataset, config: Config) -> None:
    if sys.platform == "linux":  # where a priority is that of one thread
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
    fit = fit_of_evaluation(config)
    for name in SPLITS:
        pairs = dataset.splits.get(name)
        if not isinstance(pairs, RecordedPairs):
            continue
        for index in processes.own_indices(pairs.count()):
            if look.over.is_set():
                return
            try:
                pairs.read(index, fit)
            except Exception as error:  # raised in the main thread, see `raise_fault`
                look.faults.append(error)
                return
