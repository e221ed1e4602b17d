"""Scaling: how memory and traffic per device grow with the number of devices, and a plan for a pod. No step is run.

    python -m experiments.scaling --platform tpu --output scaling.json
    python -m experiments.scaling --devices           # the plan alone

For up to 256 devices, with one picture each (or --pictures) and the state replicated or sharded, a call of `p2p-jax train`
is compiled from shapes alone, each number of devices in a separate process. The compiled program reports the bytes of its
arguments (the state) and of its temporary memory, and its collectives show the traffic over the links.

With --platform cpu the program is XLA:CPU's for simulated devices, where convolutions are im2col products: the bytes of the
state are exact, the temporary memory is not that of an accelerator. With --platform tpu the TPU compiler (from
`pip install "p2p-jax[tpu]"`) compiles for a TPU v5e from a description alone, so no TPU is needed.

The plan for a pod (`pod.py`) is arithmetic, not a measurement.
"""
