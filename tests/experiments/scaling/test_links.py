"""Collectives in the text of a compiled program."""

from experiments.scaling.links import count_collectives

PROGRAM = """
%all-reduce-scatter.6 (input_0: bf16[4,4,32,64]) -> bf16[4,4,32,16] {
  %all-reduce.8 = (bf16[4,4,32,64]{2,3,1,0:T(8,128)(2,1)}) all-reduce(%input_0), channel_id=1, to_apply=%add.1
}
%async_collective_fusion.1 (p: bf16[8,4,4,8]) -> bf16[32,4,4,8] {
  %all-gather.5 = bf16[32,4,4,8]{3,2,1,0} all-gather(%p), channel_id=19, dimensions={0}
}
%async_collective_fusion.2 (p: bf16[8,4,4,8]) -> bf16[32,4,4,8] {
  %all-gather.6 = bf16[32,4,4,8]{3,2,1,0:S(1)} all-gather(%p), channel_id=19, dimensions={0}
}
ENTRY %main.1 (p: f32[16]) -> f32[16] {
  %all-reduce.1 = f32[16]{0} all-reduce(%p), channel_id=2, to_apply=%add
  %all-gather-start = (f32[2,4]{1,0}, f32[8,4]{1,0}) all-gather-start(%q), channel_id=3, dimensions={0}
  %all-gather-done = f32[8,4]{1,0} all-gather-done(%all-gather-start)
  %reduce-scatter.1 = f32[4,4,3,5]{3,2,1,0} reduce-scatter(%r), channel_id=4, dimensions={0}
}
"""


def test_collectives_are_counted_in_a_program():
    found = count_collectives(PROGRAM, 4, {4 * 4 * 32 * 64, 32 * 4 * 4 * 8})
    assert [tuple(one.values()) for one in found] == [
        ("all-gather", "bf16", "parameters", 1, 2 * 32 * 4 * 4 * 8),
        ("all-gather", "f32", "statistics", 1, 4 * 8 * 4),
        ("all-reduce", "f32", "statistics", 1, 4 * 16),
        ("reduce-scatter", "bf16", "parameters", 1, 2 * 4 * 4 * 32 * 64),
        ("reduce-scatter", "f32", "activations", 1, 4 * 4 * 4 * 4 * 3 * 5),
    ]
