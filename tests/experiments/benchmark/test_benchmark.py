"""The benchmark: the work counted, traces read, what is written, and workers that fail. Nothing here depends on a clock."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from rich.console import Console

from experiments import pytorch_original
from experiments.benchmark import command, jax_side, limits, measure, output, plots, pool, worker
from experiments.benchmark.data_speed import draw
from experiments.benchmark.grow import measure_growth, predict
from experiments.benchmark.layers import read_program, sum_layers
from experiments.benchmark.options import REFERENCE, Case, Contestant, Options, contestants, make_config
from experiments.benchmark.work import count_flops
from p2p_jax import ops
from p2p_jax.cli import main, run_command
from p2p_jax.config import Discriminator, Generator
from p2p_jax.console import progress_bar
from p2p_jax.errors import Stopped

TINY = Case(24, 1, 4)
LIMITS = {"jax": {"device": "cpu", "platform": "cpu", "float32": 1e9, "bfloat16": 4e9, "copy": 1e9}}


def formula(size, width, levels):
    """FLOPs of the U-Net's forward pass: 4 x 4 kernels at every pixel of the smaller side."""
    widths = [3] + [width * min(2**i, 8) for i in range(levels)]
    flops = 0
    for level in range(levels):
        pixels = (size >> (level + 1)) ** 2
        above, here = widths[level], widths[level + 1]
        flops += 2 * 16 * pixels * above * here * (2 if level == levels - 1 else 3)  # down, and up with the skip
    return flops


# --------------------------------------------------------------------------------------------------------------------
# Work


