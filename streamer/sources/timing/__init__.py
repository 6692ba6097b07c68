"""The times of frames: of files, of what comes by itself, over a gap; and when a picture is due."""
