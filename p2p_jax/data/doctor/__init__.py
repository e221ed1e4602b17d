"""The check of a data set: inspects every picture and reports problems, warnings and the options for training."""
