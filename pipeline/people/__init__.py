"""Persons: apart in one picture, and the same ones over time."""
