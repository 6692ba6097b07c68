"""Bodies and what they wear, in the rest pose."""
