"""One module per run: a docstring as lab note, CONFIG and build. Start one with `p2p-jax train NAME`."""
