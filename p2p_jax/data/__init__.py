"""Pairs of pictures: where they come from, how they are read, and what is done to them in the jitted step."""
