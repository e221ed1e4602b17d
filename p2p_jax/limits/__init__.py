"""How much reading a foreign file may cost."""
