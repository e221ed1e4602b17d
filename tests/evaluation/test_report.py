"""The report: pages that need no other file."""

import base64
import hashlib
import html
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.runs import change_record, finished_run
from PIL import Image

from p2p_jax.cli import main
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.pairs import ProceduralPairs
from p2p_jax.evaluation import report
from p2p_jax.workdir.metrics_file import read_rows
from p2p_jax.workdir.record import load_experiment


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


@pytest.fixture(scope="module")
def page() -> str:
    return (finished_run() / "report" / "index.html").read_text()


def test_the_page_needs_no_other_file(page):
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+|http://www.w3.org/2000/svg", "", page))
    assert "<link" not in page
    assert not re.search(r"<script[^>]* src=", page)
    sources = re.findall(r'src="([^"]*)', page)
    assert sources
    assert all(re.match("data:image/(png|webp);base64,", source) for source in sources)


def test_the_pictures_in_the_page_are_complete_and_described(page):
    pictures = re.findall(r'<img src="data:image/\w+;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"', page)
    assert len(pictures) == 3 + 4  # a test pair; its growth: input, target, and the outputs of two samples
    for data, width, height, text in pictures:
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()
            assert picture.size == (int(width), int(height))
        assert len(text) > 10


def test_the_page_is_well_formed(page):
    class Balance(HTMLParser):
        opened: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br", "input"):
                self.opened.append(tag)

        def handle_endtag(self, tag):
            assert self.opened.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.opened == []
    assert page.startswith("<!doctype html>")


def test_the_page_has_figures_config_and_versions(page):
    figures = json.loads((finished_run() / "report" / "figures.json").read_text())
    assert figures["step"] == 8
    for name, values in figures["figures"].items():
        assert f'<th scope="col">{html.escape(name)}</th>' in page
        assert f'<td class="number">{values["l1"]:.4f}</td>' in page
    record = json.loads((finished_run() / "experiment.json").read_text())
    assert '<td class="value">generator.widths</td><td class="value">2 2</td>' in page
    assert f'data.load_size</td><td class="value">{record["config"]["data"]["load_size"]}</td>' in page
    assert "train quickstart --workdir" in page  # the command
    for package, version in record["versions"].items():
        assert f"<td>{package}</td><td>{version}</td>" in page


@pytest.mark.slow
def test_the_command_writes_it_again(finished, capsys):
    shutil.rmtree(finished / "report")
    assert main(["report", str(finished), "--checkpoint", "6"]) == 0
    assert str(finished / "report" / "index.html") in capsys.readouterr().out
    assert json.loads((finished / "report" / "figures.json").read_text())["step"] == 6


@pytest.mark.slow
def test_a_row_cut_off_by_a_crash_is_ignored(finished):
    complete = read_rows(finished / "metrics.jsonl")
    with (finished / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "generator_l1": 0.')
    assert read_rows(finished / "metrics.jsonl") == complete
    assert main(["report", str(finished)]) == 0


def test_a_report_without_rows_is_written(finished):
    (finished / "metrics.jsonl").unlink()
    assert main(["report", str(finished)]) == 0


HOSTILE = "</script><script>alert(1)</script><b>&\"'\x1b[2J"


@pytest.mark.slow
def test_names_and_settings_cannot_become_markup(finished, monkeypatch):
    record = json.loads((finished / "experiment.json").read_text())
    record["versions"][HOSTILE] = HOSTILE
    change_record(finished, versions=record["versions"], command=HOSTILE, machine=HOSTILE)
    monkeypatch.setattr(ProceduralPairs, "name", lambda self, index: f"{HOSTILE}{index}")
    assert main(["report", str(finished)]) == 0
    page = (finished / "report" / "index.html").read_text()
    assert "&lt;script&gt;" in page
    assert "alert(1)</script>" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert page.count("<script") == page.count("</script") == 2


def test_the_page_forbids_everything_but_its_own_pictures_style_and_script(page):
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)[1]
    for kind, element in (("style", "<style>(.*)</style>"), ("script", "<script>(.*)</script>")):
        text = re.search(element, page, re.DOTALL)[1].encode()
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" in policy
    assert "default-src 'none'; connect-src 'none'; img-src data:;" in policy
    assert "unsafe" not in policy
    assert not re.search(r'<[^>]* (style|on[a-z]+)="', page)
    assert page.index("Content-Security-Policy") < page.index("<style>")


@pytest.mark.slow
def test_further_pairs_are_on_further_pages(finished, monkeypatch):
    config = load_experiment(finished).config
    split = open_dataset(config).splits["train"]
    monkeypatch.setattr(report.evaluate, "choose_split", lambda *_: "train")
    monkeypatch.setattr(report.pictures, "PER_PAGE", 1)
    monkeypatch.setattr(report.pictures, "FEWEST", 2)
    for name in ("pictures-9.html", "pictures-mine.html"):
        (finished / "report" / name).write_text("old")
    assert main(["report", str(finished)]) == 0
    pages = ["index.html", *(f"pictures-{page}.html" for page in range(2, -(-split.count() // 2) + 1))]
    assert {path.name for path in (finished / "report").glob("*.html")} == {*pages, "pictures-mine.html"}
    found = []
    for name in pages:
        text = (finished / "report" / name).read_text()
        found += re.findall(r'<li class="pair" id="pair-\d+" data-index="(\d+)"', text)
        assert "Content-Security-Policy" in text
        assert set(re.findall(r'href="(pictures-\d\.html|index\.html)"', text)) | {name} >= set(pages)
    assert sorted(map(int, found)) == list(range(split.count()))
    first = (finished / "report" / "index.html").read_text()
    assert len(re.findall(r'<td><a href="[^"]*#pair-\d+">', first)) == split.count()


@pytest.mark.filterwarnings("default")
def test_rows_and_samples_of_a_stranger_are_no_error(finished, capsys):
    (finished / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "generator_l1": NaN}\n{"step": "<b>"}\n')
    for name in ("step_x.png", "step_.png", "step_9<b>.png", "step_" + "9" * 30 + ".png", "step_00000005.png"):
        (finished / "samples" / name).write_bytes(b"<script>")
    (finished / "samples" / "step_00000006.png").mkdir()
    assert main(["report", str(finished)]) == 0
    page = (finished / "report" / "index.html").read_text()
    assert page.count('alt="pair 1, step') == 2
    assert "<b>" not in page
    assert "step_00000005.png is not a sample grid that can be shown" in capsys.readouterr().err


def test_the_page_shows_where_the_time_went(page):
    share = r'</td><td class="number">[\d.]+ %</td>'
    assert re.search(f"<td>training{share}.*<td>compiling{share}", page)
