"""`p2p-jax compare` on runs: what it says, prints and writes."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.compared import copy_run
from helpers.runs import change_record, finished_run

import p2p_jax
from p2p_jax import UserError
from p2p_jax.cli import main
from p2p_jax.evaluation.comparison import pictures

pytestmark = pytest.mark.slow


def test_seeds_of_one_setting_have_no_difference(tmp_path, capsys):
    runs = [copy_run(tmp_path / f"seed_{seed}", gain=0.1 * seed, seed=seed) for seed in range(3)]
    assert main(["compare", *map(str, runs)]) == 0
    output = capsys.readouterr().out
    assert "No difference between settings: these runs differ only in their seed (seed_0, seed_1, seed_2)." in output
    assert "spread of seeds" in output
    assert "is better" not in output
    assert "were read from reports, and all others measured now: seed_0, seed_1, seed_2." in output
    assert "Add --output FOLDER for a page" in output


def test_two_settings_with_several_seeds_are_compared(tmp_path, capsys):
    runs = [copy_run(tmp_path / f"l1_{seed}", seed=seed, noise=0.001, loss__adversarial_weight=0.0) for seed in (1, 2, 3)]
    runs += [copy_run(tmp_path / f"gan_{seed}", seed=seed, noise=0.001, gain=0.2) for seed in (4, 5, 6)]
    found = p2p_jax.compare(runs)
    assert [(each.letter, each.runs) for each in found.settings] == [
        ("A", ("l1_1", "l1_2", "l1_3")),
        ("B", ("gan_4", "gan_5", "gan_6")),
    ]
    (contrasts,) = found.contrasts
    assert contrasts.scope == "pictures and seeds"
    assert (contrasts.verdict("ssim"), contrasts.verdict("l1")) == ("better", "no difference")
    assert contrasts.metrics["ssim"].difference.value == pytest.approx(0.2, abs=0.01)
    assert found.settings[1].values == {"loss.adversarial_weight": 1.0}
    assert found.names == tuple(map(str, range(6)))
    assert main(["compare", *map(str, runs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found.as_json()))


def test_runs_without_a_report_are_measured_on_the_pictures_of_the_first(tmp_path):
    other = tmp_path / "other"
    shutil.copytree(finished_run(), other)
    record = json.loads((other / "experiment.json").read_text())
    change_record(other, config=record["config"] | {"seed": 1})
    path = other / "report" / "figures.json"
    path.write_text(path.read_text().replace('"procedural 0 8"', '"procedural 1 8"'))
    done = []
    found = p2p_jax.compare([finished_run(), other], on_done=lambda *now: done.append(now))
    assert [run.measured for run in found.runs] == [False, True]
    # The networks are the same, and so are the pictures on which they are measured.
    np.testing.assert_allclose([*found.runs[0].figures.values()], [*found.runs[1].figures.values()], rtol=1e-5)
    assert done[0] == (1, 2)
    assert done[-1] == (2, 2)
    assert "measured on those of test that the program draws with the seed of finished, 0." in found.notes[0]


def test_a_damaged_report_is_measured_again_with_a_warning(tmp_path):
    runs = [copy_run(tmp_path / "a"), copy_run(tmp_path / "b", seed=1)]
    (runs[1] / "report" / "figures.json").write_text('{"step": "<b>"')
    with pytest.warns(UserWarning, match=r"figures.json is damaged .*: the run is measured again."):
        found = p2p_jax.compare(runs)
    assert [run.measured for run in found.runs] == [False, True]
    assert found.runs[0].figures == pytest.approx(found.runs[1].figures, rel=1e-5)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    runs = [copy_run(folder / "plain", loss__adversarial_weight=0.0), copy_run(folder / "<i>&", gain=0.1, noise=0.2)]
    assert p2p_jax.compare(runs, output=folder / "out").page == folder / "out" / "compare.html"
    return folder, runs


def test_the_page_needs_no_other_file_and_no_script(page):
    text = (page[0] / "out" / "compare.html").read_text()
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//[a-z]|<script|<link|style=|@import|url\(", bare)
    assert {source[:11] for source in re.findall(r'src="([^"]*)', text)} == {"data:image/"}
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert "<i>" not in text
    assert "A: plain" in text
    assert "B: &lt;i&gt;&amp;" in text
    assert "B less A" in text


def test_the_page_is_well_formed_and_names_its_pictures(page):
    text = (page[0] / "out" / "compare.html").read_text()

    class Balance(HTMLParser):
        opened: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.opened.append(tag)
            if tag in ("img", "svg"):
                assert {"alt", "aria-label", "aria-hidden"} & dict(attrs).keys()

        def handle_endtag(self, tag):
            assert self.opened.pop() == tag

    parser = Balance()
    parser.feed(text)
    assert parser.opened == []
    assert re.findall("<h4>(.*?)</h4>", text)[:4] == ["0", "1", "2", "3"]
    assert text.count("<figcaption>target</figcaption>") == text.count("<h4>")


def test_a_page_that_exists_is_replaced_only_on_request(page, capsys):
    folder, runs = page
    line = ["compare", *map(str, runs), "--output", str(folder / "out")]
    before = (folder / "out" / "compare.html").read_bytes()
    assert main(line) == 2
    assert "compare.html exists already: give another --output, or --overwrite to replace it." in capsys.readouterr().err
    assert (folder / "out" / "compare.html").read_bytes() == before
    assert main([*line, "--overwrite"]) == 0
    assert main([*line[:-1], str(folder / "own.html")]) == 0
    assert f"Page: {folder}/own.html" in capsys.readouterr().out


def test_pictures_that_would_make_the_page_too_large_are_omitted(page, monkeypatch):
    folder, runs = page
    whole = (folder / "out" / "compare.html").read_text().count("<h4>")
    monkeypatch.setattr(pictures, "LARGEST", 6_000)
    text = p2p_jax.compare(runs, output=folder / "small").page.read_text()
    assert 0 < text.count("<h4>") < whole
    assert "<h3>The first pictures</h3>" in text


def test_a_missing_checkpoint_and_a_repeated_run_are_refused_before_anything_is_measured(tmp_path):
    runs = [copy_run(tmp_path / "a"), copy_run(tmp_path / "b", log_every=7)]
    measured = []
    with pytest.raises(UserError, match="the same settings and the same seed 0"):
        p2p_jax.compare(runs, on_done=lambda *now: measured.append(now))
    with pytest.raises(UserError, match=r"has no checkpoint 3: it has 4, latest and best."):
        p2p_jax.compare(runs, checkpoint_step=3, on_done=lambda *now: measured.append(now))
    assert measured == []
