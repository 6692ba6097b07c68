"""Parsings as bytes; no socket."""
