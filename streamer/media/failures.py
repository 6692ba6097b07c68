"""The errors of FFmpeg when something is to be written."""

import av

WRITING_FAILS = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises when a codec or a kind of file does not take what it is given: not all of FFmpeg's errors are of
Python's kinds, and those of what is experimental, or not implemented, are not."""
