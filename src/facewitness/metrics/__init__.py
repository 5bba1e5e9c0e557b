"""How good scores and maps are: NumPy only, arrays in, numbers out."""
