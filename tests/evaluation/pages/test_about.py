"""What a report says of the run itself."""

from dataclasses import replace

from p2p_jax.config import Config, Generator
from p2p_jax.evaluation.pages.about import facts, settings, times
from p2p_jax.experiment import find_installed


def test_settings_that_differ_from_the_defaults_come_first():
    page = settings(Config(seed=3, generator=Generator(widths=(2, 4)), steps_per_epoch=9), None)
    first, others = page.split("<details>")
    assert '<td class="value">seed</td><td class="value">3</td><td class="value">0</td>' in first
    assert '<td class="value">generator.widths</td><td class="value">2 4</td><td class="value">none</td>' in first
    assert "batch_size" not in first
    assert "<td>batch_size</td><td>1</td>" in others
    assert "steps_per_epoch" not in page
    assert "All settings have their default values" in settings(Config(), None)


def test_the_defaults_of_the_experiment_are_shown_beside():
    config = find_installed("quickstart").config
    page = settings(replace(config, batch_size=7), "quickstart")
    first = page.split("<details>")[0]
    assert '<th scope="col">default of quickstart</th>' in first
    row = '<td class="value">batch_size</td><td class="value">7</td>'
    assert row + f'<td class="value">{config.batch_size}</td><td class="value">1</td>' in first


def test_an_older_record_has_fewer_facts():
    assert "<code>p2p-jax train &lt;b&gt;</code>" in facts({"versions": {"jax": "1"}, "command": "p2p-jax train <b>"})
    page = facts({"versions": {"jax": "1"}, "name": "mine", "commit": None})
    assert '<th scope="row">experiment</th><td class="value">mine</td>' in page
    assert "commit" not in page


def test_runs_without_times_have_no_table_of_times():
    assert times([{"step": 1}]) == []
    assert "75.0 %" in times([{"step": 1, "seconds": 8.0, "data_wait": 0.25}])[1]
