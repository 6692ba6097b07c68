"""The machines of a Ray cluster, and processes on them that do what processes of this machine do."""
