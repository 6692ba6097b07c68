"""What NumPy's products must keep to beside a network that runs on the same cores."""

ONE_THREAD = 262_144
"""Products in one call of BLAS that OpenBLAS still makes on the thread that asks. For more it wakes others, which then
spin for 26 ms, on the cores that the network wants for the next picture: a parsing took half as long again."""
