"""How training scales over devices, counted from the compiled program."""
