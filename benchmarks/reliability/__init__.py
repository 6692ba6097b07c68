"""The faults that `python -m benchmarks.reliability` makes, on loopback and with real processes."""
