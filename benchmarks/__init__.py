"""What the project costs, how it answers to faults, and what it draws: each prints what it measured."""
