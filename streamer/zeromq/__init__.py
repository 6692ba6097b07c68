"""Masks over ZeroMQ."""
