"""What the service costs on this machine: memory and processor time of a real one, measured from outside."""
