"""Who calls and what they may do. Nothing here yet: this version serves on loopback, or behind what authenticates."""
