"""Motion between frames, and the masks that follow it."""
