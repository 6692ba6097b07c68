"""Meshes and the bones that move them."""
