"""Parsings drawn onto pictures."""
