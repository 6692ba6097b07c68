"""The live stream: three threads, and what they share."""
