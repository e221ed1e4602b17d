"""Files and names that somebody else may have made: joining, showing, reading and writing them. Imports no JAX."""
