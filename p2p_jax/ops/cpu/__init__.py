"""How a CPU computes convolutions. Accelerators use none of it."""
