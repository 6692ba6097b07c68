"""The faults that `scripts/reliability.py` makes, on loopback and with real processes."""
