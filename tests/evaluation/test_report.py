"""The report is one page that needs no other file."""

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
from p2p_jax.evaluation import report
from p2p_jax.workdir.metrics_file import read_rows


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run(), tmp_path / "run"))


@pytest.fixture(scope="module")
def page() -> str:
    return (finished_run() / "report" / "index.html").read_text()


def test_the_page_needs_no_other_file(page):
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert "<script" not in page
    assert "<link" not in page
    sources = re.findall(r'src="([^"]*)', page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_pictures_in_the_page_are_complete_and_described(page):
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"', page)
    assert len(pictures) == 2 + 2  # test, curves and two samples
    for data, width, height, text in pictures:
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()
            assert picture.size == (int(width), int(height))
        assert len(text) > 10


def test_the_page_is_well_formed(page):
    class Balance(HTMLParser):
        opened: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br"):
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
        assert f"<th>{html.escape(name)}</th>" in page
        assert f'<td class="number">{values["l1"]:.4f}</td>' in page
    record = json.loads((finished_run() / "experiment.json").read_text())
    assert "<td>generator.widths</td><td>" in page
    assert f"<td>data.load_size</td><td>{record['config']['data']['load_size']}</td>" in page
    for package, version in record["versions"].items():
        assert f"<td>{package}</td><td>{version}</td>" in page


@pytest.mark.slow
def test_the_command_writes_it_again(finished, capsys):
    shutil.rmtree(finished / "report")
    assert main(["report", str(finished), "--checkpoint", "6"]) == 0
    assert str(finished / "report" / "index.html") in capsys.readouterr().out
    assert json.loads((finished / "report" / "figures.json").read_text())["step"] == 6


@pytest.mark.slow
def test_a_row_cut_off_by_a_crash_is_ignored(finished, tmp_path):
    complete = read_rows(finished / "metrics.jsonl")
    with (finished / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "generator_l1": 0.')
    assert read_rows(finished / "metrics.jsonl") == complete
    report.plot_curves(read_rows(finished / "metrics.jsonl"), tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").format == "PNG"
    assert main(["report", str(finished)]) == 0


def test_a_report_without_rows_is_written(finished):
    (finished / "metrics.jsonl").unlink()
    assert main(["report", str(finished)]) == 0


@pytest.mark.slow
def test_names_cannot_become_markup(finished):
    record = json.loads((finished / "experiment.json").read_text())
    record["versions"]["<script>"] = "<b>&"
    change_record(finished, versions=record["versions"])
    assert main(["report", str(finished)]) == 0
    page = (finished / "report" / "index.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_the_page_forbids_everything_but_its_own_pictures_and_style(page):
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)[1]
    style = hashlib.sha256(re.search(r"<style>(.*)</style>", page, re.DOTALL)[1].encode()).digest()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{base64.b64encode(style).decode()}'" in policy
    assert "img-src data:" in policy
    assert "style=" not in page
    assert page.index("Content-Security-Policy") < page.index("<style>")


@pytest.mark.filterwarnings("default")
def test_rows_and_samples_of_a_stranger_are_no_error(finished, capsys):
    (finished / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "generator_l1": NaN}\n{"step": "<b>"}\n')
    for name in ("step_x.png", "step_.png", "step_9<b>.png", "step_" + "9" * 30 + ".png", "step_00000005.png"):
        (finished / "samples" / name).write_bytes(b"<script>")
    (finished / "samples" / "step_00000006.png").mkdir()
    assert main(["report", str(finished)]) == 0
    page = (finished / "report" / "index.html").read_text()
    assert page.count("<img") == 2 + 2
    assert "<b>" not in page
    assert "step_00000005.png is not a sample grid that can be shown" in capsys.readouterr().err


def test_the_page_shows_where_the_time_went(page):
    assert re.search(r"<td>training</td><td>[\d.]+ %</td>.*<td>compiling</td><td>[\d.]+ %</td>", page)
