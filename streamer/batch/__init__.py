"""Many files rendered by several processes, and a record of what became of each."""
