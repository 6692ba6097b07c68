"""Cameras spread over the machines of a cluster: who runs where, and what becomes of those whose machine dies."""
