"""What is connected to this machine: webcams, the list of them, and its screen."""
