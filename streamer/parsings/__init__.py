"""Where the parsings of a file come from: a parser, or a sidecar."""
