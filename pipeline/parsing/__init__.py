"""The parser: pictures in, parsings out."""
