"""What a report says of the run itself: its settings, how it was started, its versions, and where its time went."""

from collections.abc import Mapping, Sequence
from typing import Any

from p2p_jax.config import Config
from p2p_jax.config.tree import to_dict
from p2p_jax.evaluation.diagnoses import diagnose
from p2p_jax.evaluation.html import escape
from p2p_jax.evaluation.pages.parts import column_table, folded
from p2p_jax.experiment import find_installed, names
from p2p_jax.workdir.metrics_file import time_fractions

SET_BY_THE_PROGRAM = ("steps_per_epoch",)
"""Fields that are no settings."""

FACTS = {
    "command": "command", "started": "started", "machine": "machine",
    "commit": "commit of p2p_jax",
    "init_from": "starts from the networks of", "name": "experiment",
}  # fmt: skip
"""Fields of a record, and what they are called."""


def settings(config: Any, name: str | None) -> str:
    """The HTML of all settings: first those that differ from a default, then the others, folded.

    Args:
        config: of the run.
        name: of its experiment if that is an installed one; the code of a workdir is not run for this.
    """
    own = _flatten(to_dict(config))
    general = _flatten(to_dict(Config()))
    special = general if name not in names() else _flatten(to_dict(find_installed(str(name)).config))
    changed, others = [], []
    for field, value in own.items():
        if field in SET_BY_THE_PROGRAM:
            continue
        defaults = [each.get(field) for each in (special, general)]
        if all(field in each and each[field] == value for each in (special, general)):
            others.append((field, _show(value)))
        else:
            changed.append((field, _show(value), *map(_show, defaults)))
    heads = ["setting", "value", f"default of {name}", "default of p2p_jax"]
    if special is general:
        heads, changed = ["setting", "value", "default of p2p_jax"], [row[:3] for row in changed]
    first = column_table(heads, changed, classes="value") if changed else "<p>All settings have their default values.</p>"
    return first + folded(
        "Settings with their default values", column_table(["setting", "value"], others), number=len(others)
    )


def _show(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "none" if value is None else str(value)


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def facts(record: Mapping[str, Any]) -> str:
    """The HTML of how a run was started, and with which versions. What an older record lacks is left out."""
    rows = ""
    for field, title in FACTS.items():
        if record.get(field):
            value = escape(record[field])
            cell = f"<code>{value}</code>" if field == "command" else value
            cell += " (changes to its files since then are not recorded)" if field == "commit" else ""
            rows += f'<tr><th scope="row">{title}</th><td class="value">{cell}</td></tr>'
    versions = column_table(["package", "version"], sorted(record["versions"].items()))
    return f"<table><tbody>{rows}</tbody></table>{folded('Versions', versions, number=len(record['versions']))}"


def times(rows: Sequence[dict[str, float]]) -> list[str]:
    """The HTML of where the time went; [] if no row has a time."""
    fractions = time_fractions(list(rows))
    if not fractions:
        return []
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    lines = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{100 * fraction:.1f} %</td>'
        f'<td class="number">{duration(fraction * seconds)}</td><td>{_bar(fraction)}</td></tr>'
        for name, fraction in fractions.items()
    )
    return [
        '<h2 id="time">Where the time went</h2>',
        f"<table><tbody>{lines}</tbody></table><p>Total: {duration(seconds)}.</p>",
    ]


def _bar(fraction: float) -> str:
    width = max(0.0, min(100.0, 100 * fraction))
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" width="100" height="10"/><rect width="{width:.1f}" height="10"/></svg>'
    )


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(8.31), duration(75), duration(7260)
    ('8.3 s', '1 min 15 s', '2 h 1 min')
    """
    if not 0 <= seconds < 1e12:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def skipped_batches(rows: Sequence[dict[str, float]]) -> list[str]:
    """A sentence on batches that were skipped; [] if there were none."""
    left_out = rows[-1].get("left_out", 0) if rows else 0
    number = int(left_out) if 0 <= left_out < 1e12 else 0
    return [f"<p>Batches skipped, because losses or networks were not finite after them: {number}.</p>"] if number else []


def diagnoses(rows: Sequence[dict[str, float]], config: Config) -> list[str]:
    """What seems wrong with the run, and what to try; [] if nothing does."""
    found = [f"<p>{escape(diagnosis.sentence)}</p>" for diagnosis in diagnose(rows, config)]
    return ["<h2>What seems wrong</h2>", *found] if found else []


def run_line(config: Any, rows: Sequence[dict[str, float]], described: str, step: int) -> str:
    """A sentence on what was trained on what."""
    rates = sorted(row["pictures_per_second"] for row in rows if 0 <= row.get("pictures_per_second", -1) < 1e9)
    speed = f", {rates[len(rates) // 2]:.1f} pictures per second" if rates else ""
    size = config.image_size
    shown = f"{size}" if isinstance(size, int) else f"{size[0]} x {size[1]}"
    return (
        f"<p>{step} steps of batch {config.batch_size} at {shown} pixels on {escape(described)}, direction "
        f"{escape(config.data.direction)}{speed}.</p>"
    )
