"""The documents of the experiments: their links and commands exist, and the table of runs stays short."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
DOCUMENTS = ("README.md", "LOG.md", "launch/README.md")
SOURCES = sorted(path for path in EXPERIMENTS.rglob("*.py") if "fundamentals" not in path.parts)


def anchors(text: str) -> set[str]:
    """The anchors of a document: explicit ones, and those that GitHub derives from headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    derived = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return derived | set(re.findall(r'<a id="(\w+)"></a>', text))


@pytest.mark.parametrize("document", ["../README.md", *DOCUMENTS])
def test_links_lead_to_files_and_sections(document):
    path = EXPERIMENTS / document
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        place, _, section = target.partition("#")
        if not place.startswith("http") and (document != "../README.md" or place.startswith("experiments/")):
            linked = (path.parent / place).resolve() if place else path
            assert linked.exists(), target
            assert not section or section in anchors(linked.read_text()), target


@pytest.mark.parametrize("path", [*(EXPERIMENTS / name for name in DOCUMENTS), *SOURCES], ids=lambda path: path.name)
def test_commands_name_modules_that_exist(path):
    modules = set(re.findall(r"python -m (experiments[\w.]*\w)", path.read_text())) - {"experiments.NAME"}
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


def test_the_table_of_runs_is_short():
    assert len((EXPERIMENTS / "README.md").read_text().splitlines()) <= 60


def test_entries_of_the_log_are_dated_and_the_newest_is_first():
    headings = re.findall(r"^## (.*)$", (EXPERIMENTS / "LOG.md").read_text(), re.MULTILINE)
    dates = [re.match(r"\d{4}-\d\d-\d\d: ", heading) for heading in headings]
    assert all(dates)
    assert sorted(headings, key=lambda heading: heading[:10], reverse=True) == headings
