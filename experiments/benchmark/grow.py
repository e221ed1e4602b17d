"""How time and memory grow with picture size, batch size and width; while one grows, the other two stay small."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.benchmark.measure import OnProgress, measure_case, steps_per_turn
from experiments.benchmark.options import Case, Contestant, Options

BASE = Case(64, 1, 16)
AXES: dict[str, tuple[int, ...]] = {
    "image_size": (64, 128, 256, 512, 1024),
    "batch_size": (1, 2, 4, 8, 16, 32, 64),
    "width": (16, 32, 64),
}
UNITS = {"image_size": "pixels a side", "batch_size": "pictures a step", "width": "features of the first layer"}

Point = dict[str, Any]
"""{"axis", "value", "name", "work": FLOPs of a step}, and either {"seconds", "peak": bytes} or {"skipped": reason}."""


def measure_growth(
    contestants: Sequence[Contestant],
    options: Options,
    count_work: Callable[[Case], int],
    on_progress: OnProgress,
    axes: Mapping[str, Sequence[int]] = AXES,
) -> list[Point]:
    """Measures the training step along each axis, and skips what would take too much time or memory.

    Args:
        contestants: a curve for each.
        options: with the limits on seconds and GiB.
        count_work: returns the FLOPs of a step.
        on_progress: called after each point.
        axes: the values of each axis, from small to large.
    """
    points: list[Point] = []
    for contestant in contestants:
        for axis, values in axes.items():
            curve: list[Point] = []
            for value in values:
                case = BASE._replace(**{axis: value})
                point = {"axis": axis, "value": value, "name": contestant.name, "work": count_work(case)}
                reason = predict(curve, point, options)
                curve.append(point | ({"skipped": reason} if reason else measure_point(case, contestant, options)))
                on_progress(f"{contestant.name}: {value} {UNITS[axis]}")
            points += curve
    return points


def predict(curve: Sequence[Point], point: Point, options: Options) -> str | None:
    """Returns the reason for skipping a point, or None.

    The prediction lets time and memory grow in proportion to the work, from the last point that was measured; memory never
    grows faster than that. After a point that failed, larger ones are skipped: they would fail, too.
    """
    if not curve:
        return None
    last = curve[-1]
    if "skipped" in last:
        return last["skipped"]
    grown = point["work"] / last["work"]
    seconds, gib = last["compile_seconds"] + last["took"] * max(grown, 1), last["peak"] * max(grown, 1) / 2**30
    if seconds > options.seconds:
        return f"would take about {seconds:.0f} s, more than --seconds {options.seconds:g}"
    if gib > options.gib:
        return f"would need up to {gib:.1f} GiB, more than --gib {options.gib:g}"
    return None


def measure_point(case: Case, contestant: Contestant, options: Options) -> Point:
    """Measures the rounds of one contestant, and how long they took in all without compilation."""
    row = measure_case(case, [contestant], options, lambda _: None, parts=("step",))[0]
    if "failed" in row:
        return {"skipped": f"failed: {row['failed']}"}
    took = sum(row["step"]) * steps_per_turn(row, options)
    return {"seconds": row["step"], "peak": row["peak"], "compile_seconds": row["compile_seconds"], "took": took}
