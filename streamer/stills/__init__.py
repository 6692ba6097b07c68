"""Pictures by themselves: a process that decodes, parses and encodes, so that bytes from outside stay in there."""