def test_the_generators_work_is_that_of_its_convolutions():
    counted = jax_side.count_work(Case(32, 2, 4))
    # At the innermost level, from 2 x 2 to 1 x 1 and back, three quarters of the kernel meet nothing but padding.
    innermost = 2 * (2 * 16 * 32 * 32)
    assert counted["forward"] == 2 * (formula(32, 4, 5) - innermost * 3 // 4)


def test_the_full_step_at_256_pixels():
    counted = jax_side.count_work(Case(256, 1, 64))
    assert counted["forward"] / 1e9 == pytest.approx(12.1, abs=0.05)
    # PyTorch's own counter finds 86.94 in its step, with the padding at the innermost level.
    assert counted["step"] / 1e9 == pytest.approx(86.94, abs=0.05)


@pytest.mark.parametrize("op", ["down", "up"])
def test_both_gradients_of_a_convolution_cost_what_it_costs(op):
    x, kernel = jnp.zeros((2, 8, 8, 3)), jnp.zeros((4, 4, 3, 5))
    if op == "down":
        apply = partial(ops.conv2d, stride=2, padding=1)
        flops = 2 * 2 * 4 * 4 * 16 * 3 * 5
    else:
        apply, kernel = partial(ops.conv2d_transpose, stride=2, padding=1), jnp.zeros((3, 4, 4, 5))
        flops = 2 * 2 * 8 * 8 * 16 * 3 * 5

    def loss(x, kernel):
        return jnp.square(apply(x, kernel)).sum()

    assert count_flops(apply, x, kernel) == flops
    assert count_flops(jax.grad(loss), x, kernel) == 2 * flops
    assert count_flops(jax.grad(loss, argnums=1), x, kernel) == 2 * flops
    assert count_flops(jax.grad(loss, argnums=(0, 1)), x, kernel) == 3 * flops


def test_zeros_that_dilation_puts_in_are_no_work():
    x, kernel = jnp.zeros((1, 9, 9, 2)), jnp.zeros((3, 3, 2, 4))
    numbers = ("NHWC", "HWIO", "NHWC")
    wide = partial(lax.conv_general_dilated, window_strides=(1, 1), padding=((3, 3), (3, 3)), dimension_numbers=numbers)
    assert count_flops(partial(wide, rhs_dilation=(3, 3)), x, kernel) == 2 * 81 * 9 * 2 * 4
    assert count_flops(partial(wide, lhs_dilation=(4, 4)), x, kernel) == 2 * 81 * 9 * 2 * 4


def test_what_is_repeated_counts_once_and_what_is_dropped_not_at_all():
    a = jnp.zeros((3, 4))
    product = 2 * 3 * 3 * 4

    @jax.custom_vjp
    def wrapped(a):
        return a @ a.T

    wrapped.defvjp(lambda a: (wrapped(a), a), lambda a, g: (g @ a,))
    assert count_flops(lambda a: a @ a.T, a) == product
    assert count_flops(lambda a: a @ a.T + jax.jit(lambda b: b @ b.T)(a), a) == product
    assert count_flops(lambda a: (a @ a.T, (a @ a.T).T @ a)[0], a) == product
    assert count_flops(wrapped, a) == product
    assert (
        count_flops(lambda a: lax.scan(lambda c, _: (c + a @ a.T, None), jnp.zeros((3, 3)), length=5)[0], a) == 5 * product
    )


# --------------------------------------------------------------------------------------------------------------------
# Layers

PROGRAM = """HloModule jit_train_step

%fused (p: f32[4]) -> f32[4] {
  ROOT %dot.9 = f32[4]{0} dot(%p, %p), metadata={op_name="dot_general"}
}

%adam (p: f32[4]) -> f32[4] {
  %mul.3 = f32[4]{0} multiply(%p, %p), metadata={op_name="jit(train_step)/optimizer/mul"}
  ROOT %add.3 = f32[4]{0} add(%p, %mul.3), metadata={op_name="jit(train_step)/add"}
}

%called (p: f32[4]) -> f32[4] {
  ROOT %pad.1 = f32[4]{0} pad(%p), metadata={op_name="pad"}
}

ENTRY %main (p: f32[4]) -> (f32[4], s32[]) {
  %copy.1 = f32[4]{0} copy(%p)
  %fusion.1 = f32[4]{0} fusion(%copy.1), kind=kCustom, calls=%fused, metadata={op_name="jit(step)/jvp(up3)/dot_general"}
  %call.1 = f32[4]{0} call(%fusion.1), to_apply=%called, metadata={op_name="jit(train_step)/transpose(jvp(up3))/jit(_run)"}
  %norm.1 = f32[4]{0} multiply(%call.1, %p), metadata={op_name="jit(train_step)/transpose(jvp(down1_norm))/mul"}
  %gemm = (f32[4]{0}, s8[9]{0}) custom-call(%p), custom_call_target="__cudnn$convFwd", metadata={op_name="jvp(conv0)/conv"}
  %fusion.2 = f32[4]{0} fusion(%p), kind=kLoop, calls=%adam, metadata={op_name="jit(train_step)/add"}
  %tanh.1 = f32[4]{0} tanh(%p), metadata={op_name="jit(train_step)/jvp()/tanh"}
  ROOT %tuple.1 = (f32[4]{0}, s32[]) tuple(%norm.1, %p)
}
"""


def event(name, microseconds, pid=1, tid=1, **args):
    return {"ph": "X", "name": name, "pid": pid, "tid": tid, "dur": microseconds, "ts": 0, "args": args}


EVENTS = [
    event(name, microseconds)
    for name, microseconds in {
        "fusion.1": 10, "call.1": 30, "pad.1": 20, "norm.1": 5, "gemm": 7, "fusion.2": 8, "copy.1": 3, "tanh.1": 1,
        "nobody's": 99,
    }.items()
]  # fmt: skip


def test_events_are_summed_by_layer_and_pass_and_what_is_called_counts_once():
    rows = {(row["layer"], row["backward"]): row for row in sum_layers(read_program(PROGRAM), EVENTS, 2)}
    found = {key: (round(row["product"] * 1e6, 6), round(row["rest"] * 1e6, 6)) for key, row in rows.items()}
    assert found == {
        ("up3", False): (5, 0),
        ("up3", True): (0, 10),
        ("conv0", False): (3.5, 0),
        ("norms", True): (0, 2.5),
        ("optimizer", False): (0, 4),
        ("copies", False): (0, 1.5),
        ("the rest", False): (0, 0.5),
    }
    assert list(rows)[:3] == [("up3", False), ("up3", True), ("conv0", False)]


def test_on_an_accelerator_only_its_own_line_of_operations_counts():
    meta = [
        {"ph": "M", "name": "process_name", "pid": 7, "args": {"name": "/device:GPU:0"}},
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "/host:CPU"}},
        {"ph": "M", "name": "thread_name", "pid": 7, "tid": 2, "args": {"name": "XLA Ops"}},
        {"ph": "M", "name": "thread_name", "pid": 7, "tid": 3, "args": {"name": "Stream #13"}},
    ]
    kernels = [event("kernel_7", 10, pid=7, tid=3, hlo_op="fusion.1"), event("fusion.1", 50)]
    program = read_program(PROGRAM)
    assert [row["product"] for row in sum_layers(program, meta + kernels, 1)] == [pytest.approx(10e-6)]
    both = [*meta, *kernels, event("fusion.1", 11, pid=7, tid=2)]
    assert [row["product"] for row in sum_layers(program, both, 1)] == [pytest.approx(11e-6)]


