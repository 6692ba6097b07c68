"""Masks for home automation: conditions, and where messages go when one is met."""
