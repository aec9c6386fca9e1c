"""What a worker may touch and use: the confinement port, and what implements it."""
