"""Faces: where they are, whose they are, and, when asked, what age and gender they may seem to be of."""
