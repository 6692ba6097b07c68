"""The sinks of a live stream: window, recording, publisher."""