def test_where_nothing_matches_a_sentence_says_so():
    assert sum_layers(read_program(PROGRAM), [event("elsewhere", 5)], 1) == []
    assert "so no layers" in printed(output.print_layers, "p2p_jax float32", [])


# --------------------------------------------------------------------------------------------------------------------
# Output


def printed(function, *args):
    console = Console(file=io.StringIO(), width=120, soft_wrap=True, markup=False, highlight=False)
    function(console, *args)
    return console.file.getvalue()


def made_up_case():
    common = {"platform": "cpu", "device": "cpu", "compile_seconds": 1.0, "first_peak": 2**30, "peak": 2**29}
    rows = [
        {**Contestant("p2p_jax float32", "jax")._asdict(), **common, "step": [0.4, 0.5, 9.0], "forward": [0.1]},
        {**Contestant(REFERENCE, "torch")._asdict(), **common, "step": [1.0, 1.0, 1.0], "forward": [0.2]},
        {**Contestant("p2p_jax bfloat16", "jax", "bfloat16")._asdict(), "failed": "OutOfMemory: too large", "step": []},
    ]
    return {**TINY._replace(batch_size=2)._asdict(), "work": {"step": 250_000_000, "forward": 10_000_000}, "rows": rows}


def test_figures_are_medians_and_ratios_to_the_reference_and_shares_of_the_limit():
    case = made_up_case()
    first, reference, failed = case["rows"]
    assert output.summarize(first, reference, case, LIMITS)["step"] == {
        "seconds": 0.5, "pictures": 4.0, "ratio": 2.0, "share": 0.5, "limit": 8.0,
    }  # fmt: skip
    assert output.summarize(first, None, case, {})["forward"] == {"seconds": 0.1, "pictures": 20.0}
    assert output.summarize(failed, reference, case, LIMITS) == {}
    elsewhere = {"torch": {**LIMITS["jax"], "platform": "cuda", "float32": 9e12}, **LIMITS}
    assert output.summarize(first, reference, case, elsewhere)["step"]["limit"] == 8.0


def test_tables_show_what_was_measured_and_say_what_failed():
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
    growth[2] = {key: value for key, value in growth[2].items() if key not in ("seconds", "peak")} | {"skipped": "too long"}
    results = {"limits": LIMITS, "cases": [made_up_case()], "growth": growth}
    path = output.write_results(tmp_path / "new", results)
    assert json.loads(path.read_text()) == results
    written = plots.save_plots(tmp_path / "new", results)
    assert [path.name for path in written] == ["pictures_24px_batch2.png", "growth.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    text = printed(output.print_growth, growth)
    assert "p2p_jax float32, 64 pixels a side: left out, for 64 too long.\n" in text


def test_a_bar_beyond_the_limit_says_its_share_in_whole_figures():
    slower = {"jax": LIMITS["jax"] | {"float32": LIMITS["jax"]["float32"] / 2.5}}
    axes = plots.draw_case(made_up_case(), slower).axes[0]
    assert axes.texts[0].get_text() == "4 (125 % of 3.2)"


# --------------------------------------------------------------------------------------------------------------------
# Growth


def test_a_point_beyond_a_limit_is_left_out_and_so_are_larger_ones():
    options = Options(seconds=10, gib=2)
    last = {"work": 100, "took": 4.0, "compile_seconds": 1.0, "peak": 2**30, "seconds": [1.0]}
    assert predict([], {"work": 10**9}, options) is None
    assert predict([last], {"work": 200}, options) is None
    assert "would take about 13 s" in predict([last], {"work": 300}, options)
    assert "up to 3.0 GiB" in predict([last], {"work": 300}, Options(seconds=99, gib=2))
    assert predict([{"work": 100, "skipped": "because"}], {"work": 1}, options) == "because"


def test_growth_measures_each_axis_of_each_contestant(monkeypatch):
    def fake(case, rows, options, tell, *, parts):
        assert parts == ("step",)
        row = {**rows[0]._asdict(), "platform": "cpu", "compile_seconds": 1.0, "peak": 2**20}
        return [row | ({"failed": "it broke"} if case.width == 64 else {"step": [0.1]})]

    monkeypatch.setattr("experiments.benchmark.grow.measure_case", fake)
    told = []
    axes = {"image_size": (64, 128), "width": (32, 64)}
    points = measure_growth([Contestant("one", "jax")], Options(), lambda case: case.image_size, told.append, axes)
    assert [(p["axis"], p["value"], p.get("skipped")) for p in points] == [
        ("image_size", 64, None), ("image_size", 128, None), ("width", 32, None), ("width", 64, "failed: it broke"),
    ]  # fmt: skip
    assert told[0] == "one: 64 pixels a side"


# --------------------------------------------------------------------------------------------------------------------
# Workers and the command


def answers_of(*requests):
    written = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), written)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def make_shallow_config(*args, **data):
    networks = {"generator": Generator(widths=(4, 8)), "discriminator": Discriminator(widths=(4, 8))}
    return replace(make_config(*args, **data), **networks)


