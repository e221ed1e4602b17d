"""The time of a step by layer, from the text of a program and the events of a trace."""

import pytest
from helpers.benchmark import printed

from experiments.benchmark import output
from experiments.benchmark.layers import read_program, sum_layers

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
        "unknown": 99,
    }.items()
]  # fmt: skip


def test_events_are_summed_by_layer_and_pass_and_called_computations_count_once():
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


def test_on_an_accelerator_only_the_line_of_operations_counts():
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


def test_a_sentence_says_that_no_event_matches():
    assert sum_layers(read_program(PROGRAM), [event("elsewhere", 5)], 1) == []
    assert "no table of layers" in printed(output.print_layers, "p2p_jax float32", [])
