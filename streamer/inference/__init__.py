"""The inference process, and the handle on it."""
