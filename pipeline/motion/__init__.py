"""How a picture moves, and masks with it."""
