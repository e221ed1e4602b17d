"""The findings of a check as text for people and as JSON for programs."""

from pathlib import Path
from typing import Any

from rich.text import Text

from p2p_jax.data.doctor.advice import advise_sides
from p2p_jax.data.doctor.findings import Finding, Findings
from p2p_jax.data.doctor.summaries import Summary
from p2p_jax.data.doctor.train_line import train_line
from p2p_jax.files.names import printable

MAX_ITEM = 300  # characters of an item in the text; JSON has all of it
MAX_SIZES = 3  # sizes that are named one by one
CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
DEPTHS = {"8": "8 bits", "16": "16 bits", "float": "floating-point numbers"}


def describe(findings: Findings, *, limit: int = 10) -> Text:
    """Describes the set and its problems and warnings in plain words.

    Args:
        findings: of `examine.check_data`.
        limit: lines of each finding; the others are counted.
    """
    text = Text()
    for split, sides in findings.summaries.items():
        count = sum(pair.split == split for pair in findings.pairs)
        text.append(f"{split}: {count} pairs\n", "bold")
        for side, summary in sides.items():
            text.append(f"  {side}: {_describe_summary(summary)}\n")
    for title, style, found in (
        ("Problems", "bold red", findings.problems),
        ("Warnings", "bold yellow", findings.warnings),
    ):
        if found:
            text.append(f"{title}:\n", style)
            for finding in found:
                text.append(_describe_finding(finding, limit))
    if not findings.problems:
        text.append("Nothing is wrong with these pairs.\n" if not findings.warnings else "", "bold green")
    for note in _list_notes(findings):
        text.append(f"{note}\n")
    return text


def to_json(path: str | Path, findings: Findings, sheet: Path | None = None) -> dict[str, Any]:
    """All findings as values that JSON can hold.

    Args:
        path: of the set.
        findings: of `examine.check_data`.
        sheet: the contact sheet, if one was drawn.
    """
    return {
        "path": str(path),
        "ok": not findings.problems,
        "splits": {
            split: {
                "pairs": sum(pair.split == split for pair in findings.pairs),
                "parts": {side: summary._asdict() for side, summary in sides.items()},
            }
            for split, sides in findings.summaries.items()
        },
        "problems": [finding._asdict() for finding in findings.problems],
        "warnings": [finding._asdict() for finding in findings.warnings],
        "notes": list(findings.notes),
        "sides": {name: advice._asdict() for name, advice in advise_sides(findings.pairs).items()},
        "train": train_line(path, findings),
        "sheet": str(sheet) if sheet else None,
    }


def _describe_summary(summary: Summary) -> str:
    words = [f"{summary.count} pictures of {_describe_sizes(summary)}"]
    words.append(" and ".join(_count(CHANNELS.get(n, f"{n} channels"), k, summary) for n, k in summary.channels))
    words.append(" and ".join(_count(DEPTHS[depth], k, summary) for depth, k in summary.depths))
    words.append(f"values {summary.low:g} to {summary.high:g}")
    for what, count in (
        ("with a palette", summary.palettes), ("transparent somewhere", summary.transparent),
        ("with an opaque alpha channel", summary.alpha - summary.transparent), ("grey saved as RGB", summary.colourless),
    ):  # fmt: skip
        words += [f"{count if count < summary.count else 'all'} {what}"] if count else []
    words += [f"{len(summary.colours)} colours in all"] if summary.colours else []
    kind = {"labels": "looks like label maps", "blurred": "looks like label maps saved as JPEG", "": ""}[summary.labels]
    return ", ".join([*words, *([kind] if kind else [])])


def _count(word: str, count: int, summary: Summary) -> str:
    return word if count == summary.count else f"{word} ({count})"


def _describe_sizes(summary: Summary) -> str:
    named = [f"{width} x {height}" for (height, width), _ in summary.sizes]
    if len(named) == 1:
        return named[0]
    if len(named) <= MAX_SIZES:
        return " and ".join(f"{name} ({count})" for name, (_, count) in zip(named, summary.sizes, strict=True))
    heights, widths = zip(*(size for size, _ in summary.sizes), strict=True)
    return f"{len(named)} sizes from {min(widths)} to {max(widths)} wide and {min(heights)} to {max(heights)} high"


def _describe_finding(finding: Finding, limit: int) -> Text:
    text = Text(f"  {printable(finding.sentence)}\n")
    for item in map(printable, finding.items[:limit]):
        text.append(f"    {item if len(item) <= MAX_ITEM else item[:MAX_ITEM] + ' …'}\n")
    if len(finding.items) > limit:
        text.append(f"    and {len(finding.items) - limit} more (--json names all)\n")
    return text


def _list_notes(findings: Findings) -> list[str]:
    notes = list(findings.notes) + [note for advice in advise_sides(findings.pairs).values() for note in advice.notes]
    if "train" in findings.summaries and "val" not in findings.summaries:
        notes.append("There is no validation split: --data.val-fraction 0.1 splits off a tenth of the training pairs.")
    if findings.pairs:
        notes.append("A is the input and B the target; --data.direction BtoA swaps them.")
    if any(finding.kind == "alone" for finding in findings.problems):
        notes.append("No option skips pictures that lack their other half: add the other halves, or remove the pictures.")
    return notes
