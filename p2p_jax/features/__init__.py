"""Networks that others have trained on photographs: their weights, their features, and LPIPS."""
