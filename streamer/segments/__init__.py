"""One source parsed by several processes, to the same bytes as by one."""
