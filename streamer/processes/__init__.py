"""Child processes, and how they are talked to."""
