"""Facades that the program draws, with their label maps."""

from p2p_jax.data.procedural.facades import facade as facade
