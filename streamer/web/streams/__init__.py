"""Live streams in a browser: a process for each, whose newest picture and masks go out together."""
