"""A compiled network, and what goes into it and comes out of it."""
