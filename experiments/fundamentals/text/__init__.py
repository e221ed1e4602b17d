"""The lessons' texts (Markdown), and for each a module whose `tell` returns the values and figures that the text names."""
