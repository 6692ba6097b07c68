"""Everything that waits: sources, sinks, threads, sockets and the command line."""
