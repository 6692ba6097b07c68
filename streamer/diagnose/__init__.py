"""What this machine and this camera can do."""
