"""The process that holds the connection to a camera."""
