"""Tools that make pairs: each is one function that works through a folder of pictures."""
