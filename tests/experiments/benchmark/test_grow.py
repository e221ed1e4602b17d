"""Growth: which points are measured, and which are skipped."""

from experiments.benchmark.grow import measure_growth, predict
from experiments.benchmark.options import Contestant, Options


def test_a_point_beyond_a_limit_is_skipped_and_so_are_larger_ones():
    options = Options(seconds=10, gib=2)
    last = {"work": 100, "took": 4.0, "compile_seconds": 1.0, "peak": 2**30, "seconds": [1.0]}
    assert predict([], {"work": 10**9}, options) is None
    assert predict([last], {"work": 200}, options) is None
    assert "would take about 13 s" in predict([last], {"work": 300}, options)
    assert "up to 3.0 GiB" in predict([last], {"work": 300}, Options(seconds=99, gib=2))
    assert predict([{"work": 100, "skipped": "because"}], {"work": 1}, options) == "because"


def test_growth_measures_each_axis_of_each_contestant(monkeypatch):
    def fake(case, rows, options, on_progress, *, parts):
        assert parts == ("step",)
        row = {**rows[0]._asdict(), "platform": "cpu", "compile_seconds": 1.0, "peak": 2**20}
        return [row | ({"failed": "it broke"} if case.width == 64 else {"step": [0.1]})]

    monkeypatch.setattr("experiments.benchmark.grow.measure_case", fake)
    progress = []
    axes = {"image_size": (64, 128), "width": (32, 64)}
    points = measure_growth([Contestant("one", "jax")], Options(), lambda case: case.image_size, progress.append, axes)
    assert [(p["axis"], p["value"], p.get("skipped")) for p in points] == [
        ("image_size", 64, None), ("image_size", 128, None), ("width", 32, None), ("width", 64, "failed: it broke"),
    ]  # fmt: skip
    assert progress[0] == "one: 64 pixels a side"
