"""The last sections of every page on a run: its pictures over the training, its settings, and how it was started."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p2p_jax.config import Config
from p2p_jax.config.derived import as_size
from p2p_jax.evaluation.pages import about, growth


def sections(workdir: Path, config: Config, record: Mapping[str, Any], times: Sequence[str]) -> list[str]:
    """The HTML of these sections.

    Args:
        workdir: of the run.
        config: of the run.
        record: of the run, from `workdir.record.read_record`.
        times: HTML that says where the time went, from `about.times`.
    """
    return [
        '<h2 id="growth">The same pairs over the training</h2>',
        growth.section(workdir, config.data, as_size(config.image_size)),
        '<h2 id="settings">Settings</h2>',
        about.settings(config, record["name"] if record["sha256"] is None else None),
        '<h2 id="run">The run</h2>',
        about.facts(record),
        *times,
    ]