def test_a_contestant_end_to_end(monkeypatch, tmp_path):
    monkeypatch.setattr(jax_side, "make_config", make_shallow_config)
    draw(tmp_path, 4, size=24)
    given = {"count": 2, "folder": str(tmp_path), "workers": 1}
    contestant = Contestant("p2p_jax float32", "jax")
    about, *measured = answers_of(
        {"do": "prepare", "case": TINY, "contestant": contestant},
        {"do": "step", "count": 2},
        {"do": "forward", "count": 2},
        {"do": "data", **given},
        {"do": "data", **given},
        {"do": "memory"},
        {"do": "layers", "count": 1},
    )
    assert about["answer"]["platform"] == "cpu"
    assert about["answer"]["program_flops"] > 0
    assert all(one["answer"] > 0 for one in measured[:4])
    assert measured[4]["answer"] >= 0
    layers = {row["layer"] for row in measured[5]["answer"]}
    assert {"down0", "up0", "conv0", "optimizer"} <= layers


def test_limits_are_measured():
    rates = limits.measure_jax(limits.Sizes(side=16, values=64, calls=2))
    assert all(rates[name] > 0 for name in ("float32", "bfloat16", "copy"))


def test_the_best_that_was_seen_of_a_machine_is_its_limit(fake_worker):
    fake_worker("import json; input(); print(json.dumps({'answer': {'float32': 2.0, 'bfloat16': 5.0, 'copy': 1.0}}))")
    console, known = Console(), {"jax": {"float32": 3.0, "bfloat16": 4.0, "copy": 1.0}}
    found = command.measure_limits(Options(), console, progress_bar(console), known, torch=False)
    assert found == {"jax": {"float32": 3.0, "bfloat16": 5.0, "copy": 1.0}}


def test_a_request_that_fails_is_answered_by_a_sentence():
    broken = Contestant("broken", "jax", "float31")
    answers = answers_of({"do": "prepare", "case": TINY, "contestant": broken}, {"do": "nothing"})
    assert [answer["error"].split(":")[0] for answer in answers] == ["TypeError", "KeyError"]
    assert all("\n" not in answer["error"] for answer in answers)


@pytest.fixture
def fake_worker(monkeypatch):
    """Lets workers run a few lines of Python in place of the real program."""
    whole = subprocess.Popen

    def use(code):
        monkeypatch.setattr(pool.subprocess, "Popen", lambda _, **options: whole([sys.executable, "-c", code], **options))

    return use


ECHO = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked.get("contestant", [""])[0] == "broken":
        sys.exit("out of luck")
    answer = {"platform": "cpu"} if asked["do"] == "prepare" else 2.0
    print(json.dumps({"answer": answer}), flush=True)
