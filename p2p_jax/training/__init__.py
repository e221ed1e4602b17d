"""Training: from a config to a finished run with its report."""
