"""What `python -m training` runs."""
