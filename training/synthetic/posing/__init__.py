"""Poses, gestures, and groups of people who touch."""
