"""One module per run: its docstring, CONFIG and, if needed, build. Start a run with `p2p-jax train NAME`."""