"""


def test_one_that_fails_says_so_and_the_others_go_on(fake_worker):
    fake_worker(ECHO)
    rows = [Contestant("first", "jax"), Contestant("broken", "torch"), Contestant("last", "torch")]
    told = []
    options = Options(rounds=2, steps=4)
    first, broken, last = measure.measure_case(TINY, rows, options, told.append, parts=("step", "forward"))
    assert broken["failed"] == "its process ended with code 1: out of luck"
    assert "step" not in broken
    assert first["step"] == last["forward"] == [0.5, 0.5]
    assert first["peak"] == 2.0
    assert told[1] == "broken: prepare"


def test_one_that_does_not_answer_is_given_up(fake_worker):
    fake_worker("import sys; sys.stdin.read()")
    with pool.open_worker(0.01) as patient, pytest.raises(pool.WorkerFailed, match=r"no answer in 0\.01 s"):
        pool.ask(patient, "step")
    assert patient.process.returncode is not None


def test_workers_end_when_the_program_is_interrupted(monkeypatch, fake_worker):
    fake_worker(ECHO)

    def interrupt(_):
        raise KeyboardInterrupt

    opened = []
    whole = pool.stop

    def stop(worker):
        whole(worker)
        opened.append(worker.process.returncode)

    monkeypatch.setattr(pool, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        measure.measure_case(TINY, [Contestant("first", "jax")], Options(), interrupt, parts=("step",))
    assert opened == [-9]


def test_rows_follow_the_options():
    names = [row.name for row in contestants(Options(dtypes=("float32",)), torch=False)]
    assert names == ["p2p_jax float32"]
    rows = contestants(Options(torch=("reference", "tuned")), torch=True, cuda=True)
    assert [row.name for row in rows[2:]] == [REFERENCE, "PyTorch tuned", "PyTorch tuned, compiled"]
    assert make_config(TINY, "bfloat16").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--image-sizes", "20"], "--image-sizes was given 20: the PatchGAN needs at least 24"),
        (["--batch-sizes", "0"], "--batch-sizes was given 0"),
        (["--rounds", "0"], "--rounds was given 0"),
        (["--steps", "-1"], "--steps was given -1"),
        (["--gib", "0"], "--gib was given 0"),
        (["--image-sizes"], "--image-sizes was given without a value"),
        (["--ronuds", "3"], "there is no option --ronuds; did you mean --rounds?"),
    ],
)
def test_wrong_input_gets_one_sentence(capsys, argv, said):
    assert run_command(lambda argv: command.run(argv, "benchmark"), argv, "benchmark") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"benchmark: {said}")
    assert message.count("\n") == 1


def test_the_command_writes_what_the_workers_answer(monkeypatch, tmp_path, capsys):
    def ask(_, what, **given):
        return {
            "limits": {**LIMITS["jax"], "version": "1"},
            "work": {"step": 10**6, "forward": 10**5},
            "prepare": {"platform": "cpu", "device": "cpu", "compile_seconds": 1.0, "first_peak": 1},
            "layers": [{"layer": "up0", "backward": True, "product": 1.0, "rest": 2.0}],
        }.get(what, 0.5)

    @pool.contextmanager
    def open_worker(patience, **environment):
        yield None

    for module in (command, measure):
        monkeypatch.setattr(module, "ask", ask)
        monkeypatch.setattr(module, "open_worker", open_worker)
    argv = ["--torch", "--image-sizes", "32", "--width", "4", "--rounds", "2", "--steps", "1", "--output", str(tmp_path)]
    assert command.run(argv, "benchmark") == 0
    results = json.loads((tmp_path / "benchmark.json").read_text())
    assert results["cases"][0]["rows"][1]["step"] == [0.5, 0.5]
    assert results["command"].startswith("benchmark --torch --image-sizes 32")
    assert results["versions"]["jax"] == jax.__version__
    text = capsys.readouterr().out
    assert "PyTorch's rows are missing: --torch was given without a value." in text
    assert "Products 33 %, all else 67 %." in text


def test_the_program_has_it_as_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bench", "--help"])
    assert caught.value.code == 0
    assert "usage: p2p-jax bench" in capsys.readouterr().out


def test_what_is_missing_for_pytorch_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(pytorch_original.importlib.util, "find_spec", lambda name: None)
    assert pytorch_original.what_is_missing() == "PyTorch is not installed: pip install torch."
    monkeypatch.setattr(pytorch_original.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(pytorch_original, "PATH", tmp_path / "none.py")
    assert "run this from a checkout" in pytorch_original.what_is_missing()


def test_work_that_cannot_be_counted_stops_the_program(fake_worker):
    fake_worker("import sys; sys.exit('no luck')")
    with pool.open_worker(10) as counter, pytest.raises(Stopped, match="no luck"):
        command._count_work(counter, TINY)
