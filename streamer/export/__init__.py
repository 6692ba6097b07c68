"""Parsings as files for other tools, and figures of them."""
