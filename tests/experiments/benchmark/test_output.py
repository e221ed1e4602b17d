"""Figures, tables, JSON and plots."""

import json

from helpers.benchmark import LIMITS, made_up_case, printed

from experiments.benchmark import output, plots


def test_figures_are_medians_with_ratios_to_the_pytorch_original_and_fractions_of_the_limit():
    case = made_up_case()
    first, baseline, failed = case["rows"]
    assert output.summarize(first, baseline, case, LIMITS)["step"] == {
        "seconds": 0.5, "pictures": 4.0, "ratio": 2.0, "fraction": 0.5, "limit": 8.0,
    }  # fmt: skip
    assert output.summarize(first, None, case, {})["forward"] == {"seconds": 0.1, "pictures": 20.0}
    assert output.summarize(failed, baseline, case, LIMITS) == {}
    elsewhere = {"torch": {**LIMITS["jax"], "platform": "cuda", "float32": 9e12}, **LIMITS}
    assert output.summarize(first, baseline, case, elsewhere)["step"]["limit"] == 8.0


def test_tables_show_results_and_failures():
    text = printed(output.print_case, made_up_case(), LIMITS)
    assert "0.25 GFLOP" in text
    assert "50.0 %" in text
    assert "p2p_jax bfloat16 failed: OutOfMemory: too large\n" in text
    assert "from disk" not in text


def test_json_and_plots_are_written(tmp_path):
    growth = [
        {
            "axis": axis,
            "value": value,
            "name": "p2p_jax float32",
            "work": value * 1e6,
            "seconds": [value / 1e3],
            "peak": 2**28,
        }
        for axis in ("image_size", "width")
        for value in (16, 32, 64)
    ]
    growth[2] = {key: growth[2][key] for key in ("axis", "value", "name", "work")} | {"skipped": "is too long"}
    results = {"limits": LIMITS, "cases": [made_up_case()], "growth": growth}
    path = output.write_results(tmp_path / "new", results)
    assert json.loads(path.read_text()) == results
    written = plots.save_plots(tmp_path / "new", results)
    assert [path.name for path in written] == ["pictures_24px_batch2.png", "growth.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    text = printed(output.print_growth, growth)
    assert "p2p_jax float32, 64 pixels a side: skipped, because 64 is too long.\n" in text
