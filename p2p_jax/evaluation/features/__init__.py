"""Networks that others have trained on photographs: their weights, and the features that metrics compare."""
