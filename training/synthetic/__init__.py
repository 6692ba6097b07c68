"""Synthetic people: pictures with exact classes, sides and persons, rendered from a mesh that anybody may use."""
